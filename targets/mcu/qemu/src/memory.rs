//! Memory that outlives a restart, and how much of the stack a call takes.

use core::mem::MaybeUninit;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// Bytes of the simulated flash: two slots for a record of the lesson's head.
const FLASH: usize = 16 * Flash::ERASE_SIZE;

/// Simulated NOR flash, in memory that outlives a restart.
pub struct Flash(&'static mut [u8; FLASH]);

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.0[offset as usize..offset as usize + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 256;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.0[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let words = &mut self.0[offset as usize..offset as usize + bytes.len()];
        if words.iter().any(|&byte| byte != 0xff) {
            return Err(NorFlashErrorKind::Other);
        }
        words.copy_from_slice(bytes);
        Ok(())
    }
}

/// Memory that the start of a program leaves alone; zeros when the emulator begins.
#[unsafe(link_section = ".uninit.flash")]
static mut KEPT: MaybeUninit<[u8; FLASH]> = MaybeUninit::uninit();

/// Returns the simulated flash.
///
/// # Safety
/// It is called once after a start.
pub unsafe fn flash() -> Flash {
    // SAFETY: the caller's promise; bytes of any value are bytes.
    Flash(unsafe { (*(&raw mut KEPT)).assume_init_mut() })
}

/// Bytes below the stack pointer that are watched.
const WATCHED: usize = 32 << 10;

/// Word that a stack is painted with.
const PAINT: u32 = 0xa5a5_5a5a;

/// Calls a function and returns how far down the stack it went, to the nearest word.
#[inline(never)]
pub fn stack_used<T>(call: impl FnOnce() -> T) -> (usize, T) {
    let lowest = (stack_pointer() - WATCHED) as *mut u32;
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

#[inline(always)]
fn stack_pointer() -> usize {
    let top: usize;
    // SAFETY: reads a register.
    unsafe {
        #[cfg(target_arch = "arm")]
        core::arch::asm!("mov {}, sp", out(reg) top, options(nomem, nostack));
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("mv {}, sp", out(reg) top, options(nomem, nostack));
    }
    top
}
