//! Solvers in dimensions (primal), for more samples than dimensions.
//!
//! With `n` samples of `d` dimensions the other files of this folder work in the span of the
//! samples (the dual problem): `n^2` numbers, `n^3` steps. For `n > d` the primal problem is the
//! smaller one: `d^2` numbers, and `n d^2 / 2 + d^3` steps for weights. The results are the same
//! except for rounding.
//!
//! Features are dequantized anew in every pass, a block of samples at a time ([`block::Block`]), so
//! that memory does not grow with `n d` beyond the samples themselves.

mod block;
mod logistic;
mod metric;
mod nearest;
mod normal_equations;
mod scatter;

pub(in crate::head) use block::{BLOCK, LANES};
pub(in crate::head) use logistic::fit as softmax;
pub(in crate::head) use nearest::{class_sums, neighbours};
pub(in crate::head) use normal_equations::{curve, fit as ridge};
pub(in crate::head) use scatter::fit as slda;
