//! Loss of the throw-away softmax and its gradients, sample by sample, in a fixed order of sums.

use super::product::Layer;
use super::room::Room;
use super::{Tail, tuner::Tuning};

/// Factors of the running means: of the gradient, and of its mean square.
const MOMENTUM: f32 = 0.9;
const SQUARES: f32 = 0.99;

/// Weight decay of the softmax; each weight counts as one of `dim`.
const DECAY: f32 = 0.03;

/// Steps until the full rate.
const WARM: f32 = 8.0;

/// Values that are summed side by side.
const LANES: usize = 8;

/// Sample of a batch.
#[derive(Clone, Copy)]
pub(super) struct Lesson {
    /// Its class.
    pub owner: u16,
    /// Factor of the centred embedding.
    pub scale: f32,
    /// Samples of the batch.
    pub batch: u8,
}

impl Tail<'_> {
    /// Writes the means of a sample's channels over its pixels, with the tuned biases, and the
    /// number of pixels that the clamp leaves alone: `room.mean`, `room.active`.
    pub(super) fn means(&self, map: &[i8], sample: usize, room: &mut Room<'_>) {
        let pixels = self.pixels();
        let kept = sample * pixels * self.channels();
        let least = f32::from(self.conv.clamp.lo) - f32::from(self.conv.output.zero_point);
        let most = f32::from(self.conv.clamp.hi) - f32::from(self.conv.output.zero_point);
        for channel in 0..self.channels() {
            let products = if room.products.is_empty() {
                self.conv.products(channel, map, room.pixels);
                &*room.pixels
            } else {
                &room.products[kept + channel * pixels..][..pixels]
            };
            let factor = self.conv.factor(channel);
            let change = room.change.value[channel];
            let mut sum = 0.0;
            let mut active = 0.0;
            for &product in products {
                let value = product as f32 * factor + change;
                active += if value > least && value < most { 1.0 } else { 0.0 };
                sum += value.clamp(least, most);
            }
            room.mean[channel] = sum / pixels as f32;
            room.active[channel] = active;
        }
    }

    /// Writes the embedding of `room.mean` but for a factor and a constant: `room.embedding`.
    pub(super) fn embedding(&self, room: &mut Room<'_>) {
        let Some(linear) = &self.linear else {
            room.embedding.copy_from_slice(room.mean);
            return;
        };
        for (channel, out) in room.embedding.iter_mut().enumerate() {
            *out = linear.factor(channel) * dot(room.mean, linear.row(channel));
        }
    }

    /// Replaces `room.mean` with the slope by it, given the slope by the embedding.
    fn back(&self, room: &mut Room<'_>) {
        let Some(linear) = &self.linear else {
            room.mean.copy_from_slice(room.slope);
            return;
        };
        room.mean.fill(0.0);
        for (channel, &slope) in room.slope.iter().enumerate() {
            let factor = linear.factor(channel) * slope;
            add_scaled(room.mean, factor, linear.row(channel));
        }
    }

    /// Adds the gradients of a sample, whose means are there; returns its share of the batch's loss.
    pub(super) fn add_gradients(&self, lesson: &Lesson, room: &mut Room<'_>) -> f32 {
        let Lesson { owner, scale, batch } = *lesson;
        let dim = self.dim();
        self.embedding(room);
        for (x, &centre) in room.embedding.iter_mut().zip(&*room.centre) {
            *x = (*x - centre) * scale;
        }
        for (class, score) in room.scores.iter_mut().enumerate() {
            let weights = &room.weights.value[class * dim..][..dim];
            *score = dot_floats(room.embedding, weights) + room.offsets.value[class];
        }
        let loss = softmax(room.scores, usize::from(owner));
        room.slope.fill(0.0);
        for class in 0..room.scores.len() {
            let target = if class == usize::from(owner) { 1.0 } else { 0.0 };
            let error = (room.scores[class] - target) / f32::from(batch);
            let range = class * dim..(class + 1) * dim;
            add_floats(room.slope, error * scale, &room.weights.value[range.clone()]);
            add_floats(&mut room.weights.gradient[range], error, room.embedding);
            room.offsets.gradient[class] += error;
        }
        self.back(room);
        let share = 1.0 / self.pixels() as f32;
        let slopes = room.mean.iter().zip(&*room.active);
        for (gradient, (slope, active)) in room.change.gradient.iter_mut().zip(slopes) {
            *gradient += slope * (active * share);
        }
        loss / f32::from(batch)
    }

    /// Root mean square of the package's biases in steps of the convolution's output; at least that
    /// of a thousandth.
    pub(super) fn bias_length(&self) -> f32 {
        let conv: &Layer<'_> = &self.conv;
        let steps = |channel| conv.bias(channel) as f32 * conv.factor(channel);
        let square: f32 = (0..conv.channels()).map(|channel| steps(channel) * steps(channel)).sum();
        let least = 1e-3 / conv.output.scale.get();
        libm::sqrtf(square / conv.channels() as f32).max(least)
    }
}

