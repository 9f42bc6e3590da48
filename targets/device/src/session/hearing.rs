//! Sound in a session: windows of a stream, takes of a word, and what was heard.

use std::time::{Duration, Instant};

use offshoot::{Answer, Ears, Embedding, Error, Extractor, Head, NOTHING};
use offshoot_core::head::AskError;
use offshoot_core::sound::{Wake, heard_in};

use super::limits::PLACES;
use super::places::{self, EMPTY, placed};
use super::waterfall::Waterfall;
use super::{Flow, LINGER, Mode, Ports, Session, SessionError};
use crate::camera::frame_buffer::CapturedFrame;
use crate::ports::Refused;

/// Number of windows whose mean is asked: a clip that was taught is a mean of several, too.
const SPAN: usize = 3;

/// Samples of a take before its button was pressed, in parts of a second.
const EARLIER: u32 = 5;

/// Least length of a take, that of a tap, and the greatest, in milliseconds.
const SHORTEST: u64 = 500;
const TAPPED: u64 = 1_500;
const LONGEST: u64 = 2_000;
/// Time from which a button that is down is held.
const HELD: u64 = 300;
/// Most time that a loop waits for a button to be let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause after a class was heard, in seconds.
const PAUSE: f32 = 1.0;

/// Samples of the room that are taught at the first start, and windows from one to the next.
const ROOM: u32 = 20;
const APART: u32 = 8;

/// Threshold while there is too little background to estimate one.
const DEFAULT: f32 = 0.9;

/// Seconds of one expected false alarm.
const ALARM: f32 = 3_600.0;

/// Time without any sound, as of a muted microphone, from which it is said, in seconds.
const MUTE: f32 = 2.0;

/// State of a session that hears.
#[derive(Debug)]
pub(super) struct Hearing {
    ears: Ears,
    wake: Wake,
    rate: u32,
    /// Windows in a second.
    pace: f32,
    /// Newest samples, the oldest first, as many as a take has before its button.
    recent: Vec<i16>,
    take: Vec<i16>,
    /// Embeddings of the newest windows, one after the other, and the index of the next.
    windows: Vec<f32>,
    next: usize,
    count: usize,
    mean: Vec<f32>,
    /// Mean when a class was heard last, until that was found right or wrong.
    hit: Vec<f32>,
    has_hit: bool,
    /// Class that was heard, its probability, and the number of windows that it stays on the screen.
    heard: Option<(usize, f32, u32)>,
    /// Samples of the room that are still to be taught, and windows until the next.
    room: u32,
    wait: u32,
    /// Number of windows in which all samples were the same.
    mute: u32,
    waterfall: Waterfall,
    /// Threshold of the user's.
    asked: Option<f32>,
}

impl Hearing {
    /// Returns the state for a package that takes sound.
    pub(super) fn of(
        extractor: &Extractor,
        head: Option<&Head>,
        asked: Option<f32>,
    ) -> Result<Option<Self>, Error> {
        let Some(sound) = extractor.sound() else { return Ok(None) };
        let dim = extractor.embedding_dim();
        let pace = sound.rate as f32 / (f32::from(sound.hop) * f32::from(sound.step));
        let pause = (PAUSE * pace) as u16;
        let longest = sound.rate as usize * (LONGEST as usize + 1_000) / 1_000;
        let bands = sound.bands().count();
        // A device that was taught before has heard its room.
        let is_new = head.is_none_or(|head| places::ordinary(head).next().is_none());
        Ok(Some(Self {
            ears: Ears::new(extractor)?,
            wake: Wake::new(asked.unwrap_or(DEFAULT), pause),
            rate: sound.rate,
            pace,
            recent: Vec::with_capacity(2 * (sound.rate / EARLIER) as usize),
            take: Vec::with_capacity(longest),
            windows: vec![0.0; SPAN * dim],
            next: 0,
            count: 0,
            mean: vec![0.0; dim],
            hit: vec![0.0; dim],
            has_hit: false,
            heard: None,
            room: if is_new { ROOM } else { 0 },
            wait: SPAN as u32,
            mute: 0,
            waterfall: Waterfall::new(bands, sound.step.into()),
            asked,
        }))
    }

    /// Forgets the stream: what comes next does not follow what came before.
    fn clear(&mut self) {
        self.ears.clear();
        self.wake.clear();
        self.recent.clear();
        (self.next, self.count, self.heard) = (0, 0, None);
    }

    /// Keeps the newest samples for the next take.
    fn remember(&mut self, samples: &[i16]) {
        let room = (self.rate / EARLIER) as usize;
        self.recent.extend_from_slice(&samples[samples.len().saturating_sub(room)..]);
        let late = self.recent.len().saturating_sub(room);
        self.recent.drain(..late);
    }

    /// Adds a window and computes the mean over the newest.
    fn average(ring: (&mut [f32], &mut [f32]), at: usize, count: usize, embedding: Embedding<'_>) {
        let (windows, mean) = ring;
        let dim = mean.len();
        let slot = &mut windows[at * dim..][..dim];
        slot.iter_mut().zip(embedding.iter()).for_each(|(slot, value)| *slot = value);
        mean.fill(0.0);
        for window in windows.chunks_exact(dim).take(count) {
            mean.iter_mut().zip(window).for_each(|(sum, value)| *sum += value / count as f32);
        }
    }
}

