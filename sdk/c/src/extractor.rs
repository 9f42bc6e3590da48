//! Extractors: packages that are open.

pub(crate) mod cells;
pub(crate) mod signals;

use std::ffi::c_char;
use std::num::NonZeroU8;
use std::sync::{Mutex, MutexGuard, PoisonError};

use offshoot::{Extractor, Image, Isa, IsaError};
use offshoot_core::graph::Element;

use crate::embedding::{Embedding, EmbeddingForm, Extent, Frame, Room};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::handle::Table;
use crate::memory::{In, Out, Versioned, flag, put_text};

pub(crate) static EXTRACTORS: Table<Opened> = Table::new(1, "extractor");

/// Extractor with what calls ask of its package.
pub(crate) struct Opened {
    /// Not shared by threads even to be read: tract's network is not made for it.
    extractor: Mutex<Extractor>,
    extent: Extent,
    precision: Precision,
}

/// Handle of an open package. It is a number, to be copied at will; 0 is none.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtractorHandle {
    /// Number that is never given out twice.
    pub id: u64,
}

/// Settings of an extractor. All but `size` may be 0, which is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// sizeof(offshoot_options).
    pub size: u32,
    /// Number of threads that share the network, including the caller's; 0 is 1, at most 255.
    pub threads: u32,
    /// Name of the kernels' instruction set, such as "generic"; null takes the fastest.
    pub isa: *const c_char,
    /// 1 runs expansion, depthwise convolution and projection apart: more memory, the same values.
    pub no_row_fusion: u32,
    /// 1 pins each thread to a core of its own; the opening thread stays pinned.
    pub pin: u32,
    /// 1 makes float results the same bits everywhere, which takes longer.
    pub reproducible: u32,
}

// SAFETY: numbers and a pointer, the size first.
unsafe impl Versioned for Options {}

/// Precision of a package's network.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// All int8: the engine runs it alone.
    Int8 = 1,
    /// All floats: tract-core runs it.
    Float = 2,
    /// Int8 where the engine has the operation, floats elsewhere.
    Mixed = 3,
    /// Linear layers in int8 with scales computed in the run, the rest in floats: the engine runs it
    /// alone, with the same bits everywhere.
    Dynamic = 4,
}

/// Properties of an extractor.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ExtractorInfo {
    /// sizeof(offshoot_extractor_info).
    pub size: u32,
    /// Number of enum offshoot_precision.
    pub precision: u32,
    /// Number of enum offshoot_embedding_form.
    pub embedding_form: u32,
    /// Number of threads that share the network.
    pub threads: u32,
    /// Number of dimensions of an embedding.
    pub dim: usize,
    /// Bytes of an embedding's values.
    pub embedding_bytes: usize,
    /// Max number of tokens of a text; 0 if the package takes images.
    pub token_limit: usize,
    /// Bytes of the arena, which holds the feature maps; 0 if tract-core manages them.
    pub arena_bytes: usize,
    /// Bytes of the largest set of feature maps alive at once, if every one existed as a whole.
    pub live_set_bytes: usize,
    /// Bytes of the weights in the order of the processor's kernels.
    pub packed_bytes: usize,
    /// Bytes of the package; they stay in the file if it is memory-mapped.
    pub package_bytes: usize,
    /// 1 if the package holds the weights in the kernels' order, so that they are used in place.
    pub packed_in_file: u32,
    /// Digest that binds heads to this package.
    pub package_id: [u8; 32],
    /// Name of the kernels' instruction set; empty if tract-core runs the network.
    pub isa: [c_char; 20],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for ExtractorInfo {}

/// Outcome of the golden vectors.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Verification {
    /// sizeof(offshoot_verification).
    pub size: u32,
    /// 1 if every vector gave what it must.
    pub is_ok: u32,
    /// Number of vectors run.
    pub vectors: usize,
    /// Number of vectors that gave what they must.
    pub passed: usize,
    /// SHA-256 over the package's id and all outputs; for int8 packages the same on every machine.
    pub digest: [u8; 32],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Verification {}

