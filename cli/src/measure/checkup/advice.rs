//! Advice: the changes that the findings speak for, with the command for each.

use offshoot::Verdict;

use super::Checkup;
use super::held_out::HeldOut;

/// Least gain in accuracy for which more samples are advised, and least number of its standard
/// errors. Fixed before any data set was looked at; `sdk/docs/check.md` says how right they are.
const WORTH: f64 = 0.01;
const SURE: f64 = 2.0;

/// Share of held-out samples that are wrong from which another backbone is advised.
const WRONG: f64 = 0.05;

/// Multiply-adds of a backbone above which a larger one is no advice for a board.
const LARGE: u64 = 100_000_000;

/// Change of what is before a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Other images: light, focus, resolution.
    Images,
    /// An embedding of several depths.
    Parts,
    /// Another cut.
    Cut,
    /// A tuned tail.
    Tuning,
    /// More samples.
    Samples,
    /// Another backbone.
    Backbone,
}

impl Change {
    /// Returns the name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Parts => "parts",
            Self::Cut => "cut",
            Self::Tuning => "tuning",
            Self::Samples => "samples",
            Self::Backbone => "backbone",
        }
    }
}

/// Advice on one change.
#[derive(Debug, Clone)]
pub struct Advice {
    /// Change.
    pub change: Change,
    /// True if the findings speak for it.
    pub is_advised: bool,
    /// Reason.
    pub why: String,
    /// Command that makes the change, or measures it.
    pub command: Option<String>,
}

/// Package and data of a checkup, as commands name them.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Path of the package.
    pub package: String,
    /// Path of the data set.
    pub data: String,
    /// Name of the model file that the package was made from.
    pub source: String,
    /// Multiply-adds of an extraction.
    pub macs: u64,
    /// True if the embedding joins several depths.
    pub has_parts: bool,
}

/// Returns the advice on every change that could be measured; `tuning` is the verdict of a trial.
pub fn advice(checkup: &Checkup, subject: &Subject, tuning: Option<Verdict>) -> Vec<Advice> {
    let all = [
        images(checkup),
        parts(checkup, subject),
        cut(checkup, subject),
        tuning.map(|verdict| tuned(verdict, subject)),
        samples(checkup, subject),
        backbone(checkup, subject),
    ];
    all.into_iter().flatten().collect()
}

fn images(checkup: &Checkup) -> Option<Advice> {
    let faults = &checkup.faults;
    let why = match faults.is_empty() {
        true => "pixels, light, sharpness and colour are as in the calibration set".to_string(),
        false => faults
            .iter()
            .map(|fault| format!("{}: {}", fault.what, fault.remedy))
            .collect::<Vec<_>>()
            .join("; "),
    };
    let is_known = !checkup.distances.is_empty() || !faults.is_empty();
    let command = None;
    is_known.then_some(Advice {
        change: Change::Images,
        is_advised: !faults.is_empty(),
        why,
        command,
    })
}

fn parts(checkup: &Checkup, subject: &Subject) -> Option<Advice> {
    let gate = checkup.gate.as_ref()?;
    let own = checkup.depths.last()?;
    let Some(errors) = gate.errors else {
        let why = "too few samples to choose by: teach 4 of each class".to_string();
        return Some(Advice { change: Change::Parts, is_advised: false, why, command: None });
    };
    let measured = format!(
        "held-out error {:.3} on the embedding, {:.3} on all depths (t {:.1}); right {:.3} and {:.3}",
        errors.last,
        errors.all,
        errors.t,
        own.accuracy(),
        gate.all.accuracy()
    );
    let is_advised = gate.reads_all && !subject.has_parts;
    let why = match (subject.has_parts, gate.reads_all) {
        (true, true) => format!("the package has them, and heads read them: {measured}"),
        (true, false) => format!("the package has them, and heads do not read them: {measured}"),
        (false, _) => measured,
    };
    let command = format!(
        "offshoot convert {} --calibrate IMAGES --parts auto -o parts.offshoot",
        subject.source
    );
    let command = Some(command).filter(|_| is_advised);
    Some(Advice { change: Change::Parts, is_advised, why, command })
}

/// Advises another cut where one earlier depth alone is clearly better than the embedding, and than
/// all depths together.
fn cut(checkup: &Checkup, subject: &Subject) -> Option<Advice> {
    let (own, others) = checkup.depths.split_last()?;
    let best = others.iter().max_by(|a, b| a.accuracy().total_cmp(&b.accuracy()))?;
    if subject.has_parts {
        return None;
    }
    let share = own.accuracy();
    let error = (2.0 * share * (1.0 - share) / own.asked.max(1) as f64).sqrt();
    let joined = checkup.gate.as_ref().filter(|gate| gate.reads_all);
    let joined = joined.map_or(0.0, |gate| gate.all.accuracy());
    let is_advised = best.accuracy() > (share + SURE * error).max(joined);
    let why = format!("right {:.3} at {}, {share:.3} at the embedding", best.accuracy(), best.name);
    let command = format!("offshoot cuts {} --data {}", subject.source, subject.data);
    let command = Some(command).filter(|_| is_advised);
    Some(Advice { change: Change::Cut, is_advised, why, command })
}

