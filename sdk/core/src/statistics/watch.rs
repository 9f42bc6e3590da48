//! Control chart of a running camera: light that goes, a lens that is covered, blur, another colour.
//!
//! Exponentially weighted moving averages (Roberts 1959; limits as in Lucas and Saccucci 1990) of the
//! image's statistics and of the similarity with what was taught. Their means and deviations are
//! those of the first frames after a start or a change of the head. Things come and go before a
//! camera, and move the averages too: so a fault is reported only if the similarity has fallen as
//! well, except for an image that is nearly of one colour, which shows nothing at all, and for one that
//! has become dark.

use super::appearance::{Appearance, Measure};

/// Weight of the newest frame in the averages.
const NEWEST: f64 = 1.0 / 16.0;

/// Number of frames that means and deviations are taken from.
const REFERENCE: u32 = 128;

/// Distance from the mean, in standard deviations of one frame, at which an average is out of
/// control; 11 standard deviations of the average. Of 1,700 simulated frames, by which it was chosen,
/// the worst reaches 1.35.
const OUT: f64 = 2.0;

/// Distance within which it is in control again.
const BACK: f64 = 1.0;

/// Contrast, 0 to 128, below which an image shows nothing.
const FLAT: f64 = 8.0;

/// Number of frames before an image of one colour counts as a fault.
const LASTING: u32 = 32;

/// Mean luma, 0 to 255, below which an image is dark whatever is before the camera.
const DARK: f64 = 48.0;

/// Number of the charts.
const CHARTS: usize = 5;

/// Least standard deviation of each chart: smaller changes are not those of a fault.
const LEAST: [f64; CHARTS] = [10.0, 0.15, 0.15, 8.0, 0.03];

/// Charts, in this order.
const LIGHT: usize = 0;
const CONTRAST: usize = 1;
const SHARPNESS: usize = 2;
const WARMTH: usize = 3;
const SIMILARITY: usize = 4;

/// Fault of what a camera shows; displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The image is nearly of one colour.
    Flat,
    /// The image is darker.
    Darker,
    /// The image is brighter.
    Brighter,
    /// The image is less sharp.
    Blurred,
    /// The image has less contrast.
    Faded,
    /// The colours are others.
    Tinted,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Flat => "The image is empty: is the lens covered, or the light off?",
            Self::Darker => {
                "The image is darker than when it was taught: more light, or teach anew"
            }
            Self::Brighter => {
                "The image is brighter than when it was taught: less light, or teach anew"
            }
            Self::Blurred => "The image is blurred: clean or focus the lens",
            Self::Faded => "The image has lost contrast: clean the lens, or look for fog and glare",
            Self::Tinted => "The colours have changed: other light, or teach anew",
        })
    }
}

/// Control chart of a camera's frames.
///
/// Takes constant memory, and the same steps on every processor: the same frames give the same
/// faults.
///
/// ```
/// use offshoot_core::statistics::{Appearance, Fault, Watch};
///
/// let mut watch = Watch::new();
/// let dark = Appearance::of(2, &[7; 12], 1).unwrap();
/// let faults = (0..40).map(|_| watch.see(&dark, None));
/// assert_eq!(faults.last(), Some(Some(Fault::Flat)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// Number of frames of each chart's reference, at most [`REFERENCE`].
    frames: [u32; CHARTS],
    sums: [f64; CHARTS],
    squares: [f64; CHARTS],
    averages: [f64; CHARTS],
    /// Average of the contrast itself, for images that show nothing.
    contrast: Option<f64>,
    fault: Option<Fault>,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// Creates a chart that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frames: [0; CHARTS],
            sums: [0.0; CHARTS],
            squares: [0.0; CHARTS],
            averages: [0.0; CHARTS],
            contrast: None,
            fault: None,
        }
    }

    /// Takes a frame, and returns the fault that lasts, if there is one.
    ///
    /// `similarity` is that of the frame's embedding with the nearest class mean
    /// ([`Head::similarity`](crate::head::Head::similarity)); [`None`] while nothing is taught. Values
    /// that are not finite are left out.
    pub fn see(&mut self, image: &Appearance, similarity: Option<f32>) -> Option<Fault> {
        let contrast = f64::from(image.get(Measure::Contrast));
        let fresh = [
            Some(f64::from(image.get(Measure::Light))),
            Some(libm::log(contrast + 1.0)),
            Some(libm::log(f64::from(image.get(Measure::Sharpness)) + 0.01)),
            Some(f64::from(image.get(Measure::Warmth))),
            similarity.map(f64::from),
        ];
        for (chart, value) in fresh.into_iter().enumerate() {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                self.add(chart, value);
            }
        }
        if contrast.is_finite() {
            let before = self.contrast.unwrap_or(contrast);
            self.contrast = Some(before + NEWEST * (contrast - before));
        }
        self.fault = self.judge();
        self.fault
    }

    /// Returns the fault that lasts since the last frames.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn add(&mut self, chart: usize, value: f64) {
        if self.frames[chart] < REFERENCE {
            self.frames[chart] += 1;
            self.sums[chart] += value;
            self.squares[chart] += value * value;
            self.averages[chart] = self.sums[chart] / f64::from(self.frames[chart]);
        } else {
            self.averages[chart] += NEWEST * (value - self.averages[chart]);
        }
    }

    /// Returns the distance of an average from its mean, in standard deviations of a frame; 0 before
    /// the reference is complete.
    fn distance(&self, chart: usize) -> f64 {
        if self.frames[chart] < REFERENCE {
            return 0.0;
        }
        let count = f64::from(REFERENCE);
        let mean = self.sums[chart] / count;
        let variance = self.squares[chart] / count - mean * mean;
        let deviation = libm::sqrt(if variance > 0.0 { variance } else { 0.0 });
        let least = LEAST[chart];
        (self.averages[chart] - mean) / if deviation > least { deviation } else { least }
    }

    fn judge(&self) -> Option<Fault> {
        let lasts = self.frames[CONTRAST] >= LASTING;
        if lasts && self.contrast.is_some_and(|contrast| contrast < FLAT) {
            return Some(Fault::Flat);
        }
        let limit = if self.fault.is_some() { BACK } else { OUT };
        let light = self.distance(LIGHT);
        if light < -limit && self.averages[LIGHT] < DARK {
            return Some(Fault::Darker);
        }
        if self.distance(SIMILARITY) > -limit {
            return None;
        }
        let causes = [
            (-light, Fault::Darker),
            (light, Fault::Brighter),
            (-self.distance(SHARPNESS), Fault::Blurred),
            (-self.distance(CONTRAST), Fault::Faded),
            (self.distance(WARMTH), Fault::Tinted),
            (-self.distance(WARMTH), Fault::Tinted),
        ];
        let mut worst = (limit, None);
        for (distance, fault) in causes {
            if distance > worst.0 {
                worst = (distance, Some(fault));
            }
        }
        worst.1
    }
}
