//! Search for better ranges within a given time.

use std::time::{Duration, Instant};

use super::noise::decibels;
use super::{GraphVariant, QuantConfig, Quantizer, QuantizerError, Settings};
use crate::calibrate::ranges::Method;
use crate::ir::Model;
use crate::progress::{Observer, Stage};

/// Factors tried on the min and max of a range.
const MOVES: [f32; 4] = [0.9, 1.1, 0.75, 1.3];
/// Least share of the noise that a change must remove; less is within chance.
const LEAST: f64 = 1e-3;

/// Remaining time, and number of candidates tried.
struct Clock<'p> {
    start: Instant,
    time: Duration,
    tried: usize,
    observer: &'p mut dyn Observer,
}

impl Clock<'_> {
    /// Counts one more candidate; false if time is over.
    fn goes_on(&mut self) -> bool {
        let spent = self.start.elapsed().as_secs_f32() / self.time.as_secs_f32();
        self.observer.progress(Stage::Search, spent.min(1.0));
        self.tried += usize::from(spent < 1.0);
        spent < 1.0
    }
}

impl Quantizer<'_> {
    /// Tries every method with and without equalization, then changes the min or max of single
    /// ranges, until time is over or nothing helps. Returns a line for the report.
    pub(super) fn search(
        &self,
        model: &Model,
        settings: &Settings,
        variant: &mut GraphVariant,
        best: &mut QuantConfig,
        time: Duration,
        observer: &mut dyn Observer,
    ) -> Result<String, QuantizerError> {
        let before = best.noise;
        let mut clock = Clock { start: Instant::now(), time, tried: 0, observer };
        self.methods(model, settings, variant, best, &mut clock)?;
        let moved = self.moves(variant, best, &mut clock)?;
        if moved > 0 {
            self.correct(variant, settings.correct, best)?;
        }
        let gain = decibels(best.noise) - decibels(before);
        let tried = clock.tried;
        let spent = clock.start.elapsed().as_secs_f32();
        Ok(format!(
            "searched: {tried} candidates in {spent:.0} s, {gain:+.2} dB, {moved} range limits changed"
        ))
    }

    fn methods(
        &self,
        model: &Model,
        settings: &Settings,
        variant: &mut GraphVariant,
        best: &mut QuantConfig,
        clock: &mut Clock<'_>,
    ) -> Result<(), QuantizerError> {
        let mut other = self.other(model, variant, &mut ())?;
        for turn in 0..2 {
            let mut won = false;
            for method in Method::ALL {
                if turn == 0 && method == settings.ranges || !clock.goes_on() {
                    continue;
                }
                let candidate = self.corrected(variant, settings, method)?;
                if candidate.noise < best.noise {
                    (*best, won) = (candidate, true);
                }
            }
            // The other variant gets its turn, and stays if it is better.
            let Some(other) = &mut other else { break };
            if turn == 0 || !won {
                std::mem::swap(variant, other);
            }
        }
        Ok(())
    }

    /// Changes mins and maxes while that helps; returns the number of changes.
    fn moves(
        &self,
        variant: &GraphVariant,
        best: &mut QuantConfig,
        clock: &mut Clock<'_>,
    ) -> Result<usize, QuantizerError> {
        let scheme = self.scheme(variant, best);
        let own = |id: &usize| scheme.in_codes[*id] && !variant.model.layers[*id].op.keeps_values();
        let layers: Vec<usize> = (1..variant.model.layers.len()).filter(own).collect();
        let mut moved = 0;
        let mut last = usize::MAX;
        while moved != last {
            last = moved;
            for (layer, end, by) in moves(&layers) {
                let range = &best.ranges[layer];
                let (_, limit) = variant.model.layers[layer].clamp.unwrap_or((0.0, f32::INFINITY));
                let at = if end == 0 { range.max } else { range.min } * by;
                if at == 0.0 || at > limit {
                    continue;
                }
                if !clock.goes_on() {
                    return Ok(moved);
                }
                let mut candidate = best.clone();
                let range = &mut candidate.ranges[layer];
                *(if end == 0 { &mut range.max } else { &mut range.min }) = at;
                candidate.noise = self.judge(variant, &candidate)?;
                if candidate.noise < best.noise * (1.0 - LEAST) {
                    *best = candidate;
                    moved += 1;
                }
            }
        }
        Ok(moved)
    }
}

/// Returns layer, end and factor of every change to try.
fn moves(layers: &[usize]) -> impl Iterator<Item = (usize, usize, f32)> + '_ {
    let ends = |&layer: &usize| [0, 1].map(|end| (layer, end));
    layers.iter().flat_map(ends).flat_map(|(layer, end)| MOVES.map(|by| (layer, end, by)))
}
