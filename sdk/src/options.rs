//! Settings of an extractor.

use std::num::NonZeroU8;

use offshoot_engine::{Config, Isa, IsaError};

/// Settings of an [`Extractor`](crate::Extractor), by a builder.
///
/// Int8 results are the same bits under all settings. All settings but `reproducible` concern int8
/// packages; tract-core runs float layers on one thread with its own kernels.
///
/// ```
/// use std::num::NonZeroU8;
/// use offshoot::{Extractor, Options};
///
/// let two = NonZeroU8::new(2).expect("not zero");
/// let options = Options::new().threads(two).row_fusion(false);
/// let extractor = Extractor::open_with("tests/tiny.offshoot", &options)?;
/// assert_eq!(extractor.threads(), 2);
/// # Ok::<(), offshoot::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Options {
    pub(crate) threads: NonZeroU8,
    isa: Option<Isa>,
    row_fusion: bool,
    pub(crate) pin: bool,
    pub(crate) reproducible: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// Returns the defaults: one thread, the fastest kernels, row fusion, no pinning, not
    /// reproducible floats.
    pub const fn new() -> Self {
        Self {
            threads: NonZeroU8::MIN,
            isa: None,
            row_fusion: true,
            pin: false,
            reproducible: false,
        }
    }

    /// Sets the number of threads that share a network, including the caller's. One starts no
    /// thread.
    pub const fn threads(mut self, threads: NonZeroU8) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the instruction set of the kernels. Without it the environment variable `OFFSHOOT_ISA`
    /// names one, or else the fastest is taken that the processor has.
    pub const fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// Enables row fusion: runs an expansion, a depthwise convolution and a projection together,
    /// row by row, if that saves memory.
    pub const fn row_fusion(mut self, enabled: bool) -> Self {
        self.row_fusion = enabled;
        self
    }

    /// Pins each thread to a core of its own, the fastest first, of the cores that the first
    /// opening thread might use. The opening thread is one of the threads and stays pinned.
    pub const fn pin(mut self, enabled: bool) -> Self {
        self.pin = enabled;
        self
    }

    /// Makes float results the same bits on x86-64 with FMA and on aarch64. Takes longer; without
    /// it the last bits depend on the processor's fastest kernels.
    pub const fn reproducible(mut self, enabled: bool) -> Self {
        self.reproducible = enabled;
        self
    }

    /// Returns the configuration of the engine.
    pub(crate) fn config(&self) -> Result<Config, IsaError> {
        let isa = self.isa.map_or_else(Isa::from_env, Ok)?;
        Ok(Config { isa, threads: self.threads, chains: self.row_fusion })
    }
}
