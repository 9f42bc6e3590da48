//! Settings of an extractor.

use std::num::NonZeroU8;

use offshoot_engine::{Config, Isa, IsaError};

/// Settings of an [`Extractor`](crate::Extractor).
///
/// Int8 results are the same bits under all settings. All settings but `reproducible` concern int8
/// packages; tract-core runs float layers on one thread with its own kernels.
///
/// ```
/// # use std::num::NonZeroU8;
/// # use offshoot::Options;
/// let two = Options { threads: NonZeroU8::new(2).unwrap(), ..Options::default() };
/// assert_eq!(Options::default().threads, NonZeroU8::MIN);
/// # assert_ne!(two, Options::default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Number of threads that share a network, including the caller's. One starts no thread.
    pub threads: NonZeroU8,
    /// Instruction set of the kernels; `None` takes the one in the environment variable
    /// `OFFSHOOT_ISA`, or else the fastest that the processor has.
    pub isa: Option<Isa>,
    /// Enables row fusion: runs an expansion, a depthwise convolution and a projection together,
    /// row by row, if that saves memory.
    pub chains: bool,
    /// Pins each thread to a core of its own, the fastest first, of the cores that the first
    /// opening thread might use. The opening thread is one of the threads and stays pinned.
    pub pin: bool,
    /// Makes float results the same bits on x86-64 with FMA and on aarch64. Takes longer; without
    /// it the last bits depend on the processor's fastest kernels.
    pub reproducible: bool,
}

impl Default for Options {
    /// Returns one thread, the fastest kernels, row fusion, no pinning, not reproducible floats.
    fn default() -> Self {
        Self { threads: NonZeroU8::MIN, isa: None, chains: true, pin: false, reproducible: false }
    }
}

impl Options {
    /// Returns the configuration of the engine.
    pub(crate) fn config(&self) -> Result<Config, IsaError> {
        let isa = self.isa.map_or_else(Isa::from_env, Ok)?;
        Ok(Config { isa, threads: self.threads, chains: self.chains })
    }
}
