//! Calls as C makes them, with what they tell as values.

#![allow(dead_code, reason = "every suite uses a part of it")]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use offshoot_c::{
    Embedding, EmbeddingForm, ExtractorHandle, Frame, HeadHandle, In, Out, PixelFormat, Status,
    offshoot_extractor_embed, offshoot_extractor_open_bytes, offshoot_head_new,
    offshoot_last_error,
};

/// Package of eight by eight pixels, ten dimensions.
pub const TINY: &[u8] = include_bytes!("../../../tests/tiny.offshoot");

/// Pointer to read from.
pub fn read<T>(from: &T) -> In<T> {
    // SAFETY: tests pass what lives until the call returns.
    unsafe { In::new(from) }
}

/// Pointer to write to.
pub fn write<T>(to: &mut T) -> Out<T> {
    // SAFETY: tests pass what lives until the call returns.
    unsafe { Out::new(to) }
}

/// Pointer to the first of several values.
pub fn all<T>(from: &[T]) -> In<T> {
    // SAFETY: tests pass what lives until the call returns.
    unsafe { In::new(from.as_ptr()) }
}

/// Pointer to the room for several values.
pub fn room<T>(to: &mut [T]) -> Out<T> {
    // SAFETY: tests pass what lives until the call returns.
    unsafe { Out::new(to.as_mut_ptr()) }
}

/// Null.
pub fn no<T>() -> In<T> {
    // SAFETY: null is never followed.
    unsafe { In::new(ptr::null()) }
}

/// Null.
pub fn nowhere<T>() -> Out<T> {
    // SAFETY: null is never followed.
    unsafe { Out::new(ptr::null_mut()) }
}

/// Text as C has it.
pub fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL in names")
}

/// Pointer to a text.
pub fn text(from: &CStr) -> In<c_char> {
    // SAFETY: tests pass what lives until the call returns.
    unsafe { In::new(from.as_ptr()) }
}

/// Message of the last failure.
pub fn last_error() -> String {
    // SAFETY: never null, with a NUL, and copied before another call fails.
    let message = unsafe { CStr::from_ptr(offshoot_last_error()) };
    message.to_str().expect("messages are UTF-8").to_owned()
}

/// Struct for the library to write: its size, and all else 0.
///
/// # Safety
/// `T` begins with a `u32` size, and is valid as zeros.
pub unsafe fn zeroed<T>() -> T {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the caller's promise.
    unsafe {
        value.as_mut_ptr().cast::<u32>().write(size_of::<T>() as u32);
        value.assume_init()
    }
}

/// [`zeroed`] for the structs of the library.
macro_rules! sized {
    ($name:ty) => {{
        const { assert!(std::mem::offset_of!($name, size) == 0) };
        // SAFETY: structs of the library are numbers and pointers, the size first.
        unsafe { common::zeroed::<$name>() }
    }};
}
#[allow(unused_imports, reason = "every suite uses a part of it")]
pub(crate) use sized;

/// Opens a package.
pub fn open(package: &[u8]) -> ExtractorHandle {
    let mut extractor = ExtractorHandle { id: 0 };
    let status =
        offshoot_extractor_open_bytes(all(package), package.len(), no(), write(&mut extractor));
    assert_eq!(status, Status::Ok, "{}", last_error());
    extractor
}

/// Makes a head.
pub fn head(extractor: ExtractorHandle, kind: u32, classes: u32, samples: u32) -> HeadHandle {
    let mut head = HeadHandle { id: 0 };
    let status = offshoot_head_new(extractor, kind, classes, samples, write(&mut head));
    assert_eq!(status, Status::Ok, "{}", last_error());
    head
}

/// Frame without gaps.
pub fn frame(format: PixelFormat, width: u32, height: u32, pixels: &[u8]) -> Frame {
    Frame {
        size: size_of::<Frame>() as u32,
        format: format as u32,
        width,
        height,
        stride: 0,
        pixels: pixels.as_ptr(),
        bytes: pixels.len(),
    }
}

/// Embedding to be written to `memory`.
pub fn embedding(memory: &mut [f32]) -> Embedding {
    Embedding {
        size: size_of::<Embedding>() as u32,
        form: 0,
        values: memory.as_mut_ptr().cast(),
        bytes: size_of_val(memory),
        dim: 0,
        scale: 0.0,
        zero_point: 0,
    }
}

/// Embedding of floats.
pub fn floats(values: &[f32]) -> Embedding {
    Embedding {
        size: size_of::<Embedding>() as u32,
        form: EmbeddingForm::Float as u32,
        values: values.as_ptr().cast_mut().cast(),
        bytes: size_of_val(values),
        dim: values.len(),
        scale: 0.0,
        zero_point: 0,
    }
}

/// Embedding of a frame, in `memory`.
pub fn embed(extractor: ExtractorHandle, frame: &Frame, memory: &mut [f32]) -> Embedding {
    let mut embedding = embedding(memory);
    let status = offshoot_extractor_embed(extractor, read(frame), write(&mut embedding));
    assert_eq!(status, Status::Ok, "{}", last_error());
    embedding
}

/// Bytes of an embedding's values.
pub fn bytes(embedding: &Embedding) -> Vec<u8> {
    let value = if embedding.form == EmbeddingForm::Int8 as u32 { 1 } else { 4 };
    // SAFETY: the library, or a test, has written so many.
    let values =
        unsafe { std::slice::from_raw_parts(embedding.values.cast::<u8>(), value * embedding.dim) };
    values.to_vec()
}
