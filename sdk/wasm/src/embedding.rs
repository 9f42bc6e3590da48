//! Embeddings apart from their extractor.

use offshoot_core::Quant;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::Outcome;

/// Embedding of a frame: kept until it is freed, unlike that of Rust.
#[wasm_bindgen]
#[derive(Debug, Clone)]
pub struct Embedding(Values);

/// Values as the network gave them: heads keep the same bytes.
#[derive(Debug, Clone)]
enum Values {
    Int8 { codes: Box<[i8]>, quant: Quant },
    Float(Box<[f32]>),
}

impl From<offshoot::Embedding<'_>> for Embedding {
    fn from(embedding: offshoot::Embedding<'_>) -> Self {
        Self(match embedding {
            offshoot::Embedding::Int8 { codes, quant } => {
                Values::Int8 { codes: codes.into(), quant }
            }
            offshoot::Embedding::Float(values) => Values::Float(values.into()),
        })
    }
}

impl Embedding {
    pub(crate) fn borrowed(&self) -> offshoot::Embedding<'_> {
        match &self.0 {
            Values::Int8 { codes, quant } => offshoot::Embedding::Int8 { codes, quant: *quant },
            Values::Float(values) => offshoot::Embedding::Float(values),
        }
    }
}

#[wasm_bindgen]
impl Embedding {
    /// Makes an embedding of numbers, as another program computed them.
    ///
    /// # Errors
    /// A value that is not finite.
    #[wasm_bindgen(js_name = fromValues)]
    pub fn from_values(values: Vec<f32>) -> Outcome<Self> {
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(JsError::new(&format!("dimension {index} is not finite"))),
            None => Ok(Self(Values::Float(values.into()))),
        }
    }

    /// Number of dimensions.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.borrowed().len()
    }

    /// Returns the values as numbers.
    pub fn values(&self) -> Vec<f32> {
        self.borrowed().iter().collect()
    }

    /// Returns the int8 codes of a quantized network; undefined for numbers.
    pub fn codes(&self) -> Option<Vec<i8>> {
        match &self.0 {
            Values::Int8 { codes, .. } => Some(codes.to_vec()),
            Values::Float(_) => None,
        }
    }

    /// Returns the cosine similarity with another embedding; undefined where lengths differ or one
    /// has no direction.
    pub fn cosine(&self, other: &Self) -> Option<f32> {
        self.borrowed().cosine(&other.borrowed()).map(offshoot::Similarity::get)
    }
}
