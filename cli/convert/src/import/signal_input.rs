//! Input of a network for signals: the dimension of its channels, and the others.

use super::dimension_order::{CHANNELS, COLUMNS, Layout, ROWS};
use super::{Belief, Cut, ImportError, NetworkKind, Source, Sure, data_flow};
use offshoot_core::Shape;

/// Usual numbers of bands of a log-mel spectrogram.
const MELS: [usize; 5] = [32, 40, 64, 80, 128];
/// Least length of a series of one channel that is taken for sound: a quarter of a second at 16 kHz.
const SAMPLES: usize = 4000;

/// Input of a network for signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalInput {
    /// Dimension of the channels, counted from the first.
    channels: usize,
    /// Number of places, where the file leaves it open.
    window: Option<usize>,
}

/// Order of a model's input: the dimension of the channels and its length, and the number of
/// places before it and behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalOrder {
    /// Dimensions of the input.
    pub dims: Vec<usize>,
    /// True if a place's channels follow each other.
    pub channels_last: bool,
}

impl SignalInput {
    /// Returns the shape of the input.
    fn shape(self, dims: &[Option<usize>]) -> Option<Vec<usize>> {
        let mut open = self.window;
        let mut shape = Vec::new();
        for (at, dim) in dims.iter().enumerate() {
            // An open first dimension is the batch; another is the length of the window.
            shape.push(match dim {
                Some(length) => *length,
                None if at == 0 && self.channels > 0 => 1,
                None => open.take()?,
            });
        }
        Some(shape)
    }

    /// Returns feature map and layout of an input with these dimensions: one is the channels, at
    /// most two others are places.
    pub(super) fn layout(self, dims: &[usize]) -> Option<(Shape, Layout)> {
        let is_batch = |at: usize| at == 0 && at != self.channels && dims[0] == 1;
        let places: Vec<usize> =
            (0..dims.len()).filter(|&at| at != self.channels && !is_batch(at)).collect();
        let [rows, columns] = match places[..] {
            [] => [None, None],
            [columns] => [None, Some(columns)],
            [rows, columns] => [Some(rows), Some(columns)],
            _ => return None,
        };
        let length = |at: Option<usize>| at.map_or(1, |at| dims[at]) as u32;
        let channels = *dims.get(self.channels)? as u32;
        let shape = Shape::new(length(rows), length(columns), channels)?;
        let axes = (0..dims.len()).map(|at| match Some(at) {
            _ if at == self.channels => Some(CHANNELS),
            at if at == rows => Some(ROWS),
            at if at == columns => Some(COLUMNS),
            _ => None,
        });
        Some((shape, Layout::new(shape, &axes.collect::<Vec<_>>())))
    }

    pub(super) fn order(self, dims: &[usize]) -> SignalOrder {
        let behind = dims.get(self.channels + 1..).unwrap_or_default();
        SignalOrder { dims: dims.to_vec(), channels_last: behind.iter().all(|&length| length == 1) }
    }
}

impl Source {
    /// Takes the model as one for signals, given the dimensions of an array of the calibration set,
    /// and the number of places of a window for a model that leaves it open; returns the number of
    /// channels.
    ///
    /// The channels are the second or the last dimension: the one whose length the array has, last
    /// or first; if both fit, the shorter one, and the second one of two alike.
    ///
    /// # Errors
    /// The input is not of such dimensions, or none of them are the channels.
    pub fn take_signals(
        &mut self,
        array: &[usize],
        window: Option<usize>,
    ) -> Result<usize, ImportError> {
        let input = data_flow::inputs(self.graph()).next().unwrap_or_default().to_string();
        let dims = self.stated(&input).and_then(|stated| stated.dims()).unwrap_or_default();
        let shown: Vec<String> = array.iter().map(ToString::to_string).collect();
        let shown = shown.join(" x ");
        let second = usize::from(dims.len() > 1);
        let ends = [second, dims.len().saturating_sub(1)];
        let fitting = ends.into_iter().filter_map(|at| {
            let length = (*dims.get(at)?)?;
            fits(array, length).then_some((length, at))
        });
        let Some((length, channels)) = fitting.min() else {
            let hint = format!(
                "The calibration set has arrays of {shown}: neither their first nor their last length is that of \
                 the input's second or last dimension, its channels."
            );
            return Err(self.signal_error(&input, &hint));
        };
        self.signal = Some(SignalInput { channels, window });
        Ok(length)
    }

