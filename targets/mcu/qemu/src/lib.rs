//! Common parts of the firmware: counter, memory, sprout's package, the lesson's frames.

#![no_std]

#[cfg(target_arch = "arm")]
#[path = "arm.rs"]
mod board;
#[cfg(target_arch = "riscv32")]
#[path = "riscv.rs"]
mod board;
pub mod case;
pub mod lesson;
mod memory;

use core::panic::PanicInfo;

pub use board::{Counter, entry, restart};
pub use memory::{Flash, flash, stack_used};
pub use semihosting::println;
use semihosting::process;

/// Bytes in flash, aligned like a package.
#[repr(C, align(64))]
pub struct File<T>(pub T);

const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sprout.offshoot"));

/// Sprout, packed for this processor.
#[unsafe(link_section = ".package")]
pub static PACKAGE: File<[u8; BYTES.len()]> =
    File(*include_bytes!(concat!(env!("OUT_DIR"), "/sprout.offshoot")));

/// Frames of [`lesson`].
#[unsafe(link_section = ".package")]
pub static FRAMES: File<[u8; lesson::FRAMES_BYTES]> =
    File(*include_bytes!(concat!(env!("OUT_DIR"), "/frames.rgb565")));

/// Bytes of the arena: the portable code's, which is the largest.
pub const ARENA: usize = 112 << 10;

/// Ends the emulation, with success.
pub fn end() -> ! {
    process::exit(0)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    process::exit(1)
}