/// Rates of one step of descent.
pub(super) struct Pace {
    /// Bias-corrected mean of the momenta of biases, weights and offsets.
    rates: [f32; 3],
    /// The same of the convolution's weights, if they are tuned.
    weights: f32,
    /// Share of the gradients seen in their mean squares.
    fresh: f32,
}

impl Pace {
    /// Rates that begin small, and end along a cosine; `lengths` are those of the biases and of the
    /// weights.
    pub fn new(tuning: &Tuning, step: u32, steps: u32, lengths: [f32; 2]) -> Self {
        let angle = core::f32::consts::PI * step as f32 / steps as f32;
        let warm = ((step + 1) as f32 / WARM).min(1.0);
        let taken = (step + 1) as f32;
        let share = 1.0 - libm::powf(MOMENTUM, taken);
        let rate = 0.5 * (1.0 + libm::cosf(angle)) * warm / share;
        let fresh = 1.0 - libm::powf(SQUARES, taken);
        let rates = [tuning.step * lengths[0], tuning.head_step, tuning.head_step];
        let weights = tuning.step * lengths[1] * rate;
        Self { rates: rates.map(|own| own * rate), weights, fresh }
    }

    /// Factor of the mean gradient of the convolution's weights, whose mean square is new.
    pub fn of_weights(&self, square: &mut f32, new: f32) -> f32 {
        factor(self.weights, square, new, self.fresh)
    }
}

/// Moves all values by their gradients, and clears those.
///
/// `squares` has the running mean squares of the gradients of biases, weights and offsets.
pub(super) fn descend(pace: &Pace, squares: &mut [f32; 3], room: &mut Room<'_>) {
    let decay = 2.0 * DECAY / room.embedding.len() as f32;
    for (gradient, &value) in room.weights.gradient.iter_mut().zip(&*room.weights.value) {
        *gradient += decay * value;
    }
    let parameters = [&mut room.change, &mut room.weights, &mut room.offsets];
    for ((parameter, square), rate) in parameters.into_iter().zip(squares).zip(pace.rates) {
        let sum = dot_floats(parameter.gradient, parameter.gradient);
        let factor = factor(rate, square, sum / parameter.gradient.len() as f32, pace.fresh);
        let moved = parameter.value.iter_mut().zip(&mut *parameter.momentum);
        for ((value, momentum), gradient) in moved.zip(&mut *parameter.gradient) {
            *momentum = MOMENTUM * *momentum + (1.0 - MOMENTUM) * *gradient;
            *value -= factor * *momentum;
            *gradient = 0.0;
        }
    }
}

/// Follows the running mean square of a gradient; returns the rate relative to its root.
fn factor(rate: f32, square: &mut f32, new: f32, fresh: f32) -> f32 {
    *square = SQUARES * *square + (1.0 - SQUARES) * new;
    rate / (libm::sqrtf(*square / fresh) + 1e-8)
}

/// Turns scores into probabilities and returns the loss, the negative log of the owner's.
fn softmax(scores: &mut [f32], owner: usize) -> f32 {
    let top = scores.iter().fold(f32::NEG_INFINITY, |top, &s| top.max(s));
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::expf(*score - top);
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    -libm::logf(scores[owner].max(1e-30))
}

