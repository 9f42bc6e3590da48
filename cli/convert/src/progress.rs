//! Progress of a conversion, for the caller to show.

use std::fmt;

/// Stage of a conversion, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Import of the model.
    Import,
    /// Choice of the preprocessing.
    Preprocessing,
    /// Run of the float network on the calibration set.
    Calibrate,
    /// Choice of ranges and biases.
    Quantize,
    /// Equalization of channels.
    Equalize,
    /// Search for better ranges.
    Search,
    /// Choice of the layers kept in float.
    KeepFloat,
    /// Adaptive rounding of weights.
    Round,
    /// Assembly of the package.
    Write,
    /// Comparison of the package with the float network.
    Compare,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Import => "import",
            Self::Preprocessing => "preprocessing",
            Self::Calibrate => "calibrate",
            Self::Quantize => "quantize",
            Self::Equalize => "equalize",
            Self::Search => "search",
            Self::KeepFloat => "keep",
            Self::Round => "round",
            Self::Write => "write",
            Self::Compare => "compare",
        })
    }
}

/// Observer of work in stages, `S`; `()` is the silent one.
///
/// ```
/// use offshoot_convert::progress::{Observer, Stage};
///
/// /// Prints a line when a stage begins.
/// #[derive(Default)]
/// struct Lines {
///     latest: Option<Stage>,
/// }
///
/// impl Observer for Lines {
///     fn progress(&mut self, stage: Stage, _done: f32) {
///         if self.latest.replace(stage) != Some(stage) {
///             println!("{stage} ...");
///         }
///     }
/// }
///
/// let mut lines = Lines::default();
/// // What `convert(&source, samples, &options, &mut lines)` does, among other things:
/// lines.progress(Stage::Import, 0.0);
/// assert_eq!(lines.latest, Some(Stage::Import));
/// ```
pub trait Observer<S = Stage> {
    /// Takes the current stage and its finished share, from 0 to 1.
    fn progress(&mut self, stage: S, done: f32);
}

impl<S> Observer<S> for () {
    fn progress(&mut self, _: S, _: f32) {}
}
