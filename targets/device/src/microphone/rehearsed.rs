//! Microphone without hardware.

use std::time::Duration;

use offshoot_simulator::{Microphone, RATE, Sound};

use super::piece;
use crate::camera::frame_buffer::CapturedFrame;
use crate::camera::frame_rate::Pace;
use crate::ports::{FrameSource, SourceError};

/// Simulated microphone: a sound again and again in a noisy room, or the room alone.
#[derive(Debug)]
pub struct Rehearsed {
    microphone: Microphone,
    samples: Vec<i16>,
    pace: Pace,
}

impl Rehearsed {
    /// Creates a microphone that hears the room, in real time or, without a `pause`, at once.
    ///
    /// # Errors
    ///
    /// [`SourceError::Rate`] for another rate than 16 kHz.
    pub fn new(rate: u32, is_live: bool) -> Result<Self, SourceError> {
        if rate != RATE {
            return Err(SourceError::Rate { what: "sim".to_string(), found: RATE, wanted: rate });
        }
        let pause = Duration::from_millis(if is_live { 80 } else { 0 });
        let samples = vec![0; piece(rate)];
        Ok(Self { microphone: Microphone::new(1), samples, pace: Pace::new(pause) })
    }

    /// Returns the names of the sounds that it can play.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Sound::ALL.into_iter().map(Sound::name)
    }
}

impl FrameSource for Rehearsed {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.pace.wait();
        self.microphone.listen(&mut self.samples);
        shot.hear(&self.samples);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Plays a sound by name or the next one; an unknown name is the room alone, which also follows
    /// the last sound.
    fn show(&mut self, name: Option<&str>) {
        let sounds = Sound::ALL.into_iter();
        let sound = match (name, self.microphone.sound()) {
            (Some(name), _) => sounds.into_iter().find(|sound| sound.name() == name),
            (None, None) => Some(Sound::ALL[0]),
            (None, Some(last)) => sounds.skip_while(|sound| *sound != last).nth(1),
        };
        self.microphone.play(sound);
    }
}