/// Computes `sum of values * codes`.
fn dot(values: &[f32], codes: &[i8]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (values, last) = values.as_chunks::<LANES>();
    let (codes, rest) = codes.as_chunks::<LANES>();
    for (values, codes) in values.iter().zip(codes) {
        for lane in 0..LANES {
            lanes[lane] += values[lane] * f32::from(codes[lane]);
        }
    }
    for (lane, (value, &code)) in lanes.iter_mut().zip(last.iter().zip(rest)) {
        *lane += value * f32::from(code);
    }
    fold(lanes)
}

/// Computes `sum of a * b`.
pub(super) fn dot_floats(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a, last) = a.as_chunks::<LANES>();
    let (b, rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(last.iter().zip(rest)) {
        *lane += a * b;
    }
    fold(lanes)
}

/// Adds the lanes, always in the same order.
fn fold([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Computes `out += factor * codes`.
fn add_scaled(out: &mut [f32], factor: f32, codes: &[i8]) {
    for (out, &code) in out.iter_mut().zip(codes) {
        *out += factor * f32::from(code);
    }
}

/// Computes `out += factor * values`.
fn add_floats(out: &mut [f32], factor: f32, values: &[f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += factor * value;
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::graph::{Clamp, Element, Int8Op, Op, Tensor, Window};
    use crate::package::GraphWriter;
    use crate::quant::{Multiplier, Quant, Scale};
    use crate::shape::Shape;
    use crate::tail::{Samples, TailLayout};

    const CLASSES: usize = 3;
    const SAMPLES: usize = 5;

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z ^ (z >> 27)
        }

        fn codes(&mut self, count: usize) -> Vec<i8> {
            (0..count).map(|_| self.bits() as i8).collect()
        }

        /// -1 to 1.
        fn unit(&mut self) -> f32 {
            (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
        }

        /// Draws biases, softmax and centre from which a gradient is taken.
        fn begin(&mut self, room: &mut Room<'_>) {
            room.change.value.iter_mut().for_each(|value| *value = 3.0 * self.unit());
            room.weights.value.iter_mut().for_each(|value| *value = 0.3 * self.unit());
            room.offsets.value.iter_mut().for_each(|value| *value = 0.3 * self.unit());
            room.centre.iter_mut().for_each(|value| *value = self.unit());
        }
    }

    fn tensor(shape: Shape, step: f32) -> Tensor {
        let scale = Scale::new(step).unwrap();
        Tensor { shape, element: Element::Int8(Quant { scale, zero_point: -20 }) }
    }

    fn layer(
        writer: &mut GraphWriter,
        random: &mut Random,
        inputs: usize,
        outputs: usize,
        clamp: Clamp,
    ) -> Op {
        let bias: Vec<i32> = (0..outputs).map(|_| (random.bits() % 4000) as i32 - 2000).collect();
        let mantissas: Vec<i32> =
            (0..outputs).map(|_| 1_000_000 + (random.bits() % 3_000_000) as i32).collect();
        Op::Int8(Int8Op::Conv {
            window: Window::POINT,
            groups: 1,
            weights: writer.codes(&random.codes(inputs * outputs)).unwrap(),
            bias: writer.words(&bias).unwrap(),
            mantissas: writer.words(&mantissas).unwrap(),
            shift: 1,
            clamp,
        })
    }

    /// A network of an identity, the tail's convolution, the pool and perhaps a layer behind it.
    fn network(random: &mut Random, linear: bool) -> (GraphWriter, u16) {
        let shape = |h, w, c| Shape::new(h, w, c).unwrap();
        let map = tensor(shape(3, 2, 10), 0.03);
        let mut writer = GraphWriter::new(map);
        writer.node("pad", Op::Int8(Int8Op::Pad { pad: [0; 4] }), &[0], map).unwrap();
        let conv = layer(&mut writer, random, 10, 7, Clamp { lo: -20, hi: 60 });
        writer.node("conv", conv, &[1], tensor(shape(3, 2, 7), 0.02)).unwrap();
        let pool = Op::Int8(Int8Op::AveragePool {
            window: Window::covering(map.shape).unwrap(),
            include_pad: false,
            multiplier: Multiplier::new(1.0).unwrap(),
            clamp: Clamp::NONE,
        });
        let pooled = writer.node("pool", pool, &[2], tensor(shape(1, 1, 7), 0.02)).unwrap();
        if !linear {
            return (writer, pooled);
        }
        let dense = layer(&mut writer, random, 7, 9, Clamp::NONE);
        let output = writer.node("dense", dense, &[3], tensor(shape(1, 1, 9), 0.1)).unwrap();
        (writer, output)
    }

    /// Tuned parameters as one list: biases, weights, offsets.
    fn loss(tail: &Tail<'_>, samples: &Samples<'_>, fixed: (&[f32], f32), values: &[f64]) -> f64 {
        products_loss(tail, samples, fixed, values, |channel, pixel| {
            let mut product = [0];
            tail.conv.products(channel, pixel, &mut product);
            f64::from(product[0]) * f64::from(tail.conv.factor(channel))
        })
    }

    /// Loss where `value` is a channel's value at a pixel, without the change of its bias.
    fn products_loss(
        tail: &Tail<'_>,
        samples: &Samples<'_>,
        fixed: (&[f32], f32),
        values: &[f64],
        value: impl Fn(usize, &[i8]) -> f64,
    ) -> f64 {
        let (centre, scale) = fixed;
        let (change, rest) = values.split_at(tail.channels());
        let (weights, offsets) = rest.split_at(CLASSES * tail.dim());
        let limits = [tail.conv.clamp.lo, tail.conv.clamp.hi]
            .map(|limit| f64::from(limit) - f64::from(tail.conv.output.zero_point));
        let mut sum = 0.0;
        for (sample, &owner) in samples.owners.iter().enumerate() {
            let map = samples.map(tail, sample);
            let mut mean = vec![0.0; tail.channels()];
            for (channel, mean) in mean.iter_mut().enumerate() {
                for pixel in map.chunks_exact(tail.conv.fan_in()) {
                    let value = value(channel, pixel) + change[channel];
                    *mean += value.clamp(limits[0], limits[1]) / tail.pixels() as f64;
                }
            }
            let embedding: Vec<f64> = match &tail.linear {
                None => mean,
                Some(linear) => (0..tail.dim())
                    .map(|channel| {
                        let row = mean.iter().zip(linear.row(channel));
                        let sum: f64 = row.map(|(m, &w)| m * f64::from(w)).sum();
                        sum * f64::from(linear.factor(channel))
                    })
                    .collect(),
            };
            let scores = (0..CLASSES).map(|class| {
                let own = &weights[class * tail.dim()..][..tail.dim()];
                let terms = own.iter().zip(&embedding).zip(centre);
                let sum: f64 = terms.map(|((w, e), &c)| w * (e - f64::from(c))).sum();
                sum * f64::from(scale) + offsets[class]
            });
            let scores: Vec<f64> = scores.collect();
            let total: f64 = scores.iter().map(|score| score.exp()).sum();
            sum += total.ln() - scores[usize::from(owner)];
        }
        sum / samples.owners.len() as f64
    }

    /// Loss by all weights, biases and the softmax, in doubles.
    fn loss_of_all(
        tail: &Tail<'_>,
        samples: &Samples<'_>,
        fixed: (&[f32], f32),
        values: &[f64],
        layer: &[f64],
    ) -> f64 {
        let inputs = tail.conv.fan_in();
        let zero = f64::from(tail.conv.zero_point());
        products_loss(tail, samples, fixed, values, |channel, pixel| {
            let row = layer[channel * inputs..][..inputs].iter();
            let sum: f64 = row.zip(pixel).map(|(w, &x)| w * (f64::from(x) - zero)).sum();
            sum + f64::from(tail.conv.bias(channel)) * f64::from(tail.conv.factor(channel))
        })
    }

    #[test]
    fn gradients_of_all_weights_are_central_differences() {
        for linear in [false, true] {
            let mut random = Random(6);
            let (writer, output) = network(&mut random, linear);
            let graph = writer.graph(output).unwrap();
            let tail = Tail::find(&graph).unwrap();
            let maps = random.codes(SAMPLES * tail.map_len());
            let owners = [0, 1, 2, 1, 0];
            let samples = Samples { maps: &maps, owners: &owners, classes: CLASSES as u16 };
            let layout = TailLayout::all(&tail, &samples);
            let mut memory = vec![0; layout.words().unwrap()];
            let mut room = layout.carve(&mut memory);
            let mut weights = layout.carve_weights(core::mem::take(&mut room.head));
            tail.begin_weights(&mut weights);
            weights.value.iter_mut().for_each(|value| *value *= 1.0 + 0.2 * random.unit());
            random.begin(&mut room);
            let scale = 0.02;
            let mut got = 0.0;
            for (place, &owner) in owners.iter().enumerate() {
                tail.means_of_all(samples.map(&tail, place), place, &mut room, &mut weights);
                let lesson = Lesson { owner, scale, batch: SAMPLES as u8 };
                got += tail.add_gradients(&lesson, &mut room);
                tail.keep_slopes(place, room.mean, &mut weights);
            }
            let list = |part: &[f32]| part.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let parts = [&room.change, &room.weights, &room.offsets];
            let values = parts.map(|part| list(part.value)).concat();
            let layer = list(weights.value);
            let fixed = (&*room.centre, scale);
            let own = loss_of_all(&tail, &samples, fixed, &values, &layer);
            assert!((f64::from(got) - own).abs() < 1e-6, "{got} is not {own}");
            let inputs = tail.conv.fan_in();
            let mut found = Vec::new();
            for channel in 0..tail.channels() {
                let maps = (0..SAMPLES).map(|sample| samples.map(&tail, sample));
                tail.row_gradient(channel, maps, &mut weights);
                found.extend(list(weights.row));
            }
            assert_eq!(found.len(), inputs * tail.channels());
            let largest = found.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
            assert!(found.iter().filter(|g| g.abs() > 0.01 * largest).count() > found.len() / 2);
            for (i, &gradient) in found.iter().enumerate() {
                let at = |by: f64| {
                    let mut moved = layer.clone();
                    moved[i] += by;
                    loss_of_all(&tail, &samples, fixed, &values, &moved)
                };
                let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                let error = (difference - gradient).abs() / largest.max(1.0);
                assert!(error < 1e-6, "{i}: {gradient} is not {difference}");
            }
        }
    }

    #[test]
    fn gradients_are_central_differences() {
        for linear in [false, true] {
            let mut random = Random(5);
            let (writer, output) = network(&mut random, linear);
            let graph = writer.graph(output).unwrap();
            let tail = Tail::find(&graph).unwrap();
            let maps = random.codes(SAMPLES * tail.map_len());
            let owners = [0, 1, 2, 1, 0];
            let samples = Samples { maps: &maps, owners: &owners, classes: CLASSES as u16 };
            let layout = TailLayout::new(&tail, &samples, false);
            let mut memory = vec![0; layout.words().unwrap()];
            let mut room = layout.carve(&mut memory);
            random.begin(&mut room);
            let scale = 0.02;
            let mut got = 0.0;
            for (sample, &owner) in owners.iter().enumerate() {
                let map = samples.map(&tail, sample);
                let lesson = Lesson { owner, scale, batch: SAMPLES as u8 };
                tail.means(map, sample, &mut room);
                got += tail.add_gradients(&lesson, &mut room);
            }
            let parts = [&room.change, &room.weights, &room.offsets];
            let list = |part: &[f32]| part.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let values = parts.map(|part| list(part.value)).concat();
            let gradients = parts.map(|part| list(part.gradient)).concat();
            let fixed = (&*room.centre, scale);
            assert!((f64::from(got) - loss(&tail, &samples, fixed, &values)).abs() < 1e-6);
            assert!(gradients.iter().filter(|g| g.abs() > 1e-4).count() > values.len() / 2);
            for (i, &gradient) in gradients.iter().enumerate() {
                let at = |by: f64| {
                    let mut moved = values.clone();
                    moved[i] += by;
                    loss(&tail, &samples, fixed, &moved)
                };
                let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
                let error = (difference - gradient).abs();
                assert!(error < 1e-6, "{i}: {gradient} is not {difference}");
            }
        }
    }
}