impl Options {
    /// Returns the settings for the facade; null is the default.
    fn of(given: In<Self>) -> Result<offshoot::Options, Fault> {
        let options = offshoot::Options::new();
        if given.is_null() {
            return Ok(options);
        }
        let given = given.read("options")?;
        let threads = u8::try_from(given.threads).map_err(|_| Fault::Range {
            name: "options.threads",
            found: given.threads.into(),
            low: 0,
            high: u8::MAX.into(),
        })?;
        let options = options
            .threads(NonZeroU8::new(threads).unwrap_or(NonZeroU8::MIN))
            .row_fusion(!flag("options.no_row_fusion", given.no_row_fusion)?)
            .pin(flag("options.pin", given.pin)?)
            .reproducible(flag("options.reproducible", given.reproducible)?);
        if given.isa.is_null() {
            return Ok(options);
        }
        // SAFETY: the caller's options name a text, which is there until the function returns.
        let name = unsafe { In::new(given.isa) };
        name.text("options.isa", |name| {
            let error = || offshoot::ErrorKind::from(IsaError { name: name.to_owned() });
            Ok(options.isa(Isa::named(name).ok_or_else(error)?))
        })
    }
}

impl Opened {
    fn new(extractor: Extractor) -> Self {
        // Once: each call checks the package again.
        let package = extractor.package();
        let graph = package.graph();
        let form = match graph.tensor(graph.output()).element {
            Element::Int8(_) => EmbeddingForm::Int8,
            Element::Float => EmbeddingForm::Float,
        };
        let precision = match package.manifest().precision {
            offshoot::Precision::Int8 => Precision::Int8,
            offshoot::Precision::Float => Precision::Float,
            offshoot::Precision::Mixed => Precision::Mixed,
            offshoot::Precision::Dynamic => Precision::Dynamic,
        };
        let extent = Extent { form, dim: extractor.embedding_dim() };
        Self { extractor: Mutex::new(extractor), extent, precision }
    }

    /// Returns the extractor, which no other thread uses then.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Extractor> {
        // A call that panicked has poisoned the handle already.
        self.extractor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the extractor to a call that has it alone.
    pub(crate) fn get_mut(&mut self) -> &mut Extractor {
        self.extractor.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns form and size of an embedding.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    fn info(&self) -> ExtractorInfo {
        let extractor = self.lock();
        let memory = extractor.memory();
        let mut isa = [0; 20];
        let name = extractor.isa().map_or("", Isa::name);
        // The last byte stays 0.
        isa.iter_mut().take(19).zip(name.bytes()).for_each(|(slot, b)| *slot = b as c_char);
        ExtractorInfo {
            size: 0,
            precision: self.precision as u32,
            embedding_form: self.extent.form as u32,
            threads: extractor.threads() as u32,
            dim: self.extent.dim,
            embedding_bytes: self.extent.bytes(),
            token_limit: extractor.token_limit().unwrap_or(0),
            arena_bytes: memory.arena,
            live_set_bytes: memory.live_set,
            packed_bytes: memory.packed,
            package_bytes: memory.package,
            packed_in_file: memory.packed_in_file.into(),
            package_id: *extractor.id().as_bytes(),
            isa,
        }
    }
}

/// Opens what `make` makes, and tells its handle.
fn open(
    handle: Out<ExtractorHandle>,
    make: impl FnOnce() -> Result<Extractor, Fault>,
) -> Result<(), Fault> {
    let place = handle.place("extractor")?;
    place.put(ExtractorHandle { id: EXTRACTORS.add(Opened::new(make()?))? });
    Ok(())
}

/// Opens a package file, which is memory-mapped: replace it by rename only, never in place.
///
/// `options` may be null. On failure `extractor` is left as it was.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_open(
    path: In<c_char>,
    options: In<Options>,
    extractor: Out<ExtractorHandle>,
) -> Status {
    guard(|| {
        let options = Options::of(options)?;
        open(extractor, || path.path("path", |path| Ok(Extractor::open_with(path, &options)?)))
    })
}