impl Session {
    /// Returns true if the session hears instead of seeing.
    pub(super) fn hears(&self) -> bool {
        self.hearing.is_some()
    }

    /// Returns the class that was heard last, while it is on the screen, and its probability.
    pub(super) fn heard(&self) -> Option<(usize, f32)> {
        let hearing = self.hearing.as_ref()?;
        hearing.heard.map(|(place, share, _)| (place, share))
    }

    /// Returns the fault of a microphone that gives no sound at all.
    pub(super) fn is_mute(&self) -> bool {
        self.hearing.as_ref().is_some_and(|h| h.mute as f32 > MUTE * h.pace)
    }

    /// Returns the number of samples of the room that are still to be taught.
    pub(super) fn room_left(&self) -> u32 {
        self.hearing.as_ref().map_or(0, |hearing| hearing.room)
    }

    /// Handles one frame of sound: a lesson is recorded first.
    pub(super) fn listen(
        &mut self,
        lesson: Option<usize>,
        ports: &mut Ports<'_>,
    ) -> Result<Flow, SessionError> {
        let is_heard = match lesson {
            Some(EMPTY) if self.teach_wrong() => true,
            Some(class) => self.record(class, ports)?,
            None => self.take_in(ports)?,
        };
        if lesson.is_some() {
            self.outcome.get_or_insert(Err(Refused::NoFrame));
            self.pass_on(ports.buttons);
        }
        self.is_pressed = false;
        ports.led.set(is_heard && self.heard().is_some());
        let start = Instant::now();
        self.draw(ports.screen)?;
        self.times.screen = start.elapsed();
        Ok(Flow::Next)
    }

    /// Takes the next samples and asks the head for each window; false if none came.
    fn take_in(&mut self, ports: &mut Ports<'_>) -> Result<bool, SessionError> {
        let start = Instant::now();
        let is_heard = self.look(ports.source);
        self.broken = ports.source.broken_frames();
        self.times.camera = start.elapsed();
        let Some(mut hearing) = self.hearing.take() else { return Ok(false) };
        let result = match is_heard {
            true => self.hear(&mut hearing),
            false => {
                hearing.clear();
                Ok(())
            }
        };
        self.hearing = Some(hearing);
        result.map(|()| is_heard)
    }

    fn hear(&mut self, hearing: &mut Hearing) -> Result<(), SessionError> {
        let mut shot = std::mem::take(&mut self.shot);
        hearing.remember(shot.samples());
        let result = self.hear_windows(hearing, &mut shot);
        self.shot = shot;
        self.left = self.left.saturating_sub(1);
        result
    }

    fn hear_windows(
        &mut self,
        hearing: &mut Hearing,
        shot: &mut CapturedFrame,
    ) -> Result<(), SessionError> {
        let samples = shot.samples();
        let is_mute = samples.iter().all(|sample| *sample == samples[0]);
        let mut rest = samples;
        let mut is_new = false;
        loop {
            let start = Instant::now();
            let Some(embedding) = hearing.ears.push(&mut self.extractor, &mut rest)? else { break };
            hearing.count = (hearing.count + 1).min(SPAN);
            let ring = (&mut hearing.windows[..], &mut hearing.mean[..]);
            Hearing::average(ring, hearing.next, hearing.count, embedding);
            hearing.next = (hearing.next + 1) % SPAN;
            self.times.extractor = start.elapsed();
            hearing.mute = if is_mute { hearing.mute + 1 } else { 0 };
            hearing.waterfall.add(hearing.ears.picture()?, hearing.ears.level());
            is_new = true;
            let start = Instant::now();
            self.ask(hearing)?;
            self.teach_room(hearing);
            self.times.head = start.elapsed();
        }
        if is_new {
            hearing.waterfall.paint(shot);
        }
        Ok(())
    }

    /// Asks the head about the newest windows.
    fn ask(&mut self, hearing: &mut Hearing) -> Result<(), SessionError> {
        self.follow_background(hearing)?;
        if let Some((_, _, left)) = &mut hearing.heard {
            *left -= 1;
        }
        hearing.heard = hearing.heard.filter(|(.., left)| *left > 0);
        let mut room = [0.0; PLACES];
        let shares = &mut room[..self.head.class_count()];
        let answer = self.head.probabilities(Embedding::Float(&hearing.mean), shares);
        let window = match answer {
            Err(AskError::NothingTaught | AskError::NotFitted) => {
                self.smooth.reset();
                None
            }
            Err(error) => return Err(Error::from(error).into()),
            Ok(answer) => {
                let by_place = placed(&self.head, shares);
                self.smooth.push(&by_place);
                let place = places::place_of(&self.head, answer.class());
                let is_known = !matches!(answer, Answer::Unknown { .. }) && place != EMPTY;
                is_known.then_some((place as u16, by_place[place]))
            }
        };
        if let Some(place) = hearing.wake.hear(window) {
            let share = window.map_or(0.0, |(_, share)| share);
            let left = PAUSE * hearing.pace;
            hearing.heard = Some((place.into(), share, left as u32 + 1));
            hearing.hit.copy_from_slice(&hearing.mean);
            hearing.has_hit = true;
        }
        Ok(())
    }

