//! Nonlinear conjugate gradients (hybrid of Hestenes-Stiefel and Dai-Yuan) with an exact line
//! search, for objectives whose derivatives along a line are known. The metric, or preconditioner,
//! is the objective's.

use crate::head::Fit;

/// Limit of iterations; 2,000 photographs of ten classes take 62.
const MAX_ITERATIONS: u16 = 500;

/// Limit of evaluations of one line search; one or two are usual.
const MAX_TRIALS: u8 = 30;

/// First and second derivative of the objective along the step.
#[derive(Clone, Copy)]
pub(crate) struct Along {
    pub first: f32,
    pub second: f32,
}

/// Gradient at the last evaluation.
#[derive(Clone, Copy)]
pub(crate) struct Gradient {
    /// Squared norm of the gradient in the metric of the objective.
    pub square: f32,
    /// Product with the previous gradient in that metric.
    pub shared: f32,
    /// Distance from the optimum, in the measure that the tolerance has.
    pub residual: f32,
}

/// Objective to minimize, with its current point and search direction.
pub(crate) trait Objective {
    /// Computes the gradient at `t` steps from here.
    fn evaluate(&mut self, t: f32) -> Along;

    /// Returns the derivatives here along the step, after an evaluation here.
    fn begin(&mut self) -> Along {
        self.evaluate(0.0)
    }

    /// Measures the gradient that was evaluated last.
    fn measure_gradient(&mut self) -> Gradient;

    /// Sets the direction to the negative gradient, raised by the metric, plus `conjugate` times
    /// the last direction.
    fn turn(&mut self, conjugate: f32);

    /// Moves `t` steps along the direction.
    fn go(&mut self, t: f32);
}

/// Descends to the optimum: to a residual of at most `tolerance`, or as far as rounding
/// allows.
pub(crate) fn descend(objective: &mut impl Objective, tolerance: f32) -> Fit {
    let mut fit = Fit { iterations: 0, converged: false, gradient_norm: 0.0 };
    objective.evaluate(0.0);
    let mut gradient = objective.measure_gradient();
    let mut conjugate = 0.0;
    loop {
        fit.gradient_norm = gradient.residual;
        fit.converged = fit.gradient_norm <= tolerance;
        if fit.converged || fit.iterations == MAX_ITERATIONS {
            return fit;
        }
        objective.turn(conjugate);
        let Some((start, end)) = advance(objective) else {
            // Rounding has spoilt the direction: try the gradient itself, then stop.
            if conjugate == 0.0 {
                return fit;
            }
            conjugate = 0.0;
            objective.evaluate(0.0);
            gradient = objective.measure_gradient();
            continue;
        };
        fit.iterations += 1;
        gradient = objective.measure_gradient();
        let Gradient { square, shared, .. } = gradient;
        let change = end - start;
        conjugate = limited((square - shared) / change, square / change);
    }
}

/// Returns a number clamped to `0..=most`. `f32::clamp` can panic and print its bounds, by 18 kB of code.
fn limited(x: f32, most: f32) -> f32 {
    if x < 0.0 {
        return 0.0;
    }
    if x > most { most } else { x }
}

/// Moves to the minimum along the direction.
///
/// Returns the first derivative before and after, or `None` if the direction does not descend.
fn advance(objective: &mut impl Objective) -> Option<(f32, f32)> {
    let start = objective.begin();
    if !(start.first < 0.0 && start.second > 0.0) {
        return None;
    }
    let mut t = 0.0f32;
    let mut low = 0.0;
    let mut high = f32::INFINITY;
    let mut here = start;
    for _ in 0..MAX_TRIALS {
        let newton = t - here.first / here.second;
        t = match (low < newton && newton < high, high.is_finite()) {
            (true, _) => newton,
            (false, true) => (low + high) / 2.0,
            (false, false) => 2.0 * t.max(1e-3),
        };
        here = objective.evaluate(t);
        if here.first.abs() <= -0.1 * start.first {
            break;
        }
        if here.first < 0.0 { low = t } else { high = t }
    }
    if here.first.is_nan() || here.first <= start.first {
        return None;
    }
    objective.go(t);
    Some((start.first, here.first))
}
