//! Cases that the build made: a graph, its input, the result of the specification, and weights
//! packed for each kernel of the processor.

use offshoot_core::graph::{Graph, Tensor};

// `TARGETS`: orders of weights in which each case has them.
include!(concat!(env!("OUT_DIR"), "/targets.rs"));

/// One case.
pub struct Case {
    /// Graph to run.
    pub graph: Graph<'static>,
    /// Codes of its input.
    pub x: &'static [i8],
    /// Codes of its result.
    pub want: &'static [i8],
    panels: [&'static [i8]; TARGETS.len()],
}

/// Cases that are left to read.
pub struct Cases(&'static [u8]);

impl Cases {
    /// Returns the cases of what the build wrote.
    pub const fn new(bytes: &'static [u8]) -> Self {
        Self(bytes)
    }

    fn number(&mut self) -> usize {
        let (number, rest) = self.0.split_first_chunk().expect("a number");
        self.0 = rest;
        u32::from_le_bytes(*number) as usize
    }

    fn part(&mut self) -> &'static [u8] {
        let [length, skipped] = [(); 2].map(|()| self.number());
        let (part, rest) = self.0[skipped..].split_at(length);
        self.0 = rest;
        part
    }

    fn codes(&mut self) -> &'static [i8] {
        let bytes = self.part();
        // SAFETY: bytes are numbers of 8 bits with a sign, too.
        unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
    }
}

impl Iterator for Cases {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        if self.0.is_empty() {
            return None;
        }
        let [records, nodes, weights] = core::array::from_fn(|_| self.part());
        let output = (records.len() / Tensor::RECORD - 1) as u16;
        let graph = Graph::open(records, nodes, weights, output).expect("a sound graph");
        let [x, want] = core::array::from_fn(|_| self.codes());
        Some(Case { graph, x, want, panels: core::array::from_fn(|_| self.codes()) })
    }
}

impl Case {
    /// Returns the weights in the order of these kernels, nothing for portable code.
    ///
    /// # Panics
    /// If the build packed none for them.
    pub fn panels(&self, kernels: &str) -> &'static [i8] {
        if kernels == "generic" {
            return &[];
        }
        let index = TARGETS.iter().position(|target| *target == kernels);
        self.panels[index.expect("kernels that the build packs for")]
    }

    /// Compares a result.
    ///
    /// # Panics
    /// If it is another one.
    pub fn compare(&self, name: impl core::fmt::Display, codes: &[i8]) {
        assert!(codes.len() == self.want.len(), "{name}: {} codes", codes.len());
        let same = codes.iter().zip(self.want).filter(|(a, b)| a == b).count();
        assert!(same == codes.len(), "{name}: {same} of {} values are right", codes.len());
    }
}
