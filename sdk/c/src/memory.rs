//! Memory of the caller: the only file that follows pointers.
//!
//! Functions for C take an [`In`] or an [`Out`] where their header shows a pointer. Either is null,
//! or points to what the function's documentation says: a struct of as many bytes as it states, a
//! text with a NUL at its end, one value, or as many as another argument counts. The caller in C
//! promises it; from Rust it takes `unsafe` to make one.

use std::ffi::{CStr, OsStr, c_char};
use std::mem::MaybeUninit;
use std::path::Path;
use std::{ptr, slice};

use crate::fault::Fault;

/// Bytes that no version of a struct has: more are a `size` that was not set.
const MOST_BYTES: usize = 4096;

/// Struct that states its version by its size.
///
/// # Safety
/// `repr(C)`, begins with a `u32` that holds its size, and is valid for any bytes.
pub unsafe trait Versioned: Copy {
    /// Bytes of the first version; a release that appends fields writes the old size here.
    const FIRST: usize = size_of::<Self>();
}

/// Pointer that is read from.
///
/// cbindgen:transparent-typedef
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct In<T>(*const T);

/// Pointer that is written to.
///
/// cbindgen:transparent-typedef
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Out<T>(*mut T);

/// Reads the size that a struct states.
///
/// # Safety
/// `at` is null, or points to a struct of as many bytes as it states.
unsafe fn stated<T: Versioned>(at: *const T, name: &'static str) -> Result<usize, Fault> {
    if at.is_null() {
        return Err(Fault::Null { name });
    }
    // SAFETY: every version begins with its size; it may lie anywhere.
    let found = unsafe { at.cast::<u32>().read_unaligned() } as usize;
    match (T::FIRST..=MOST_BYTES).contains(&found) {
        true => Ok(found),
        false => Err(Fault::Size { name, found, needed: size_of::<T>() }),
    }
}

/// Reads a struct of any version: fields that an older one lacks are 0.
///
/// # Safety
/// `at` is null, or points to a struct of as many bytes as it states.
unsafe fn read<T: Versioned>(at: *const T, name: &'static str) -> Result<T, Fault> {
    // SAFETY: the caller's promise is ours.
    let size = unsafe { stated(at, name) }?;
    let known = size.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes are in either struct, and the second is our own.
    unsafe { ptr::copy_nonoverlapping(at.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known) };
    // SAFETY: these bytes are in the caller's struct, by the size that it states.
    let rest = unsafe { slice::from_raw_parts(at.cast::<u8>().add(known), size - known) };
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Fault::Newer { name });
    }
    // SAFETY: any bytes are a struct.
    Ok(unsafe { value.assume_init() })
}

impl<T> In<T> {
    /// Makes the pointer that C would pass.
    ///
    /// # Safety
    /// Null, or what the function that takes it asks for, until it returns.
    pub const unsafe fn new(at: *const T) -> Self {
        Self(at)
    }

    /// Returns true for null.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Returns values in the caller's memory; null is an empty slice if there are none.
    ///
    /// # Safety
    /// As many values as `count` says are there for `'a`.
    pub(crate) unsafe fn values<'a>(
        self,
        count: usize,
        name: &'static str,
    ) -> Result<&'a [T], Fault> {
        if count == 0 {
            return Ok(&[]);
        }
        check::<T>(self.0, count, name)?;
        // SAFETY: the caller's promise; null, alignment and length are checked.
        Ok(unsafe { slice::from_raw_parts(self.0, count) })
    }
}

impl<T: Versioned> In<T> {
    /// Reads a struct.
    pub(crate) fn read(self, name: &'static str) -> Result<T, Fault> {
        // SAFETY: by the promise of `In::new`.
        unsafe { read(self.0, name) }
    }
}

impl In<c_char> {
    /// Returns a text in the caller's memory.
    ///
    /// # Safety
    /// The text is there for `'a`.
    unsafe fn c_str<'a>(self, name: &'static str) -> Result<&'a CStr, Fault> {
        match self.0.is_null() {
            true => Err(Fault::Null { name }),
            // SAFETY: by the promise of `In::new` there is a NUL.
            false => Ok(unsafe { CStr::from_ptr(self.0) }),
        }
    }

    /// Calls `work` with the text.
    pub(crate) fn text<R>(
        self,
        name: &'static str,
        work: impl FnOnce(&str) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        // SAFETY: by the promise of `In::new` it is there until the function returns.
        let text = unsafe { self.c_str(name) }?;
        work(text.to_str().map_err(|_| Fault::Utf8 { name })?)
    }

    /// Calls `work` with the path of a file; on Unix it may be any bytes.
    pub(crate) fn path<R>(
        self,
        name: &'static str,
        work: impl FnOnce(&Path) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        // SAFETY: by the promise of `In::new` it is there until the function returns.
        let text = unsafe { self.c_str(name) }?;
        #[cfg(unix)]
        let path: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(text.to_bytes());
        #[cfg(not(unix))]
        let path = OsStr::new(text.to_str().map_err(|_| Fault::Utf8 { name })?);
        work(Path::new(path))
    }
}

