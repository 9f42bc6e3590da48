//! Pieces of a tuner's work.

use super::gate;
use super::gradient;
use super::room::Room;
use super::tuner::{Biases, FIRST, Phase, Tuner};
use super::{BATCH, Samples, Tail, TailLayout, Tuned};
use crate::embedding::Embedding;
use crate::head::{AskError, Head, HeadError, SampleError};
use crate::quant::Quant;

/// Fewest steps of descent.
const LEAST_STEPS: u32 = 8;

/// Error of the gate's head; none can occur with samples that were checked.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Impossible;

impl From<HeadError> for Impossible {
    fn from(_: HeadError) -> Self {
        Self
    }
}

impl From<SampleError> for Impossible {
    fn from(_: SampleError) -> Self {
        Self
    }
}

impl From<AskError> for Impossible {
    fn from(_: AskError) -> Self {
        Self
    }
}

impl Tuner<'_> {
    /// Puts the samples of a round in order, and everything that is tuned to its start.
    fn begin_round(&mut self, round: u8) {
        let mut room = self.state.layout.carve(self.memory);
        let inside = room.folds.iter().enumerate().filter(|(_, fold)| **fold != round);
        let mut count = 0;
        for (slot, (sample, _)) in room.order.iter_mut().zip(inside) {
            *slot = sample as u16;
            count += 1;
        }
        room.change.clear();
        room.weights.clear();
        room.offsets.clear();
        room.centre.fill(0.0);
        if self.state.tuning.what == Tuned::All {
            self.tail.begin_weights(&mut self.state.layout.carve_weights(room.head));
        }
        self.state.round = round;
        self.state.count = count;
        self.state.place = 0;
        // One order for each round.
        self.state.random = u64::from(self.state.tuning.seed) << 8 | u64::from(round);
        self.state.spread = 0.0;
        self.state.squares = [0.0; 3];
        self.state.square = 0.0;
        self.state.phase = Phase::Measure(0);
    }

    /// Steps of descent of a round with `count` samples.
    fn descents(&self, count: usize) -> u32 {
        match self.state.tuning.epochs_for(self.samples.owners.len(), self.samples.classes) {
            0 => 0,
            epochs => (u32::from(epochs) * count as u32).div_ceil(BATCH.into()).max(LEAST_STEPS),
        }
    }

    /// Steps in all.
    pub(super) fn steps(&mut self) -> u32 {
        let all = self.samples.owners.len();
        let folds = self.state.tuning.folds;
        let room = self.state.layout.carve(self.memory);
        let mut held_out = [0; 10];
        room.folds.iter().for_each(|&fold| held_out[usize::from(fold)] += 1);
        let multiply = if self.state.layout.keeps_products { pieces(all) } else { 0 };
        let mut steps = multiply + pieces(all) + u32::from(folds);
        for held_out in &held_out[..usize::from(folds)] {
            let inside = all - held_out;
            steps += pieces(inside) + self.descents(inside) + pieces(all) + 1;
        }
        steps + pieces(all) + self.descents(all)
    }

    pub(super) fn multiply(&mut self, at: usize) {
        let end = (at + usize::from(BATCH)).min(self.samples.owners.len());
        let room = self.state.layout.carve(self.memory);
        let pixels = self.tail.pixels();
        let size = pixels * self.tail.channels();
        for sample in at..end {
            let map = self.samples.map(&self.tail, sample);
            let kept = room.products[sample * size..][..size].chunks_exact_mut(pixels);
            for (channel, out) in kept.enumerate() {
                self.tail.products(channel, map, out);
            }
        }
        let is_last = end == self.samples.owners.len();
        self.state.phase = if is_last { FIRST } else { Phase::Multiply(end) };
    }

    pub(super) fn embed(&mut self, biases: Biases, at: usize) {
        let end = (at + usize::from(BATCH)).min(self.samples.owners.len());
        if biases == Biases::Tuned && at == 0 {
            self.round_biases();
        }
        let layout = self.state.layout;
        let mut room = layout.carve(self.memory);
        if biases == Biases::Package {
            room.biases.iter_mut().zip(self.tail.biases()).for_each(|(out, bias)| *out = bias);
        }
        let is_all = biases == Biases::Tuned && self.state.tuning.what == Tuned::All;
        for sample in at..end {
            let map = self.samples.map(&self.tail, sample);
            match is_all {
                true => self.tail.embed_all(map, sample, &layout, &mut room),
                false => self.tail.embed_sample(map, sample, &mut room),
            }
        }
        let is_last = end == self.samples.owners.len();
        self.state.phase = match (is_last, biases) {
            (false, _) => Phase::Embed(biases, end),
            (true, Biases::Package) => Phase::Judge(biases, 0),
            (true, Biases::Tuned) => Phase::Judge(biases, self.state.round),
        };
    }

    pub(super) fn judge(&mut self, biases: Biases, fold: u8) {
        let judged = self.try_judge(biases, fold);
        debug_assert_eq!(judged, Ok(()), "samples and memory were checked");
        let next = fold + 1;
        let folds = self.state.tuning.folds;
        match biases {
            Biases::Package if next < folds => self.state.phase = Phase::Judge(biases, next),
            Biases::Package => self.begin_round(0),
            Biases::Tuned if next < folds => self.begin_round(next),
            Biases::Tuned => self.decide(),
        }
    }

    fn try_judge(&mut self, biases: Biases, fold: u8) -> Result<(), Impossible> {
        let quant = self.tail.output();
        let dim = self.tail.dim();
        let limits = self.state.layout.limits();
        let room = self.state.layout.carve(self.memory);
        let embedding = Embeddings { codes: room.codes, dim, quant, unit_length: self.unit_length };
        let mut head = Head::new(self.state.layout.head, dim, self.package_id, limits, room.head)?;
        head.set_false_rejection_rate(0.0)?;
        for class in 0..self.samples.classes {
            head.add_class(name(class, &mut [0; 5])).map_err(|_| Impossible)?;
        }
        let owners = self.samples.owners.iter().zip(&*room.folds).enumerate();
        for (sample, (&owner, _)) in owners.clone().filter(|(_, (_, own))| **own != fold) {
            let class = head.class_at(owner.into()).ok_or(Impossible)?;
            head.add_sample(class, embedding.of(sample))?;
        }
        head.fit()?;
        for (sample, _) in owners.filter(|(_, (_, own))| **own == fold) {
            let side = match biases {
                Biases::Package => &mut *room.before,
                Biases::Tuned => &mut *room.after,
            };
            let classes = usize::from(self.samples.classes);
            head.probabilities(embedding.of(sample), &mut side[sample * classes..][..classes])?;
        }
        Ok(())
    }

    /// Decides by the held-out samples of all folds; tunes the result if it is kept.
    fn decide(&mut self) {
        let room = self.state.layout.carve(self.memory);
        let Samples { owners, classes, .. } = self.samples;
        let side = |probabilities| gate::HeldOut { probabilities, owners, classes };
        let verdict = gate::verdict(side(room.before), side(room.after), self.state.tuning.least_t);
        self.state.verdict = Some(verdict);
        if verdict.keeps() {
            self.begin_round(self.state.tuning.folds);
        } else {
            self.state.phase = Phase::Done;
        }
    }

    pub(super) fn measure(&mut self, at: usize) {
        let end = (at + usize::from(BATCH)).min(self.state.count);
        for place in at..end {
            let room = self.state.layout.carve(self.memory);
            let sample = usize::from(room.order[place]);
            self.means(sample, 0);
            let room = &mut self.state.layout.carve(self.memory);
            self.tail.embedding(room);
            let share = 1.0 / (place + 1) as f32;
            for (centre, &x) in room.centre.iter_mut().zip(&*room.embedding) {
                let away = x - *centre;
                *centre += away * share;
                self.state.spread += f64::from(away) * f64::from(x - *centre);
            }
        }
        self.state.phase = Phase::Measure(end);
        if end == self.state.count {
            let square = self.state.spread / (self.state.count * self.tail.dim()) as f64;
            self.state.scale = if square > 0.0 { (1.0 / libm::sqrt(square)) as f32 } else { 0.0 };
            self.descend_or_go_on(0);
        }
    }

    /// Goes on with a step of descent, or with what follows the last.
    fn descend_or_go_on(&mut self, step: u32) {
        if step < self.descents(self.state.count) {
            self.state.phase = Phase::Descend(step);
        } else if self.state.round < self.state.tuning.folds {
            self.state.phase = Phase::Embed(Biases::Tuned, 0);
        } else {
            self.round_biases();
            self.state.phase = Phase::Done;
        }
    }

    pub(super) fn descend(&mut self, step: u32) {
        let steps = self.descents(self.state.count);
        let is_all = self.state.tuning.what == Tuned::All;
        let layout = self.state.layout;
        let mut drawn = [0; BATCH as usize];
        self.state.loss = 0.0;
        for (place, drawn) in drawn.iter_mut().enumerate() {
            let sample = self.draw();
            *drawn = sample;
            self.means(sample, place);
            let owner = self.samples.owners[sample];
            let lesson = gradient::Lesson { owner, scale: self.state.scale, batch: BATCH };
            let mut room = layout.carve(self.memory);
            self.state.loss += self.tail.add_gradients(&lesson, &mut room);
            if is_all {
                let mut weights = layout.carve_weights(room.head);
                self.tail.keep_slopes(place, room.mean, &mut weights);
            }
        }
        let length = self.tail.bias_length();
        let weight_length = if is_all { self.tail.weight_length() } else { 0.0 };
        let mut room = layout.carve(self.memory);
        let lengths = [length, weight_length];
        let pace = gradient::Pace::new(&self.state.tuning, step, steps, lengths);
        gradient::descend(&pace, &mut self.state.squares, &mut room);
        if is_all {
            let maps = drawn.map(|sample| self.samples.map(&self.tail, sample));
            let mut weights = layout.carve_weights(room.head);
            self.tail.descend_weights(&pace, &mut self.state.square, &maps, &mut weights);
        }
        self.descend_or_go_on(step + 1);
    }

    /// Computes the means of a sample's channels; `place` is its own in the batch.
    fn means(&mut self, sample: usize, place: usize) {
        let map = self.samples.map(&self.tail, sample);
        let mut room = self.state.layout.carve(self.memory);
        if self.state.tuning.what == Tuned::Biases {
            return self.tail.means(map, sample, &mut room);
        }
        let mut weights = self.state.layout.carve_weights(core::mem::take(&mut room.head));
        self.tail.means_of_all(map, place, &mut room, &mut weights);
    }

    /// Draws the next sample of the order, which is shuffled at the start of each epoch.
    fn draw(&mut self) -> usize {
        let room = self.state.layout.carve(self.memory);
        if self.state.place == 0 {
            for i in (1..self.state.count).rev() {
                let other = splitmix(&mut self.state.random) % (i as u64 + 1);
                room.order.swap(i, other as usize);
            }
        }
        let sample = usize::from(room.order[self.state.place]);
        self.state.place =
            if self.state.place + 1 == self.state.count { 0 } else { self.state.place + 1 };
        sample
    }

    /// Writes the tuned biases as integers.
    fn round_biases(&mut self) {
        let room = self.state.layout.carve(self.memory);
        if self.state.tuning.what == Tuned::All {
            let weights = self.state.layout.carve_weights(room.head);
            return self.tail.round_all(room.change.value, room.biases, room.mantissas, weights);
        }
        for (channel, out) in room.biases.iter_mut().enumerate() {
            *out = self.tail.tuned_bias(channel, room.change.value[channel]);
        }
    }
}

