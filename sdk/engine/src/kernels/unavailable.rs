//! Kernel type for processors without kernels: it has no values, so that the code which chooses and
//! drives kernels is the same everywhere, also where there is no other kernel.

use super::job::{Kernel, Rows, Sum, Taps};
use crate::target::{self, Target};

/// Kernel of which no value exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {}

impl Absent {
    pub fn detect() -> Option<Self> {
        None
    }
}

impl Kernel for Absent {
    const TARGET: Target = target::NEON;
    const TILE: usize = 1;

    unsafe fn rows(self, _: &Rows) {
        match self {}
    }

    unsafe fn taps(self, _: &Taps) {
        match self {}
    }

    unsafe fn sum(self, _: &Sum) {
        match self {}
    }

    fn widen(self, _: &[i8], _: &mut [i8]) {
        match self {}
    }
}
