//! Tuning of the network between frames, on the maps of the lessons.
//!
//! While nobody presses anything, each frame is followed by one piece of the work: a step of the
//! [`Tuner`], then, if the held-out lessons say so, sixteen lessons taught to a new head on the tuned
//! network. Head, maps and tail change together, in memory as on the medium. A lesson that is taken
//! out takes the tail with it that was tuned on it.

use offshoot::{
    ClassId, Embedding, Error, Extractor, Head, PackageId, Progress, TuneError, TunedTail, Tuning,
    Verdict,
};
use offshoot_core::tail::{Delta, Paused, Samples, Tail, TailLayout, Tuner};

use super::limits::limits;
use super::maps::KeptMaps;
use super::persistence::Memory;
use super::record::{Beside, Lessons};
use super::record_file::MemoryError;
use super::{LONG, Session, SessionError};
use crate::settings::Tunes;

/// Number of frames without a press after which the device tunes.
const QUIET: u32 = 10;

/// Lessons that are taught anew between two frames.
const PIECE: usize = 16;

/// Maps of the lessons and the tuned tail of a session, and the work on the next one.
#[derive(Debug)]
pub(super) struct Tune {
    pub maps: KeptMaps,
    pub tail: Option<TunedTail>,
    /// Number of samples, from the first, that the tail was tuned on; and before the last lesson.
    pub tuned: usize,
    before: usize,
    /// Recipe, if the device is to tune.
    recipe: Option<Tuning>,
    /// True if the lessons changed since the last verdict.
    is_fresh: bool,
    quiet: u32,
    stage: Stage,
    last: Option<Verdict>,
    owners: Vec<u16>,
    memory: Vec<u32>,
}

#[derive(Debug)]
enum Stage {
    Rest,
    Tune {
        classes: u16,
        state: Paused,
    },
    /// Teaches the lessons to a head on the network with this tail.
    Teach(Box<Teach>),
}

#[derive(Debug)]
struct Teach {
    head: Head,
    /// Lessons taught.
    done: usize,
    tail: Option<TunedTail>,
    verdict: Verdict,
}

impl Tune {
    /// Goes on with maps and tail of a memory that keeps them; without a memory, with none.
    pub fn of(
        extractor: &mut Extractor,
        memory: Option<&mut Memory>,
        head: Option<&Head>,
        tunes: Tunes,
    ) -> Result<Option<Self>, SessionError> {
        let recipe = match tunes {
            Tunes::Idle(recipe) => Some(recipe),
            Tunes::No | Tunes::Undone => None,
        };
        let read = match memory {
            Some(memory) if memory.keeps_maps() => memory.take_read(),
            Some(memory) if recipe.is_some() => return Err(memory.without_maps().into()),
            None if recipe.is_some() => None,
            _ => return Ok(None),
        };
        Ok(Some(Self::new(extractor, read, head, recipe)?))
    }

    /// Goes on with lessons that were read; the extractor runs their tail and keeps maps from now on.
    fn new(
        extractor: &mut Extractor,
        read: Option<Lessons<()>>,
        head: Option<&Head>,
        recipe: Option<Tuning>,
    ) -> Result<Self, Error> {
        let tail = read.as_ref().and_then(|lessons| lessons.tail.clone());
        set(extractor, tail.as_ref())?;
        let len = extractor.map_len().ok_or(TuneError::NoTail)?;
        let room = head.map_or(limits(), Head::limits);
        let mut maps = KeptMaps::new(len, room.samples.into());
        maps.fill(read.as_ref().map_or(&[], |lessons| &lessons.maps));
        let tuned = read.map_or(0, |lessons| lessons.tuned);
        let mut tune = Self {
            maps,
            tail,
            tuned,
            before: tuned,
            recipe,
            is_fresh: true,
            quiet: 0,
            stage: Stage::Rest,
            last: None,
            owners: Vec::new(),
            memory: Vec::new(),
        };
        if recipe.is_some() {
            // Only their number counts.
            let owners = vec![0; room.samples.into()];
            let samples = Samples { maps: &[], owners: &owners, classes: room.classes };
            let package = extractor.package();
            let tail = Tail::find(package.graph()).ok_or(TuneError::NoTail)?;
            let most = TailLayout::new(&tail, &samples, false).words();
            tune.memory = vec![0; most.map_err(TuneError::from)?];
            tune.owners = owners;
        }
        Ok(tune)
    }

