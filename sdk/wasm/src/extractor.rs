//! Extractors: from a frame to its embedding.

pub(crate) mod cells;
pub(crate) mod signals;
pub(crate) mod tuning;

use offshoot::{Isa, Options};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use crate::argument::{self, Outcome};
use crate::embedding::Embedding;
use crate::object::Fields;
use crate::pixels::Room;

/// Feature extractor: an opened package with the memory to run it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Extractor {
    inner: offshoot::Extractor,
    room: Room,
}

impl Extractor {
    pub(crate) fn inner(&self) -> &offshoot::Extractor {
        &self.inner
    }

    pub(crate) fn inner_mut(&mut self) -> &mut offshoot::Extractor {
        &mut self.inner
    }
}

#[wasm_bindgen]
impl Extractor {
    /// Opens a package.
    ///
    /// # Errors
    /// Bytes that are no package, or one that needs more than int8; too little memory; an
    /// instruction set that is not here.
    #[wasm_bindgen(constructor)]
    pub fn new(
        bytes: Vec<u8>,
        #[wasm_bindgen(unchecked_optional_param_type = "ExtractorOptions")] options: &JsValue,
    ) -> Outcome<Self> {
        let given = argument::Options::of(options, &["isa", "rowFusion"])?;
        let mut options = Options::new().isa(Isa::best());
        if let Some(name) = given.text("isa")? {
            let names: Vec<&str> = Isa::available().map(Isa::name).collect();
            let found = Isa::named(&name).ok_or_else(|| {
                JsError::new(&format!("no isa `{name}`; there are {}", names.join(", ")))
            })?;
            options = options.isa(found);
        }
        if let Some(enabled) = given.get("rowFusion") {
            let enabled = enabled.as_bool();
            let wanted = || JsError::new("option `rowFusion` is neither true nor false");
            options = options.row_fusion(enabled.ok_or_else(wanted)?);
        }
        let inner = offshoot::Extractor::from_bytes_with(bytes, &options)?;
        Ok(Self { inner, room: Room::default() })
    }

    /// Computes the embedding of a frame of any size.
    ///
    /// # Errors
    /// A value that is no image, too few bytes, sides out of range.
    pub fn embed(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Pixels")] image: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PixelFormat")] format: Option<String>,
    ) -> Outcome<Embedding> {
        let frame = self.room.frame(image, format.as_deref())?;
        Ok(self.inner.embed(&frame)?.into())
    }

    /// Number of values of an embedding.
    #[wasm_bindgen(getter, js_name = embeddingDim)]
    pub fn embedding_dim(&self) -> usize {
        self.inner.embedding_dim()
    }

    /// Number of values of the last of the embedding's parts; all if it is not divided.
    #[wasm_bindgen(getter, js_name = lastPart)]
    pub fn last_part(&self) -> usize {
        self.inner.parts().last()
    }

    /// Digest that binds heads to this package, and to the tail that is set, in hexadecimal.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> String {
        self.inner.id().to_string()
    }

    /// Instruction set of the kernels.
    #[wasm_bindgen(getter)]
    pub fn isa(&self) -> Option<String> {
        self.inner.isa().map(|isa| isa.name().to_string())
    }

    /// Returns the bytes of memory that the extractor takes.
    #[wasm_bindgen(unchecked_return_type = "Memory")]
    pub fn memory(&self) -> JsValue {
        let memory = self.inner.memory();
        Fields::new()
            .with("arena", memory.arena)
            .with("liveSet", memory.live_set)
            .with("packed", memory.packed)
            .with("packedInFile", memory.packed_in_file)
            .with("package", memory.package)
            .done()
    }

    /// Returns what the package says of itself.
    #[wasm_bindgen(unchecked_return_type = "Manifest")]
    pub fn manifest(&self) -> JsValue {
        let package = self.inner.package();
        let manifest = package.manifest();
        Fields::new()
            .with("source", manifest.source)
            .with("cut", manifest.cut)
            .with("tool", manifest.tool)
            .with("precision", manifest.precision.name())
            .with("width", u32::from(manifest.preprocess.width))
            .with("height", u32::from(manifest.preprocess.height))
            .with("unitLength", manifest.extras.unit_length)
            .done()
    }

    /// Returns the part of a frame of these sides that the network sees: left, top, width and
    /// height, as shares of the sides.
    ///
    /// # Errors
    /// A side that is no whole number.
    #[wasm_bindgen(js_name = fieldOfView)]
    pub fn field_of_view(&self, width: f64, height: f64) -> Outcome<Vec<f32>> {
        let width = argument::whole(width, "width", u32::MAX)?;
        let height = argument::whole(height, "height", u32::MAX)?;
        let package = self.inner.package();
        Ok(package.manifest().preprocess.field_of_view(width, height).into())
    }

    /// Runs the package's golden vectors.
    ///
    /// # Errors
    /// Those of [`Extractor::embed`].
    #[wasm_bindgen(unchecked_return_type = "Verification")]
    pub fn verify(&mut self) -> Outcome<JsValue> {
        let verification = self.inner.verify()?;
        let line = verification.to_string();
        let digest = line.rsplit(':').next().unwrap_or_default().to_string();
        Ok(Fields::new()
            .with("ok", verification.is_ok())
            .with("vectors", verification.vectors)
            .with("passed", verification.passed)
            .with("digest", digest)
            .with("line", line)
            .done())
    }
}