impl Tail<'_> {
    /// Computes the accumulators of one channel for every pixel.
    fn products(&self, channel: usize, map: &[i8], out: &mut [i32]) {
        self.conv.products(channel, map, out);
    }

    /// Returns the bias that is changed by so many steps of the convolution's output.
    pub(super) fn tuned_bias(&self, channel: usize, change: f32) -> i32 {
        let factor = f64::from(self.conv.factor(channel));
        // A channel whose factor is zero is constant.
        let units = if factor > 0.0 { libm::round(f64::from(change) / factor) } else { 0.0 };
        let limit = f64::from(self.conv.bias_limit());
        (f64::from(self.conv.bias(channel)) + units).clamp(-limit, limit) as i32
    }

    /// Computes the embedding of a sample with the convolution of the last round: its part of
    /// `room.codes`.
    fn embed_all(&self, map: &[i8], sample: usize, layout: &TailLayout, room: &mut Room<'_>) {
        let pooled: &mut [i32] = bytemuck::cast_slice_mut(room.active);
        let mut weights = layout.carve_weights(room.head);
        self.pooled_of_all(map, pooled, room.biases, room.mantissas, &mut weights);
        let dim = self.dim();
        self.finish(pooled, &mut room.codes[sample * dim..][..dim]);
    }

    /// Computes the embedding of a sample with `room.biases`: its part of `room.codes`.
    fn embed_sample(&self, map: &[i8], sample: usize, room: &mut Room<'_>) {
        let pixels = self.pixels();
        let kept = sample * pixels * self.channels();
        let pooled: &mut [i32] = bytemuck::cast_slice_mut(room.active);
        for (channel, (pooled, &bias)) in pooled.iter_mut().zip(&*room.biases).enumerate() {
            let products = if room.products.is_empty() {
                self.products(channel, map, room.pixels);
                &*room.pixels
            } else {
                &room.products[kept + channel * pixels..][..pixels]
            };
            let bias = bias.wrapping_sub(self.conv.bias(channel));
            *pooled = self.pool.mean(&self.conv, channel, bias, products);
        }
        let dim = self.dim();
        self.finish(pooled, &mut room.codes[sample * dim..][..dim]);
    }
}

/// Embeddings of all samples.
struct Embeddings<'a> {
    codes: &'a [i8],
    dim: usize,
    quant: Quant,
    unit_length: bool,
}

impl Embeddings<'_> {
    fn of(&self, sample: usize) -> Embedding<'_> {
        let codes = &self.codes[sample * self.dim..][..self.dim];
        let quant =
            if self.unit_length { Embedding::unit_quant(codes, self.quant) } else { self.quant };
        Embedding::Int8 { codes, quant }
    }
}

/// Name of a class: its number.
fn name(class: u16, digits: &mut [u8; 5]) -> &str {
    let mut rest = class;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    core::str::from_utf8(&digits[at..]).unwrap_or("0")
}

/// Steps for so many samples.
fn pieces(count: usize) -> u32 {
    count.div_ceil(BATCH.into()) as u32
}

/// Pseudorandom numbers (SplitMix64).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