impl<T> Out<T> {
    /// Makes the pointer that C would pass.
    ///
    /// # Safety
    /// Null, or what the function that takes it asks for, until it returns.
    pub const unsafe fn new(at: *mut T) -> Self {
        Self(at)
    }

    /// Returns true for null.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Returns values in the caller's memory; null is an empty slice if there are none.
    ///
    /// # Safety
    /// As many values as `count` says are there for `'a`, and nothing else reaches them.
    pub(crate) unsafe fn values<'a>(
        self,
        count: usize,
        name: &'static str,
    ) -> Result<&'a mut [T], Fault> {
        if count == 0 {
            return Ok(&mut []);
        }
        check::<T>(self.0, count, name)?;
        // SAFETY: the caller's promise; null, alignment and length are checked.
        Ok(unsafe { slice::from_raw_parts_mut(self.0, count) })
    }
}

impl<T: Copy> Out<T> {
    /// Returns the place of one value, which must be there.
    pub(crate) fn place(self, name: &'static str) -> Result<Place<T>, Fault> {
        match self.0.is_null() {
            true => Err(Fault::Null { name }),
            false => Ok(Place(self.0)),
        }
    }

    /// Returns the place of one value that the caller may not want.
    pub(crate) fn optional(self) -> Place<T> {
        Place(self.0)
    }
}

impl<T: Versioned> Out<T> {
    /// Reads what the caller has put into the struct.
    pub(crate) fn read(self, name: &'static str) -> Result<T, Fault> {
        // SAFETY: by the promise of `Out::new`.
        unsafe { read(self.0, name) }
    }

    /// Returns the place of a struct, which must be there and state its size.
    pub(crate) fn record(self, name: &'static str) -> Result<Record<T>, Fault> {
        // SAFETY: by the promise of `Out::new`.
        let size = unsafe { stated(self.0, name) }?;
        Ok(Record { at: self.0, size })
    }

    /// Returns the place of a struct that the caller may not want.
    pub(crate) fn optional_record(self, name: &'static str) -> Result<Option<Record<T>>, Fault> {
        if self.0.is_null() {
            return Ok(None);
        }
        self.record(name).map(Some)
    }
}

/// Place of one value, or null.
pub(crate) struct Place<T>(*mut T);

impl<T: Copy> Place<T> {
    /// Writes the value, if it is wanted.
    pub(crate) fn put(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: by the promise of `Out::new`; it may lie anywhere.
            unsafe { self.0.write_unaligned(value) };
        }
    }
}

/// Place of a struct of the version that the caller knows.
pub(crate) struct Record<T> {
    at: *mut T,
    size: usize,
}

impl<T: Versioned> Record<T> {
    /// Writes the fields that the caller knows; of a newer caller, the others become 0.
    pub(crate) fn put(&self, value: &T) {
        let head = size_of::<u32>();
        let known = self.size.min(size_of::<T>());
        let at = self.at.cast::<u8>();
        // SAFETY: `known` bytes are in either struct; the size stays as the caller has set it.
        unsafe {
            ptr::copy_nonoverlapping(
                ptr::from_ref(value).cast::<u8>().add(head),
                at.add(head),
                known - head,
            );
        }
        // SAFETY: these bytes are in the caller's struct, by the size that it states.
        unsafe { at.add(known).write_bytes(0, self.size - known) };
    }
}

/// Returns a setting that is 1 or 0.
pub(crate) fn flag(name: &'static str, found: u32) -> Result<bool, Fault> {
    match found {
        0 | 1 => Ok(found == 1),
        _ => Err(Fault::Range { name, found: found.into(), low: 0, high: 1 }),
    }
}

