//! Faults of camera and light that are noticed while the device runs.

use offshoot_core::statistics::{Appearance, Fault, Watch};

use super::Session;
use super::places::EMPTY;
use crate::camera::frame_buffer::CapturedFrame;

/// Number of pixels along the longer side of a frame that are looked at.
const SEEN: u32 = 64;

/// Compares a frame and its similarity with what was taught with those before.
pub(super) fn see(watch: &mut Watch, shot: &CapturedFrame, similarity: Option<f32>) {
    let step = shot.width().max(shot.height()).div_ceil(SEEN);
    if let Some(image) = Appearance::of(shot.width() as usize, shot.rgb(), step as usize) {
        watch.see(&image, similarity);
    }
}

impl Session {
    /// Returns the fault that lasts. An image of one colour is none where things of one colour were
    /// taught.
    pub(super) fn fault(&self) -> Option<Fault> {
        let fault = self.watch.fault()?;
        let (place, share) = self.smooth.best();
        let is_sure = self.smooth.is_started() && share >= self.settings.threshold;
        let is_known = is_sure && place != EMPTY;
        (fault != Fault::Flat || !is_known).then_some(fault)
    }
}

/// Returns a fault in the words of the line at the bottom of a screen.
pub(super) fn hint(fault: Fault) -> &'static str {
    match fault {
        Fault::Flat => "lens covered, or no light",
        Fault::Darker => "too dark: more light",
        Fault::Brighter => "too bright: less light",
        Fault::Blurred => "blurred: clean the lens",
        Fault::Faded => "faded: clean the lens",
        Fault::Tinted => "other colours: other light",
        _ => "the image has changed",
    }
}
