//! Heads: classifiers that are taught.

mod ask;
mod edit;
mod settings;

use offshoot::{ClassId, EditError, HeadKind, Limits};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::{Options, Outcome, whole};
use crate::extractor::Extractor;

/// Limits of a head for which none are given: those of a device.
const LIMITS: Limits = Limits { classes: 10, samples: 180 };

/// Classifier taught from a few samples per class.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Head(offshoot::Head);

impl Head {
    pub(crate) fn inner(&self) -> &offshoot::Head {
        &self.0
    }

    /// Returns the class with that index.
    pub(crate) fn class(&self, index: f64) -> Outcome<ClassId> {
        let index = whole(index, "class", u32::MAX)? as usize;
        let count = self.0.class_count();
        let missing = EditError::NoSuchClass { class: index, count };
        Ok(self.0.class_at(index).ok_or(missing)?)
    }
}

#[wasm_bindgen]
impl Head {
    /// Makes an empty head for the extractor's embeddings. All memory is reserved here.
    ///
    /// # Errors
    /// An option that is unknown or no number, limits out of range, too little memory.
    #[wasm_bindgen(constructor)]
    pub fn new(
        extractor: &Extractor,
        #[wasm_bindgen(unchecked_optional_param_type = "HeadOptions")] options: &JsValue,
    ) -> Outcome<Self> {
        let options = Options::of(options, &["kind", "classes", "samples"])?;
        let kind = options.text("kind")?.map_or(Ok(HeadKind::Auto), |name| name.parse())?;
        let limits = Limits {
            classes: options.count("classes")?.unwrap_or(LIMITS.classes),
            samples: options.count("samples")?.unwrap_or(LIMITS.samples),
        };
        Ok(Self(offshoot::Head::new(kind, extractor.inner(), limits)?))
    }

    /// Returns the bytes of the head: those of a head file, which devices load.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Makes the head that [`Head::encode`] wrote, or a device saved.
    ///
    /// # Errors
    /// Bytes that are damaged or no head, a head of another package, too little memory.
    pub fn decode(bytes: &[u8], extractor: &Extractor) -> Outcome<Self> {
        Ok(Self(offshoot::Head::from_bytes(bytes, extractor.inner())?))
    }
}
