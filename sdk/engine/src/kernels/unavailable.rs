//! The kernels of processors that have none: a type without values, so that what chooses kernels and
//! drives them is the same code everywhere, also where there is no other.

use super::job::{Kernel, Rows, Sum, Taps};
use crate::target::{self, Target};

/// No value exists.
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
