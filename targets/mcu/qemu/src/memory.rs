//! Static memory, and how much of the stack a call takes.

use core::arch::asm;

/// Bytes aligned like a package.
#[repr(C, align(64))]
pub struct Aligned<const N: usize>(pub [i8; N]);

/// Declares static memory that is taken once.
macro_rules! static_mut {
    ($name:ident: $type:ty = $value:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            pub fn take() -> &'static mut $type {
                cortex_m::singleton!(: $type = $value).expect("taken once")
            }
        }
    };
}
pub(crate) use static_mut;

/// Bytes below the stack pointer that are watched.
const WATCHED: usize = 32 << 10;

/// Word that a stack is painted with.
const PAINT: u32 = 0xa5a5_5a5a;

/// Calls a function and returns how far down the stack it went, to the nearest word.
#[inline(never)]
pub fn stack_used<T>(call: impl FnOnce() -> T) -> (usize, T) {
    let top: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) top, options(nomem, nostack)) };
    let lowest = (top - WATCHED) as *mut u32;
    let words = WATCHED / 4;
    for index in 0..words {
        // SAFETY: the stack begins at the end of a memory that is much larger than what is watched,
        // and nothing lies below the pointer.
        unsafe { lowest.add(index).write_volatile(PAINT) };
    }
    let value = call();
    // SAFETY: as above.
    let free = (0..words).take_while(|&i| unsafe { lowest.add(i).read_volatile() } == PAINT);
    (WATCHED - 4 * free.count(), value)
}