    /// Takes the model as one for signals by its own dimensions, if its input is no picture: of one or
    /// three channels, with rows and columns. An open length becomes that of 128 places.
    pub fn take_signals_by_shape(&mut self) {
        const PLACES: usize = 128;
        let input = data_flow::inputs(self.graph()).next().unwrap_or_default().to_string();
        let Some(dims) = self.stated(&input).and_then(|stated| stated.dims()) else { return };
        let rank = dims.len();
        let is_picture = match rank {
            4 => [1, 3].iter().any(|&at| dims[at].is_none_or(|n| [1, 3].contains(&n))),
            3 => {
                let long = |at: usize| dims[at].is_none_or(|n| n > 4);
                dims[0] == Some(3) && long(1) && long(2) || dims[2] == Some(3) && long(0) && long(1)
            }
            _ => false,
        };
        if is_picture || !(1..=4).contains(&rank) {
            return;
        }
        let channels = if dims.get(1).copied().flatten().is_some() { 1 } else { rank - 1 };
        self.signal = Some(SignalInput { channels, window: Some(PLACES) });
    }

    /// Returns the kind that the network is believed to be, for a cut that was found.
    pub fn belief(&self, cut: &Cut, input: Shape) -> Option<Belief> {
        if self.takes_text() {
            let why = "its input is token ids";
            return Some(Belief::new(NetworkKind::Language, Sure::Certain, why));
        }
        let [rows, columns, channels] = input.dims();
        let mel = [rows, columns].into_iter().find(|side| MELS.contains(side));
        match mel.filter(|_| channels == 1 && rows != columns && self.signal.is_none()) {
            Some(bands) => {
                let why = format!("{bands} bands of one channel beside another length");
                Some(Belief::new(NetworkKind::Audio, Sure::Guess, why))
            }
            None if channels == 1 && rows == 1 && columns >= SAMPLES => {
                let why = format!("{columns} samples of one channel");
                Some(Belief::new(NetworkKind::Audio, Sure::Likely, why))
            }
            None => cut.belief.clone(),
        }
    }

    fn signal_error(&self, input: &str, hint: &str) -> ImportError {
        let found = self.stated(input).map_or_else(|| "not described".to_string(), |s| s.words());
        let hint = hint.to_string();
        ImportError::Signal { path: self.path.clone(), input: input.to_string(), found, hint }
    }

    /// Returns the input shape of a model for signals.
    pub(super) fn signal_shape(
        &self,
        input: &str,
        signal: SignalInput,
    ) -> Result<Vec<usize>, ImportError> {
        let dims = self.stated(input).and_then(|stated| stated.dims()).unwrap_or_default();
        let shape = signal.shape(&dims).ok_or_else(|| {
            self.signal_error(input, "Its length is open: give --window PLACES, such as 128.")
        })?;
        let has_layout = signal.layout(&shape).is_some();
        has_layout.then_some(shape).ok_or_else(|| {
            self.signal_error(input, "A signal has channels and at most two other dimensions.")
        })
    }
}

/// True if an array can have so many channels: its last dimension, or its first, or there is one.
fn fits(array: &[usize], channels: usize) -> bool {
    channels == 1 || array.last() == Some(&channels) || array.first() == Some(&channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_places_and_channels() {
        let layout = |channels, dims: &[usize]| {
            let signal = SignalInput { channels, window: None };
            signal.layout(dims).map(|(shape, _)| shape.dims())
        };
        assert_eq!(layout(1, &[1, 3, 128]), Some([1, 128, 3]));
        assert_eq!(layout(2, &[1, 128, 3]), Some([1, 128, 3]));
        assert_eq!(layout(1, &[1, 4, 32, 48]), Some([32, 48, 4]));
        assert_eq!(layout(3, &[1, 32, 48, 6]), Some([32, 48, 6]));
        assert_eq!(layout(1, &[1, 30]), Some([1, 1, 30]));
        assert_eq!(layout(0, &[30]), Some([1, 1, 30]));
        assert_eq!(layout(1, &[1, 4, 8, 8, 8]), None);
        let signal = SignalInput { channels: 1, window: Some(64) };
        assert_eq!(signal.shape(&[None, Some(3), None]), Some(vec![1, 3, 64]));
        assert_eq!(signal.shape(&[None, Some(3), None, None]), None);
        assert!(signal.order(&[1, 30]).channels_last && !signal.order(&[1, 3, 64]).channels_last);
    }

    #[test]
    fn channels_are_last_or_first_in_an_array() {
        assert!(fits(&[128, 3], 3) && fits(&[3, 128], 3) && fits(&[128], 1) && fits(&[30], 30));
        assert!(!fits(&[128, 3], 4) && !fits(&[], 2));
    }
}
