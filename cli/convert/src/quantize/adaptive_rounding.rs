//! Adaptive rounding: weights are rounded up or down so that a layer's output changes least, not
//! each to nearest.
//!
//! The objective is that of AdaRound (Nagel et al. 2020, "Up or down? Adaptive rounding for
//! post-training quantization", 3.1): the rounding of a channel's weights under which its sums have
//! the least error on their inputs. By equation 14 of the paper that error follows from the second
//! moments of the inputs. AdaRound relaxes the problem and learns the solution; here single weights
//! are flipped while that helps (coordinate descent), which needs no step size and always ends.
//! Means are subtracted from the moments, since the bias corrects them.

pub(super) mod select;

use offshoot_core::Shape;
use pulp::{Arch, NullaryFnOnce};

use crate::ir::Conv;

/// Largest number of inputs of a sum with moments; moments are its square.
const WIDEST: usize = 1200;
/// Number of windows added at a time, so that a row of moments stays in the cache.
const TOGETHER: usize = 16;
/// Number of windows sampled per feature map.
const WINDOWS: usize = 64;
/// Share of the mean power added to each input's power: moments of few windows are overfitted.
const DAMPED: f64 = 0.01;
/// Largest number of passes through all weights of a channel; most end after three.
const TURNS: usize = 8;

/// Second moments of the inputs of a convolution's windows, per group, in the order of its weights.
#[derive(Debug, Clone)]
pub struct Moments {
    width: usize,
    groups: usize,
    sums: Vec<f32>,
    squares: Vec<f32>,
    count: usize,
    /// Windows not added yet, per group.
    waiting: Vec<f32>,
}

impl Moments {
    /// Returns the number of moments of a convolution's windows; `None` for windows with too many
    /// inputs.
    pub fn size(conv: &Conv) -> Option<usize> {
        let width = conv.weights.len() / conv.bias.len();
        (width <= WIDEST).then_some(conv.groups * width * width)
    }

    /// Returns empty moments.
    pub fn new(conv: &Conv) -> Self {
        let width = conv.weights.len() / conv.bias.len();
        let all = conv.groups * width;
        let sums = vec![0.0; all];
        let squares = vec![0.0; all * width];
        Self { width, groups: conv.groups, sums, squares, count: 0, waiting: Vec::new() }
    }

    /// Adds windows of a layer's input on image number `image`; `output` is the shape of the
    /// layer's output.
    pub fn see(&mut self, conv: &Conv, input: Shape, output: Shape, image: usize, values: &[f32]) {
        let pixels = output.h() * output.w();
        let step = pixels.div_ceil(WINDOWS);
        for pixel in (image % step..pixels).step_by(step) {
            self.window(conv, input, [pixel / output.w(), pixel % output.w()], values);
            if self.waiting.len() == self.groups * self.width * TOGETHER {
                self.flush();
            }
        }
        self.flush();
    }

    /// Puts one window into the queue.
    fn window(&mut self, conv: &Conv, input: Shape, at: [usize; 2], values: &[f32]) {
        let w = &conv.window;
        let depth = input.c() / self.groups;
        let place = |axis: usize, tap: usize| {
            let from = at[axis] * usize::from(w.stride[axis]) + tap * usize::from(w.dilation[axis]);
            from.checked_sub(w.pad[axis].into()).filter(|&p| p < [input.h(), input.w()][axis])
        };
        let [rows, columns] = w.kernel.map(usize::from);
        for group in 0..self.groups {
            for tap in 0..rows * columns {
                match place(0, tap / columns).zip(place(1, tap % columns)) {
                    Some((y, x)) => {
                        let first = (y * input.w() + x) * input.c() + group * depth;
                        self.waiting.extend(&values[first..first + depth]);
                    }
                    None => self.waiting.extend(std::iter::repeat_n(0.0, depth)),
                }
            }
        }
    }

    fn flush(&mut self) {
        let all = self.groups * self.width;
        let waiting = std::mem::take(&mut self.waiting);
        self.count += waiting.len() / all;
        let Self { width, sums, squares, .. } = self;
        Arch::new().dispatch(Add { width: *width, waiting: &waiting, sums, squares });
        self.waiting = waiting;
        self.waiting.clear();
    }

    /// Adds the moments of another shard.
    pub fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(own, more)| *own += more);
        self.squares.iter_mut().zip(&other.squares).for_each(|(own, more)| *own += more);
        self.count += other.count;
    }

    /// Returns the covariance of a group's inputs, with channels multiplied by `factors`.
    pub fn covariance(&self, group: usize, factors: Option<&[f32]>) -> Covariance {
        let n = self.width;
        let count = self.count.max(1) as f64;
        let sums = &self.sums[group * n..][..n];
        let squares = &self.squares[group * n * n..][..n * n];
        let depth = factors.map_or(1, |f| f.len() / self.groups);
        let factor = |i: usize| factors.map_or(1.0, |f| f64::from(f[group * depth + i % depth]));
        let value = |at: usize| {
            let i = at / n;
            let j = at % n;
            let own = f64::from(squares[at]) - f64::from(sums[i]) * f64::from(sums[j]) / count;
            own / count * factor(i) * factor(j)
        };
        let mut values: Vec<f64> = (0..n * n).map(value).collect();
        let power = (0..n).map(|i| values[i * n + i]).sum::<f64>() / n.max(1) as f64;
        (0..n).for_each(|i| values[i * n + i] += DAMPED * power);
        Covariance { width: n, values }
    }
}

