//! Settings of an extractor.

use std::num::NonZeroU8;

use offshoot_engine::{Config, Isa, IsaError};

/// Settings of an [`Extractor`](crate::Extractor); what is computed in codes is the same under all
/// of them.
///
/// All but the last concern int8 packages. What tract-core runs, it runs on one thread with kernels
/// of its own.
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
    /// Threads that share a network, the caller's among them. With one, no other is started.
    pub threads: NonZeroU8,
    /// Whose kernels run it; where `None`, those that the environment variable `OFFSHOOT_ISA`
    /// names, else the fastest.
    pub isa: Option<Isa>,
    /// Runs an expansion, a depthwise convolution and a projection together, row by row, if that
    /// saves memory.
    pub chains: bool,
    /// Keeps each thread on a core of its own, the fastest first, of those that the thread which
    /// first opened a package so might use. The opening thread is one of them and stays pinned.
    pub pin: bool,
    /// Makes floats have the same bits on x86-64 with FMA and on aarch64, as what is computed
    /// in codes has everywhere. It takes longer; else the last bits are those of the processor's
    /// fastest kernels.
    pub reproducible: bool,
}

impl Default for Options {
    /// One thread, the fastest kernels, chains, wherever the system puts them, floats as they come.
    fn default() -> Self {
        Self { threads: NonZeroU8::MIN, isa: None, chains: true, pin: false, reproducible: false }
    }
}

impl Options {
    /// Configuration of the engine.
    pub(crate) fn config(&self) -> Result<Config, IsaError> {
        let isa = self.isa.map_or_else(Isa::from_env, Ok)?;
        Ok(Config { isa, threads: self.threads, chains: self.chains })
    }
}