/// Opens a package in memory, which is copied. `options` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_open_bytes(
    bytes: In<u8>,
    length: usize,
    options: In<Options>,
    extractor: Out<ExtractorHandle>,
) -> Status {
    guard(|| {
        let options = Options::of(options)?;
        open(extractor, || {
            // SAFETY: the header asks for `length` bytes, until the function returns.
            let bytes = unsafe { bytes.values(length, "bytes") }?;
            Ok(Extractor::from_bytes_with(bytes.to_vec(), &options)?)
        })
    })
}

/// Opens a package that is linked into the program, without copying it: the bytes must stay as they
/// are for good, as those of a constant array do.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_open_static(
    bytes: In<u8>,
    length: usize,
    extractor: Out<ExtractorHandle>,
) -> Status {
    guard(|| {
        open(extractor, || {
            // SAFETY: the header asks for `length` bytes, for good.
            let bytes: &'static [u8] = unsafe { bytes.values(length, "bytes") }?;
            Ok(Extractor::from_static(bytes)?)
        })
    })
}

/// Closes an extractor. Heads that were made with it stay open.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_close(extractor: ExtractorHandle) -> Status {
    guard(|| EXTRACTORS.remove(extractor.id))
}

/// Tells the properties of an extractor: dimensions, package id, memory, threads.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_get_info(
    extractor: ExtractorHandle,
    info: Out<ExtractorInfo>,
) -> Status {
    guard(|| {
        let record = info.record("info")?;
        EXTRACTORS.read(extractor.id, |opened| {
            record.put(&opened.info());
            Ok(())
        })
    })
}

/// Writes the name of the file that the package was made of, and a NUL, to `out`; `length` may be
/// null, and is told without the NUL.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_source(
    extractor: ExtractorHandle,
    out: Out<c_char>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        EXTRACTORS.read(extractor.id, |opened| {
            let extractor = opened.lock();
            let package = extractor.package();
            // SAFETY: the header asks for `capacity` bytes.
            unsafe { put_text(package.manifest().source, out, capacity, length) }
        })
    })
}

/// Runs the package's golden vectors. A vector that fails is no failure of the call: see `is_ok`.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_verify(
    extractor: ExtractorHandle,
    verification: Out<Verification>,
) -> Status {
    guard(|| {
        let record = verification.record("verification")?;
        let verified = EXTRACTORS.write(extractor.id, |opened| Ok(opened.get_mut().verify()?))?;
        record.put(&Verification {
            size: 0,
            is_ok: verified.is_ok().into(),
            vectors: verified.vectors,
            passed: verified.passed,
            digest: verified.digest,
        });
        Ok(())
    })
}

/// Computes the embedding of a frame of any size. Int8 packages allocate nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed(
    extractor: ExtractorHandle,
    frame: In<Frame>,
    embedding: Out<Embedding>,
) -> Status {
    guard(|| {
        EXTRACTORS.write(extractor.id, |opened| {
            let room = Room::of(embedding, opened.extent)?;
            Frame::with(frame, |frame| room.fill(opened.get_mut().embed(frame)?))
        })
    })
}

/// Computes the embedding of a JPEG, PNG, BMP or PNM file in memory, as cameras and messages bring
/// them.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_image(
    extractor: ExtractorHandle,
    bytes: In<u8>,
    length: usize,
    embedding: Out<Embedding>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `length` bytes, until the function returns.
        let bytes = unsafe { bytes.values(length, "bytes") }?;
        // Before the extractor is taken: decoding needs none.
        let image = Image::decode(bytes)?;
        EXTRACTORS.write(extractor.id, |opened| {
            let room = Room::of(embedding, opened.extent)?;
            room.fill(opened.get_mut().embed(&image.frame())?)
        })
    })
}

/// Computes the embedding of a text, given as token ids with the tokenizer's special tokens.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_tokens(
    extractor: ExtractorHandle,
    ids: In<u32>,
    count: usize,
    embedding: Out<Embedding>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `count` ids, until the function returns.
        let ids = unsafe { ids.values(count, "ids") }?;
        EXTRACTORS.write(extractor.id, |opened| {
            let room = Room::of(embedding, opened.extent)?;
            room.fill(opened.get_mut().embed_tokens(ids)?)
        })
    })
}