/// Addition of windows to moments: plain loops, compiled for the vector instructions of the
/// processor.
struct Add<'a> {
    width: usize,
    waiting: &'a [f32],
    sums: &'a mut [f32],
    squares: &'a mut [f32],
}

impl NullaryFnOnce for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { width, waiting, sums, squares } = self;
        let all = sums.len();
        for (i, row) in squares.chunks_exact_mut(width).enumerate() {
            let first = i / width * width;
            for window in waiting.chunks_exact(all) {
                let value = window[i];
                sums[i] += value;
                if value != 0.0 {
                    row.iter_mut().zip(&window[first..]).for_each(|(sum, v)| *sum += value * v);
                }
            }
        }
    }
}

/// Covariance of the inputs of one sum.
#[derive(Debug)]
pub struct Covariance {
    width: usize,
    values: Vec<f64>,
}

impl Covariance {
    /// Returns the int8 weights, from -127 to 127, for weights `wanted` in units of the step.
    pub fn round(&self, wanted: &[f64]) -> Vec<i8> {
        let mut codes: Vec<f64> = wanted.iter().map(|w| w.round().clamp(-127.0, 127.0)).collect();
        // Half of the increase of the error by the first step upwards of each weight.
        let mut slopes = vec![0.0; self.width];
        for (i, (code, w)) in codes.iter().zip(wanted).enumerate() {
            self.shift(&mut slopes, i, code - w);
        }
        for _ in 0..TURNS {
            let mut turned = false;
            for i in 0..self.width {
                let low = wanted[i].floor();
                let code = codes[i];
                let other = if code == low { low + 1.0 } else { low }.clamp(-127.0, 127.0);
                let change = other - code;
                let grows = change * (2.0 * slopes[i] + change * self.values[i * self.width + i]);
                if grows < 0.0 {
                    (codes[i], turned) = (other, true);
                    self.shift(&mut slopes, i, change);
                }
            }
            if !turned {
                break;
            }
        }
        codes.into_iter().map(|code| code as i8).collect()
    }

    fn shift(&self, slopes: &mut [f64], weight: usize, change: f64) {
        let row = &self.values[weight * self.width..][..self.width];
        slopes.iter_mut().zip(row).for_each(|(slope, v)| *slope += change * v);
    }
}

#[cfg(test)]
mod tests {
    use offshoot_core::graph::Window;

    use super::*;

    fn conv(window: Window, groups: usize, weights: usize, outputs: usize) -> Conv {
        Conv { window, groups, weights: vec![0.0; weights], bias: vec![0.0; outputs] }
    }

    #[test]
    fn windows_lie_as_weights_do() {
        let window = Window { kernel: [1, 2], stride: [1, 2], dilation: [1, 1], pad: [0, 1, 0, 0] };
        let conv = conv(window, 2, 2 * 4, 2);
        let mut moments = Moments::new(&conv);
        // One row of three pixels with four channels.
        let values: Vec<f32> = (1..=12).map(|v| v as f32).collect();
        let shape = |w, c| Shape::new(1, w, c).unwrap();
        moments.see(&conv, shape(3, 4), shape(2, 2), 0, &values);
        // First group: 0 0 1 2 and 5 6 9 10; second group: 0 0 3 4 and 7 8 11 12.
        assert_eq!(moments.sums, [5.0, 6.0, 10.0, 12.0, 7.0, 8.0, 14.0, 16.0]);
        assert_eq!(moments.squares[2..4], [45.0, 50.0]);
        assert_eq!((moments.squares[16 + 2], moments.count), (77.0, 2));
        let mut twice = moments.clone();
        twice.merge(&moments);
        let once = moments.covariance(1, None).values;
        assert!(once == twice.covariance(1, None).values && once.len() == 16);
        // Values 7 and 0 have a variance of 12.25; a hundredth of the mean variance is added.
        let mean = (12.25 + 16.0 + 16.0 + 16.0) / 4.0;
        assert!((once[0] - 12.25 - 0.01 * mean).abs() < 1e-9, "{once:?}");
        let scaled = moments.covariance(1, Some(&[1.0, 1.0, 2.0, 1.0])).values;
        assert!((scaled[1] - 2.0 * once[1]).abs() < 1e-9, "{scaled:?}");
    }

    #[test]
    fn what_goes_together_is_rounded_apart() {
        // Two inputs that are always equal: 0.4 and 0.4 are 0.8 together, which is nearer to 1 than
        // to 0.
        let alike = Covariance { width: 2, values: vec![1.01, 1.0, 1.0, 1.01] };
        let mut codes = alike.round(&[0.4, 0.4]);
        codes.sort_unstable();
        assert_eq!(codes, [0, 1]);
        // Independent inputs are rounded to nearest, and no value is beyond 127.
        let apart = Covariance { width: 2, values: vec![1.0, 0.0, 0.0, 1.0] };
        assert_eq!(apart.round(&[0.4, 0.4]), [0, 0]);
        assert_eq!(alike.round(&[127.0, 126.6]), [127, 127]);
        assert_eq!(alike.round(&[-127.0, -126.6]), [-127, -127]);
    }
}