    /// Returns the parts of a record beside the head.
    pub fn beside(&self) -> Beside<'_> {
        Beside { maps: self.maps.all(), tail: self.tail.as_ref(), tuned: self.tuned }
    }

    /// Returns the progress, while the device tunes.
    pub fn progress(&self) -> Option<Progress> {
        match &self.stage {
            Stage::Rest => None,
            Stage::Tune { state, .. } => Some(state.progress()),
            Stage::Teach(teach) => {
                let of = self.maps.count() as u32;
                Some(Progress { done: teach.done as u32, of, fold: 0 })
            }
        }
    }

    /// Ends work on lessons that are no longer the same.
    fn restart(&mut self) {
        self.stage = Stage::Rest;
        self.is_fresh = true;
        self.last = None;
    }

    /// Follows a head that was taught one more.
    fn add(&mut self, map: &[i8], evicted: Option<usize>) {
        self.before = self.tuned;
        self.maps.add(map, evicted);
        self.tuned -= usize::from(evicted.is_some_and(|place| place < self.tuned));
        self.restart();
    }

    /// Numbers the classes that have lessons; `None` unless there are two and each has enough.
    fn number_classes(&mut self, head: &Head, folds: u8) -> Option<u16> {
        let mut numbers = [0; super::PLACES];
        let mut classes = 0;
        for ((id, _), number) in head.classes().zip(&mut numbers) {
            let own = head.samples_of(id);
            if own > 0 && own < folds.into() {
                return None;
            }
            *number = classes;
            classes += u16::from(own > 0);
        }
        self.owners.clear();
        self.owners.extend(head.samples().map(|(id, _)| numbers[id.index()]));
        (classes > 1).then_some(classes)
    }
}

/// Runs the network with this tail, or as it is, and keeps maps.
fn set(extractor: &mut Extractor, tail: Option<&TunedTail>) -> Result<(), Error> {
    extractor.set_tail(tail)?;
    extractor.keep_maps()
}

/// Returns a head without samples, with classes and settings of another, for a network of that id.
pub(super) fn emptied_like(head: &Head, id: PackageId) -> Result<Head, Error> {
    let mut fresh = Head::for_embeddings(head.kind(), head.dim(), id, head.limits())?;
    fresh.set_inverse_l2(head.inverse_l2())?;
    fresh.set_transform(head.recipe().transform);
    fresh.set_false_rejection_rate(head.false_rejection_rate())?;
    fresh.set_when_full(head.when_full());
    for (_, name) in head.classes() {
        fresh.add_class(name)?;
    }
    Ok(fresh)
}

impl Session {
    /// Returns the tail that the network was tuned with on the lessons; the head is bound to it.
    pub fn tail(&self) -> Option<&TunedTail> {
        self.tune.as_ref().and_then(|tune| tune.tail.as_ref())
    }

    /// Saves the head, and what belongs to it.
    pub(super) fn save(&mut self) -> Result<(), MemoryError> {
        let beside = self.tune.as_ref().map(Tune::beside);
        self.memory.as_mut().map_or(Ok(()), |memory| memory.save_with(&self.head, beside))
    }

    /// Follows a lesson that the head was just taught from the last frame.
    pub(super) fn follow_lesson(&mut self) {
        if let Some(tune) = &mut self.tune {
            tune.add(self.extractor.map().unwrap_or_default(), self.head.evicted());
        }
    }

    /// Takes the newest lesson back that was not saved.
    pub(super) fn undo_unsaved(&mut self) {
        let evicted = self.head.evicted();
        if let (Some(_), Some(tune)) = (self.head.undo(), &mut self.tune) {
            tune.maps.undo(evicted);
            tune.tuned = tune.before;
        }
    }

    /// Takes the newest lesson back, with the tail that was tuned on it.
    pub(super) fn undo_newest(&mut self) -> Result<Option<ClassId>, Error> {
        let evicted = self.head.evicted();
        let newest = self.head.sample_count().saturating_sub(1);
        let Some(class) = self.head.undo() else { return Ok(None) };
        if let Some(tune) = &mut self.tune {
            tune.maps.undo(evicted);
            match evicted {
                Some(_) => tune.tuned = tune.before,
                None => return self.untune_if(newest).map(|()| Some(class)),
            }
            tune.restart();
        }
        Ok(Some(class))
    }

