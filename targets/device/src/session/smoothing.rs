//! Smoothing of answers against flicker.

use super::limits::PLACES;

/// Weight of the newest frame in the smoothed value.
const NEWEST: f32 = 0.5;

/// Exponential mean of probabilities over frames; an unknown frame counts as zero for every class.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Smooth {
    values: [f32; PLACES],
    started: bool,
}

impl Smooth {
    /// Resets the mean after a change of classes or samples.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Adds a frame's probabilities; none for an unknown frame. Classes beyond those with a button
    /// and the empty scene are left out.
    pub fn push(&mut self, probabilities: &[f32]) {
        let newest = if self.started { NEWEST } else { 1.0 };
        self.started = true;
        for (index, value) in self.values.iter_mut().enumerate() {
            let seen = probabilities.get(index).copied().unwrap_or(0.0);
            *value += newest * (seen - *value);
        }
    }

    /// Returns true if a frame was added since the last reset.
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// Returns the mean of each class; the empty scene is the last.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns the class with the largest mean, the first of several, and its mean.
    pub fn best(&self) -> (usize, f32) {
        let mut best = 0;
        for (i, value) in self.values.iter().enumerate() {
            if *value > self.values[best] {
                best = i;
            }
        }
        (best, self.values[best])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_frame_does_not_change_the_answer() {
        let mut smooth = Smooth::default();
        smooth.push(&[0.1, 0.9]);
        assert_eq!(smooth.best(), (1, 0.9));
        smooth.push(&[0.6, 0.4]);
        assert_eq!(smooth.best().0, 1);
        smooth.push(&[]);
        smooth.push(&[]);
        assert!(smooth.best().1 < 0.2, "what is unknown fades");
        smooth.reset();
        assert_eq!(smooth, Smooth::default());
    }
}
