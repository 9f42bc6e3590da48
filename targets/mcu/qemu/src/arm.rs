//! Start, restart and instructions of Cortex-M.
//!
//! Instructions are counted by the system timer: under `-icount shift=0` one takes a nanosecond.

use core::arch::asm;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
pub use cortex_m_rt::entry;

/// Instructions of the loop that calibrates.
const KNOWN: u32 = 2_000_000;

/// Largest value of the timer.
const TOP: u32 = 0xff_ffff;

/// Starts the program anew, as a reset does.
pub fn restart() -> ! {
    SCB::sys_reset()
}

/// Counter of instructions.
pub struct Counter {
    timer: SYST,
    /// Ticks of [`KNOWN`] instructions.
    ticks: u32,
}

impl Counter {
    /// Starts the timer and measures its tick by a loop of known length.
    ///
    /// # Panics
    /// If there is a counter already.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut timer = cortex_m::Peripherals::take().expect("the first counter").SYST;
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(TOP);
        timer.clear_current();
        timer.enable_counter();
        let mut counter = Self { timer, ticks: 1 };
        counter.restart();
        // SAFETY: counts a register down.
        unsafe {
            asm!(
                "2: subs {rounds}, {rounds}, #1",
                "bne 2b",
                rounds = inout(reg) KNOWN / 2 => _,
                options(nomem, nostack)
            );
        }
        counter.ticks = counter.elapsed();
        counter
    }

    /// Begins to count.
    pub fn restart(&mut self) {
        // The timer is reloaded at its next tick.
        self.timer.clear_current();
        while SYST::get_current() == 0 {}
        self.timer.has_wrapped();
    }

    fn elapsed(&self) -> u32 {
        TOP - SYST::get_current()
    }

    /// Returns the instructions since the last [`Counter::restart`], to the nearest tick.
    ///
    /// # Panics
    /// If the timer has gone round: after 2^24 ticks, which are 335 million instructions or more.
    pub fn read(&mut self) -> u64 {
        let elapsed = self.elapsed();
        assert!(!self.timer.has_wrapped(), "the timer went round");
        u64::from(elapsed) * u64::from(KNOWN) / u64::from(self.ticks)
    }

    /// Counts the instructions of a call.
    pub fn count<T>(&mut self, call: impl FnOnce() -> T) -> (T, u64) {
        self.restart();
        let value = call();
        let spent = self.read();
        (value, spent)
    }
}