    /// Removes a lesson by its index, with the tail that was tuned on it.
    pub(super) fn remove_lesson(&mut self, sample: usize) -> Result<ClassId, Error> {
        let class = self.head.remove_sample(sample).map_err(Error::from)?;
        if let Some(tune) = &mut self.tune {
            tune.maps.remove(sample);
        }
        self.untune_if(sample)?;
        Ok(class)
    }

    /// Removes a class with its lessons, and the tail that was tuned on one.
    pub(super) fn remove_lessons(&mut self, class: ClassId) -> Result<(), Error> {
        let own = |head: &Head| -> Vec<usize> {
            let all = head.samples().enumerate();
            all.filter(|(_, (id, _))| *id == class).map(|(sample, _)| sample).collect()
        };
        let removed = self.tune.as_ref().map_or(Vec::new(), |_| own(&self.head));
        self.head.remove_class(class).map_err(Error::from)?;
        for &sample in removed.iter().rev() {
            if let Some(tune) = &mut self.tune {
                tune.maps.remove(sample);
            }
        }
        match removed.first() {
            Some(&first) => self.untune_if(first),
            None => Ok(()),
        }
    }

    /// Drops the tail if it was tuned on a sample of this index, which is gone: each lesson is
    /// taught anew on the network as it is, from its map.
    fn untune_if(&mut self, sample: usize) -> Result<(), Error> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        tune.restart();
        if tune.tail.is_none() || sample >= tune.tuned {
            return Ok(());
        }
        self.untune()
    }

    /// Runs the network as it is again, and teaches it each lesson from its map.
    pub(super) fn untune(&mut self) -> Result<(), Error> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        set(&mut self.extractor, None)?;
        (tune.tail, tune.tuned, tune.before) = (None, 0, 0);
        let mut head = emptied_like(&self.head, self.extractor.id())?;
        for ((class, _), map) in self.head.samples().zip(tune.maps.iter()) {
            head.add_sample(class, self.extractor.embed_map(map)?)?;
        }
        self.head = head;
        self.smooth.reset();
        Ok(())
    }

    /// Forgets maps and tail with all lessons; returns them.
    pub(super) fn forget_maps(&mut self) -> Result<Option<Kept>, Error> {
        let Some(tune) = &mut self.tune else { return Ok(None) };
        set(&mut self.extractor, None)?;
        let maps = tune.maps.clone();
        tune.maps.clear();
        let kept = Kept { maps, tail: tune.tail.take(), tuned: tune.tuned };
        (tune.tuned, tune.before) = (0, 0);
        tune.restart();
        Ok(Some(kept))
    }

    /// Takes back what [`Session::forget_maps`] returned.
    pub(super) fn restore_maps(&mut self, kept: Kept) -> Result<(), Error> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        set(&mut self.extractor, kept.tail.as_ref())?;
        (tune.maps, tune.tail, tune.tuned) = (kept.maps, kept.tail, kept.tuned);
        tune.before = tune.tuned;
        tune.restart();
        Ok(())
    }

    /// Does a piece of the work, unless somebody was busy with the device in the last frames.
    pub(super) fn tune_between_frames(&mut self, is_busy: bool) -> Result<(), SessionError> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        tune.quiet = if is_busy { 0 } else { tune.quiet.saturating_add(1) };
        let Some(recipe) = tune.recipe.filter(|_| tune.quiet > QUIET) else { return Ok(()) };
        match std::mem::replace(&mut tune.stage, Stage::Rest) {
            Stage::Rest if tune.is_fresh => self.begin_tuning(recipe),
            Stage::Rest => Ok(()),
            Stage::Tune { classes, state } => self.tune_on(classes, state),
            Stage::Teach(teach) => self.teach_anew(teach),
        }
    }

    fn begin_tuning(&mut self, recipe: Tuning) -> Result<(), SessionError> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        tune.is_fresh = false;
        let Some(classes) = tune.number_classes(&self.head, recipe.folds) else { return Ok(()) };
        let samples = Samples { maps: tune.maps.all(), owners: &tune.owners, classes };
        let package = self.extractor.package();
        let tail = Tail::find(package.graph()).ok_or(TuneError::NoTail).map_err(Error::from)?;
        let layout = TailLayout::new(&tail, &samples, false);
        let tuner = Tuner::new(&package, samples, recipe, layout, &mut tune.memory);
        let state = tuner.map_err(Error::from)?.pause();
        tune.stage = Stage::Tune { classes, state };
        Ok(())
    }

    fn tune_on(&mut self, classes: u16, state: Paused) -> Result<(), SessionError> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        let samples = Samples { maps: tune.maps.all(), owners: &tune.owners, classes };
        let package = self.extractor.package();
        let mut tuner =
            Tuner::resume(&package, samples, state, &mut tune.memory).map_err(Error::from)?;
        tuner.step();
        let Some(verdict) = tuner.verdict() else {
            tune.stage = Stage::Tune { classes, state: tuner.pause() };
            return Ok(());
        };
        tune.last = Some(verdict);
        let mut file = vec![0; tuner.written_len()];
        let tail = match tuner.write(&mut file) {
            Ok(_) => Some(TunedTail::from_bytes(file)?),
            Err(_) => None,
        };
        if tail.is_none() && tune.tail.is_none() {
            self.tell_verdict(verdict);
            return Ok(());
        }
        // With these lessons, the network as it is may be better than an older tail.
        let id = tail.as_ref().map_or(package.manifest().id, TunedTail::id);
        let head = emptied_like(&self.head, id)?;
        tune.stage = Stage::Teach(Box::new(Teach { head, done: 0, tail, verdict }));
        Ok(())
    }

    /// Teaches some lessons to the new head; with the last, it takes the old one's place.
    fn teach_anew(&mut self, mut teach: Box<Teach>) -> Result<(), SessionError> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        let package = self.extractor.package();
        let delta = teach.tail.as_ref().map(|tail| Delta::open(tail.bytes())).transpose();
        let spec = match delta.map_err(Error::from)? {
            Some(delta) => delta.tail(&package).map_err(Error::from)?,
            None => Tail::find(package.graph()).ok_or(TuneError::NoTail).map_err(Error::from)?,
        };
        let mut scratch = vec![0; spec.channels() + spec.pixels()];
        let mut codes = vec![0; spec.dim()];
        let lessons = self.head.samples().zip(tune.maps.iter()).skip(teach.done).take(PIECE);
        for ((class, _), map) in lessons {
            spec.embed(map, &mut scratch, &mut codes);
            let unit_length = package.manifest().extras.unit_length;
            let quant = match unit_length {
                true => Embedding::unit_quant(&codes, spec.output()),
                false => spec.output(),
            };
            let embedding = Embedding::Int8 { codes: &codes, quant };
            teach.head.add_sample(class, embedding).map_err(Error::from)?;
            teach.done += 1;
        }
        if teach.done < tune.maps.count() {
            tune.stage = Stage::Teach(teach);
            return Ok(());
        }
        self.adopt(*teach)
    }

    /// Takes the new head and its tail, in one record; a record that cannot be saved leaves both as
    /// they were.
    fn adopt(&mut self, teach: Teach) -> Result<(), SessionError> {
        let Some(tune) = &mut self.tune else { return Ok(()) };
        let Teach { head, tail, verdict, .. } = teach;
        let tuned = if tail.is_some() { head.sample_count() } else { 0 };
        set(&mut self.extractor, tail.as_ref())?;
        let beside = Beside { maps: tune.maps.all(), tail: tail.as_ref(), tuned };
        let saved = self.memory.as_mut().map_or(Ok(()), |m| m.save_with(&head, Some(beside)));
        if let Err(error) = saved {
            set(&mut self.extractor, tune.tail.as_ref())?;
            self.say(format_args!("tuned, but not kept: {error}"));
            return Ok(());
        }
        (tune.tail, tune.tuned, tune.before) = (tail, tuned, tuned);
        self.head = head;
        self.smooth.reset();
        self.tell_verdict(verdict);
        Ok(())
    }

    fn tell_verdict(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Keep(evidence) => self.say(format_args!(
                "Tuned: {} of {} wrong held out, {} before",
                evidence.wrong_after, evidence.samples, evidence.wrong_before
            )),
            _ => self.say(format_args!("Not tuned: no better on held-out lessons")),
        }
        self.left = LONG;
    }
}

/// Maps and tail of lessons that were all forgotten.
#[derive(Debug)]
pub(super) struct Kept {
    maps: KeptMaps,
    tail: Option<TunedTail>,
    tuned: usize,
}