/// Writes a text and its NUL; nothing if there is no room. Tells its bytes without the NUL.
///
/// # Safety
/// `out` has room for as many bytes as `capacity` says.
pub(crate) unsafe fn put_text(
    text: &str,
    out: Out<c_char>,
    capacity: usize,
    length: Out<usize>,
) -> Result<(), Fault> {
    length.optional().put(text.len());
    let needed = text.len() + 1;
    if capacity < needed {
        return Err(Fault::Short { name: "out", found: capacity, needed });
    }
    // SAFETY: the caller's promise.
    let out = unsafe { Out(out.0.cast::<u8>()).values(needed, "out") }?;
    out[..text.len()].copy_from_slice(text.as_bytes());
    out[text.len()] = 0;
    Ok(())
}

/// Writes values to the front of the caller's memory; nothing if there is no room.
///
/// # Safety
/// `out` has room for as many values as `capacity` says.
pub(crate) unsafe fn put_values<T: Copy>(
    values: &[T],
    out: Out<T>,
    capacity: usize,
) -> Result<(), Fault> {
    let needed = values.len();
    if capacity < needed {
        return Err(Fault::Short { name: "out", found: capacity, needed });
    }
    // SAFETY: the caller's promise.
    unsafe { out.values(needed, "out") }?.copy_from_slice(values);
    Ok(())
}

/// Refuses a null pointer, one between two values, and a length that no memory has.
fn check<T>(at: *const T, count: usize, name: &'static str) -> Result<(), Fault> {
    if at.is_null() {
        return Err(Fault::Null { name });
    }
    if !at.is_aligned() {
        return Err(Fault::Alignment { name, to: align_of::<T>() });
    }
    let most = isize::MAX as usize / size_of::<T>();
    match count > most {
        true => Err(Fault::Range { name, found: count as u64, low: 0, high: most as u64 }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Second version of a struct; the first had no `b`.
    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Pair {
        size: u32,
        a: u32,
        b: u32,
    }

    // SAFETY: three numbers, the size first.
    unsafe impl Versioned for Pair {
        const FIRST: usize = 8;
    }

    #[test]
    fn older_and_newer_callers_are_understood() {
        // As a later version: two fields more.
        let mut words = [0, 1, 2, 0, 0u32];
        for (size, b) in [(8, 0), (12, 2), (16, 2), (20, 2)] {
            words[0] = size;
            // SAFETY: all sizes are within the array.
            let pair = unsafe { In::new(words.as_ptr().cast::<Pair>()) }.read("pair").unwrap();
            assert_eq!(pair, Pair { size, a: 1, b });
            let mut out = [size, 9, 9, 9, 9];
            // SAFETY: all sizes are within the array.
            let record = unsafe { Out::new(out.as_mut_ptr().cast::<Pair>()) }.record("pair");
            record.unwrap().put(&Pair { size: 77, a: 1, b: 2 });
            let known = size as usize / 4;
            assert_eq!((out[0], out[1]), (size, 1));
            assert_eq!(out[2..known], [2, 0, 0][..known - 2]);
            assert!(out[known..].iter().all(|&word| word == 9), "{out:?}");
        }
        words[4] = 1;
        for (size, is_newer) in [(20, true), (7, false), (0, false), (u32::MAX, false)] {
            words[0] = size;
            // SAFETY: within the array, or refused before.
            let fault = unsafe { In::new(words.as_ptr().cast::<Pair>()) }.read("pair");
            assert_eq!(matches!(fault, Err(Fault::Newer { .. })), is_newer, "{fault:?}");
            assert!(is_newer || matches!(fault, Err(Fault::Size { needed: 12, .. })));
        }
    }

    #[test]
    fn slices_are_checked() {
        let numbers = [1u32, 2, 3];
        // SAFETY: all three are there.
        assert_eq!(unsafe { In::new(&raw const numbers[0]).values(3, "n") }.unwrap(), numbers);
        // SAFETY: refused before they are followed.
        unsafe {
            let odd = In::new(numbers.as_ptr().cast::<u8>().add(1).cast::<u32>());
            assert!(matches!(odd.values(1, "n"), Err(Fault::Alignment { to: 4, .. })));
            assert!(matches!(
                In::new(&numbers[0]).values(usize::MAX, "n"),
                Err(Fault::Range { .. })
            ));
            assert!(matches!(In::<u32>::new(ptr::null()).values(1, "n"), Err(Fault::Null { .. })));
            assert!(In::<u32>::new(ptr::null()).values(0, "n").unwrap().is_empty());
        }
    }
}