    /// Fits the head if lessons have changed, and takes the threshold from its background.
    fn follow_background(&mut self, hearing: &mut Hearing) -> Result<(), SessionError> {
        if self.head.is_fitted() {
            return Ok(());
        }
        match self.head.fit() {
            Ok(_) => {}
            Err(AskError::NothingTaught) => return Ok(()),
            Err(error) => return Err(Error::from(error).into()),
        }
        let background = self.head.class_named(NOTHING);
        let threshold = match (hearing.asked, background) {
            (Some(asked), _) => Some(asked),
            (None, Some(class)) => {
                self.head.wake_threshold(class, ALARM * hearing.pace).map_err(Error::from)?
            }
            (None, None) => None,
        };
        hearing.wake.set_threshold(threshold.unwrap_or(DEFAULT));
        self.settings.threshold = hearing.wake.threshold();
        Ok(())
    }

    /// Teaches the room at the first start, and saves it at the end.
    fn teach_room(&mut self, hearing: &mut Hearing) {
        if hearing.room == 0 || hearing.count < SPAN {
            return;
        }
        hearing.wait -= 1;
        if hearing.wait > 0 {
            return;
        }
        hearing.wait = APART;
        let embedding = Embedding::Float(&hearing.mean);
        let taught = places::teach(&mut self.head, &self.settings.names, EMPTY, embedding);
        hearing.room -= 1;
        let saved = match (taught, hearing.room) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(()), 0) => self.save().map_err(|error| error.to_string()),
            (Ok(()), _) => Ok(()),
        };
        if let Err(error) = saved {
            hearing.room = 0;
            self.refuse(Refused::Other(format!("the room was not kept: {error}")));
        }
    }

    /// Teaches what was heard last as background; false if nothing was heard since the last lesson.
    fn teach_wrong(&mut self) -> bool {
        let Some(hearing) = &mut self.hearing else { return false };
        hearing.heard = None;
        if !std::mem::take(&mut hearing.has_hit) {
            return false;
        }
        let embedding = Embedding::Float(&hearing.hit);
        let taught = places::teach(&mut self.head, &self.settings.names, EMPTY, embedding);
        self.keep(EMPTY, taught);
        true
    }

    /// Records while the button is held, or for a second and a half after a tap, and teaches what is
    /// heard in it.
    fn record(&mut self, class: usize, ports: &mut Ports<'_>) -> Result<bool, SessionError> {
        let Some(hearing) = &mut self.hearing else { return Ok(false) };
        hearing.take.clear();
        hearing.take.extend_from_slice(&hearing.recent);
        let before = hearing.take.len();
        // Room behind the background of the first start counts as taught, too.
        hearing.heard = None;
        let mut has_held = false;
        loop {
            let is_heard = self.take_in(ports)?;
            let Some(hearing) = &mut self.hearing else { return Ok(false) };
            if !is_heard {
                return Ok(false);
            }
            hearing.take.extend_from_slice(self.shot.samples());
            let length = 1_000 * (hearing.take.len() - before) as u64 / u64::from(hearing.rate);
            let is_held = ports.buttons.is_held();
            has_held |= is_held && length >= HELD;
            let end = if is_held {
                LONGEST
            } else if has_held {
                SHORTEST
            } else {
                TAPPED
            };
            if length >= end {
                break;
            }
            let name = &self.settings.names[class];
            let text = format_args!("Recording {name}: {}.{} s", length / 1_000, length / 100 % 10);
            super::say(&mut self.text, text);
            (self.mode, self.left) = (Mode::Message, LINGER);
            self.draw(ports.screen)?;
        }
        self.teach_take(class);
        let patience = Instant::now();
        while ports.buttons.is_held() && patience.elapsed() < PATIENCE {
            if !self.take_in(ports)? {
                break;
            }
            self.draw(ports.screen)?;
        }
        Ok(true)
    }

    /// Teaches the take, without the silence at its ends; a take of the room is taught whole.
    fn teach_take(&mut self, class: usize) {
        let Some(hearing) = self.hearing.take() else { return };
        let take = match class {
            EMPTY => Some(0..hearing.take.len()),
            _ => heard_in(&hearing.take, hearing.rate),
        };
        let taught = match take {
            None => Err(Refused::Quiet),
            Some(range) => match self.extractor.embed_samples(&hearing.take[range]) {
                Err(error) => Err(Refused::Other(error.to_string())),
                Ok(embedding) => {
                    Ok(places::teach(&mut self.head, &self.settings.names, class, embedding))
                }
            },
        };
        self.hearing = Some(hearing);
        match taught {
            Ok(taught) => self.keep(class, taught),
            Err(refused) => self.refuse(refused),
        }
        if let Some(hearing) = &mut self.hearing {
            hearing.has_hit = false;
            // The word that was taught is not heard as well.
            hearing.wake.clear();
        }
    }
}