fn tuned(verdict: Verdict, subject: &Subject) -> Advice {
    let is_advised = matches!(verdict, Verdict::Keep(_));
    let command = format!("offshoot finetune {} {} -o tuned.tail", subject.package, subject.data);
    let command = Some(command).filter(|_| is_advised);
    Advice { change: Change::Tuning, is_advised, why: verdict.to_string(), command }
}

fn samples(checkup: &Checkup, subject: &Subject) -> Option<Advice> {
    let last = checkup.curve.points.last()?;
    let Some(doubled) = checkup.curve.doubled else {
        let why = match last.accuracy < 1.0 {
            true => format!("{} samples a class are too few for a curve", last.shots),
            false => "no held-out sample is wrong".to_string(),
        };
        let is_advised = last.accuracy < 1.0;
        return Some(Advice { change: Change::Samples, is_advised, why, command: None });
    };
    let is_advised = doubled.gain >= WORTH && doubled.gain >= SURE * doubled.error;
    let why = format!(
        "right {:.3} with {} a class; {} would give {:.3}, a gain of {:.3} +- {:.3}",
        last.accuracy, last.shots, doubled.shots, doubled.accuracy, doubled.gain, doubled.error
    );
    let command = format!("offshoot train {} {} -o things.head", subject.package, subject.data);
    let command = Some(format!("{command}  # with {} a class", doubled.shots));
    let command = command.filter(|_| is_advised);
    Some(Advice { change: Change::Samples, is_advised, why, command })
}

fn backbone(checkup: &Checkup, subject: &Subject) -> Option<Advice> {
    let own = checkup.depths.last()?.accuracy();
    let joined = checkup.gate.as_ref().filter(|gate| gate.reads_all).map(|gate| &gate.all);
    let best = joined.map_or(own, HeldOut::accuracy).max(own);
    let is_large = subject.macs >= LARGE;
    let is_wrong = 1.0 - best > WRONG;
    let foreign = checkup.distances.last().filter(|distance| distance.percentile >= 100.0);
    let far = match foreign {
        Some(distance) => {
            format!("; the images lie {:.1} times as far as calibration images", distance.ratio)
        }
        None => String::new(),
    };
    let why = match (is_wrong, is_large) {
        (false, _) => format!("right {best:.3} with this one"),
        (true, false) => {
            format!("wrong {:.3} at best with this one, which is small{far}", 1.0 - best)
        }
        (true, true) => format!(
            "wrong {:.3} at best with this one{far}: only a backbone trained on such images would be better",
            1.0 - best
        ),
    };
    let is_advised = is_wrong && !is_large;
    let command = format!("offshoot pull sharp && offshoot eval sharp.offshoot {}", subject.data);
    let command = Some(command).filter(|_| is_advised);
    Some(Advice { change: Change::Backbone, is_advised, why, command })
}

#[cfg(test)]
mod tests {
    use super::super::curve::{Curve, Forecast, Point};
    use super::*;

    fn subject() -> Subject {
        Subject {
            package: "a.offshoot".to_string(),
            data: "things".to_string(),
            source: "a.onnx".to_string(),
            macs: 1,
            has_parts: false,
        }
    }

    fn checkup(right: usize, gain: f64, error: f64) -> Checkup {
        let depth = |right| HeldOut { asked: 100, right, ..HeldOut::default() };
        let point = Point { shots: 10, accuracy: right as f64 / 100.0, error: 0.0 };
        let doubled = Some(Forecast { shots: 20, accuracy: 0.0, gain, error });
        Checkup {
            distances: Vec::new(),
            faults: Vec::new(),
            depths: vec![depth(60), depth(right)],
            gate: None,
            curve: Curve { points: vec![point], doubled },
        }
    }

    fn advised(checkup: &Checkup, subject: &Subject) -> Vec<Change> {
        let all = advice(checkup, subject, None);
        all.iter().filter(|one| one.is_advised).map(|one| one.change).collect()
    }

    #[test]
    fn advice_follows_the_findings() {
        assert_eq!(advised(&checkup(99, 0.001, 0.0001), &subject()), []);
        let poor = checkup(70, 0.05, 0.01);
        assert_eq!(advised(&poor, &subject()), [Change::Samples, Change::Backbone]);
        assert_eq!(advised(&checkup(70, 0.05, 0.04), &subject()), [Change::Backbone]);
        let large = Subject { macs: LARGE, ..subject() };
        assert_eq!(advised(&poor, &large), [Change::Samples]);
        let early = advised(&checkup(30, 0.0, 0.01), &subject());
        assert_eq!(early, [Change::Cut, Change::Backbone]);
        let all = advice(&poor, &subject(), None);
        let commands: Vec<_> = all.iter().filter_map(|one| one.command.as_deref()).collect();
        assert!(commands.iter().any(|line| line.contains("sharp.offshoot things")), "{commands:?}");
    }
}
