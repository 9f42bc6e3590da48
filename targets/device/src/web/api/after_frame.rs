//! Answers after a frame, by the loop.

use std::sync::Arc;

use offshoot::{Head, NOTHING};
use offshoot_http::StatusCode;
use offshoot_service::{About, Changed, Event, Moment, Refusal, Reported, samples};
use offshoot_view::Screen as Snapshot;
use serde::Serialize;

use super::exchange::{Question, Said, Verdict, later};
use crate::camera::frame_buffer::CapturedFrame;
use crate::ports::Refused;
use crate::session::details::Details;
use crate::session::places::EMPTY;

/// State after a frame, as programs ask about it.
pub struct After<'a, 'b, 'c> {
    pub frame: u64,
    pub snapshot: &'a Snapshot<'b>,
    pub inside: &'a mut Details<'c>,
    /// Answer to the frame, if it got one and somebody wants it.
    pub moment: Option<Moment>,
    /// Answers of this frame by the number of the question: each is made once for all who ask.
    pub made: [Option<Verdict>; 5],
}

impl After<'_, '_, '_> {
    /// Answers a question; `None` if the next frame may have the answer.
    pub fn answer(&mut self, question: Question) -> Option<Verdict> {
        if self.made[question as usize].is_none() {
            self.made[question as usize] = self.make(question);
        }
        self.made[question as usize].clone()
    }

    fn make(&mut self, question: Question) -> Option<Verdict> {
        let head = &mut *self.inside.head;
        Some(match question {
            Question::About => Ok(json(&About::of(self.inside.extractor, head))),
            Question::Head => Ok(Said::Bytes(head.to_bytes().into())),
            Question::Report => Reported::of(head).map(|report| json(&report)),
            Question::Frame => self.image(),
            Question::Moment => match &self.moment {
                Some(moment) => Ok(json(moment)),
                None if self.snapshot.image.is_none() => Err(no_frame()),
                None if head.sample_count() == 0 => Err(Refusal::nothing_taught()),
                // The frame was taught.
                None => return None,
            },
        })
    }

    fn image(&self) -> Verdict {
        let image = self.snapshot.image.ok_or_else(no_frame)?;
        let mut shot = CapturedFrame::default();
        shot.reshape(image.width(), image.height()).copy_from_slice(image.rgb());
        Ok(Said::Frame(self.frame, Arc::new(shot)))
    }
}

/// Returns the answer to a change.
pub fn changed(outcome: Result<Option<String>, Refused>, head: &Head) -> Verdict {
    match outcome {
        Ok(class) => Ok(json(&Changed { class, samples: samples(head) })),
        Err(Refused::NothingToUndo) => Err(Refusal::nothing_to_undo()),
        Err(Refused::NoSuchClass(name)) => Err(Refusal::no_class(&name)),
        Err(Refused::Full) => Err(Refusal::new(StatusCode::CONFLICT, Refused::Full.to_string())),
        Err(Refused::NoFrame) => Err(no_frame()),
        Err(why @ (Refused::Quiet | Refused::NoCells)) => {
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why.to_string()))
        }
        Err(Refused::Name(error)) => Err(error.into()),
        Err(Refused::Other(why)) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why)),
    }
}

/// Returns true if a mean probability is enough for the device to name its class.
pub fn is_known(mean: f32, snapshot: &Snapshot<'_>) -> bool {
    snapshot.threshold.is_none_or(|threshold| mean >= threshold)
}

/// Returns the event of a frame that was answered.
pub fn classified(
    (class, mean): (usize, f32),
    snapshot: &Snapshot<'_>,
    inside: &Details<'_>,
) -> Event {
    let name = match class {
        EMPTY => NOTHING,
        class => inside.names().get(class).map_or("", String::as_str),
    };
    let nearest = (mean > 0.0).then(|| name.to_string());
    Event {
        name: "classified",
        class: nearest.clone().filter(|_| is_known(mean, snapshot)),
        confidence: Some(mean),
        nearest,
        samples: samples(inside.head),
    }
}

fn json(value: &impl Serialize) -> Said {
    Said::Json(serde_json::to_vec(value).expect("strings and numbers are JSON").into())
}

fn no_frame() -> Refusal {
    later("the camera gives no frame: try again later")
}
