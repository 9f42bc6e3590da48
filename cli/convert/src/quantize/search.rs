//! Search for better ranges within a given time.

use std::time::{Duration, Instant};

use super::noise::decibels;
use super::{Quantizer, QuantizerError, StepReport};
use crate::calibrate::ranges::{Method, Range};
use crate::ir::LayerId;
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
    /// ranges, until time is over or nothing helps.
    pub(super) fn search(&mut self, observer: &mut dyn Observer) -> Result<(), QuantizerError> {
        let Some(time) = self.settings.search else { return Ok(()) };
        let before = self.best.noise;
        let mut clock = Clock { start: Instant::now(), time, tried: 0, observer };
        self.search_methods(&mut clock)?;
        let limits = self.search_limits(&mut clock)?;
        if limits > 0 {
            self.correct_bias()?;
        }
        self.refinements.push(StepReport::Search {
            candidates: clock.tried,
            time: clock.start.elapsed(),
            gain_db: decibels(self.best.noise) - decibels(before),
            limits,
        });
        Ok(())
    }

    fn search_methods(&mut self, clock: &mut Clock<'_>) -> Result<(), QuantizerError> {
        let mut other = self.data.other(&self.variant, &mut ())?;
        for turn in 0..2 {
            let mut won = false;
            for method in Method::ALL {
                if turn == 0 && method == self.settings.ranges || !clock.goes_on() {
                    continue;
                }
                let config = self.data.corrected(&self.variant, self.settings.correct, method)?;
                if config.noise < self.best.noise {
                    self.best = config;
                    won = true;
                }
            }
            // The other variant gets its turn, and stays if it is better.
            let Some(other) = &mut other else { break };
            if turn == 0 || !won {
                std::mem::swap(&mut self.variant, other);
            }
        }
        Ok(())
    }

    /// Changes mins and maxes while that helps; returns the number of changes.
    fn search_limits(&mut self, clock: &mut Clock<'_>) -> Result<usize, QuantizerError> {
        let moves = self.moves();
        let mut moved = 0;
        let mut last = usize::MAX;
        while moved != last {
            last = moved;
            for change in &moves {
                let layer = change.layer;
                let (_, limit) =
                    self.variant.model.layers[layer].clamp.unwrap_or((0.0, f32::INFINITY));
                let Some(range) = change.apply(self.best.ranges[layer], limit) else { continue };
                if !clock.goes_on() {
                    return Ok(moved);
                }
                let mut config = self.best.clone();
                config.ranges[layer] = range;
                config.noise = self.data.judge(&self.variant, &config)?;
                if config.noise < self.best.noise * (1.0 - LEAST) {
                    self.best = config;
                    moved += 1;
                }
            }
        }
        Ok(moved)
    }

    /// Returns every change to try, layer after layer.
    fn moves(&self) -> Vec<Move> {
        let scheme = self.data.scheme(&self.variant, &self.best);
        let mut moves = Vec::new();
        for (id, layer) in self.variant.model.layers.iter().enumerate().skip(1) {
            let fixed = layer.op.keeps_values() || layer.stated.grid.is_some();
            if !scheme.in_codes[id] || fixed {
                continue;
            }
            for end in [End::Max, End::Min] {
                moves.extend(MOVES.map(|by| Move { layer: id, end, by }));
            }
        }
        moves
    }
}

/// End of a range.
#[derive(Clone, Copy)]
enum End {
    Max,
    Min,
}

/// Change of one end of a layer's range by a factor.
struct Move {
    layer: LayerId,
    end: End,
    by: f32,
}

impl Move {
    /// Returns the changed range; `None` for an end that is zero, or above `limit`.
    fn apply(&self, range: Range, limit: f32) -> Option<Range> {
        let value = self.by
            * match self.end {
                End::Max => range.max,
                End::Min => range.min,
            };
        if value == 0.0 || value > limit {
            return None;
        }
        Some(match self.end {
            End::Max => Range { max: value, ..range },
            End::Min => Range { min: value, ..range },
        })
    }
}
