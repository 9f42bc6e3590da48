//! Start, restart and instructions of QEMU's RISC-V board, `virt`.

use core::arch::asm;

pub use riscv_rt::entry;

/// Register of the board that ends or restarts the emulation, and the value that restarts it.
const FINISHER: *mut u32 = 0x10_0000 as *mut u32;
const RESTART: u32 = 0x7777;

/// Starts the program anew, as a reset does.
pub fn restart() -> ! {
    // SAFETY: the board has the register.
    unsafe { FINISHER.write_volatile(RESTART) };
    loop {}
}

/// Counter of instructions.
#[derive(Default)]
pub struct Counter {
    start: u64,
}

impl Counter {
    /// Begins to count.
    pub fn new() -> Self {
        Self { start: retired() }
    }

    /// Begins to count again.
    pub fn restart(&mut self) {
        self.start = retired();
    }

    /// Returns the instructions since the last [`Counter::restart`].
    pub fn read(&mut self) -> u64 {
        retired() - self.start
    }

    /// Counts the instructions of a call.
    pub fn count<T>(&mut self, call: impl FnOnce() -> T) -> (T, u64) {
        self.restart();
        let value = call();
        (value, self.read())
    }
}

/// Returns the instructions since the start.
fn retired() -> u64 {
    loop {
        let high: u32;
        let low: u32;
        let again: u32;
        // SAFETY: reads registers.
        unsafe {
            asm!("csrr {0}, minstreth", "csrr {1}, minstret", "csrr {2}, minstreth",
                out(reg) high, out(reg) low, out(reg) again, options(nomem, nostack));
        }
        if high == again {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}
