//! Settings of a head.

use offshoot::{Transform, WhenFull};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

use super::Head;
use crate::argument::Outcome;
use crate::object::Fields;

/// Names of the transforms, as head files have them.
pub const TRANSFORMS: [(&str, Transform); 4] = [
    ("raw", Transform::Raw),
    ("half", Transform::Half),
    ("unit", Transform::Unit),
    ("quarter", Transform::Quarter),
];

const POLICIES: [(&str, WhenFull); 3] = [
    ("refuse", WhenFull::Refuse),
    ("reservoir", WhenFull::Reservoir),
    ("herding", WhenFull::Herding),
];

/// Returns the value of a name.
fn named<T: Copy>(all: &[(&str, T)], name: &str, what: &str) -> Outcome<T> {
    match all.iter().find(|(known, _)| *known == name) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            Err(JsError::new(&format!("no {what} `{name}`; there are {names}")))
        }
    }
}

/// Returns the name of a value.
pub fn name_of<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    all.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

#[wasm_bindgen]
impl Head {
    /// Kind: `auto`, `ncm`, `softmax`, `ridge`, `slda` or `knn`.
    #[wasm_bindgen(getter)]
    pub fn kind(&self) -> String {
        self.0.kind().name().to_string()
    }

    /// Number of dimensions of an embedding.
    #[wasm_bindgen(getter)]
    pub fn dim(&self) -> usize {
        self.0.dim()
    }

    /// Digest of the package that the head was taught on, in hexadecimal.
    #[wasm_bindgen(getter, js_name = packageId)]
    pub fn package_id(&self) -> String {
        self.0.package_id().to_string()
    }

    /// Returns the numbers of classes and samples that memory is reserved for.
    #[wasm_bindgen(unchecked_return_type = "Limits")]
    pub fn limits(&self) -> JsValue {
        let limits = self.0.limits();
        Fields::new()
            .with("classes", u32::from(limits.classes))
            .with("samples", u32::from(limits.samples))
            .done()
    }

    /// Share of known samples that may be called unknown; 0 turns unknown answers off.
    #[wasm_bindgen(getter, js_name = falseRejectionRate)]
    pub fn false_rejection_rate(&self) -> f32 {
        self.0.false_rejection_rate()
    }

    /// Sets the target false-rejection rate.
    ///
    /// # Errors
    /// A rate out of range; nothing is changed.
    #[wasm_bindgen(js_name = setFalseRejectionRate)]
    pub fn set_false_rejection_rate(&mut self, rate: f32) -> Outcome<()> {
        Ok(self.0.set_false_rejection_rate(rate)?)
    }

    /// Inverse L2 regularization, scikit-learn's `C`.
    #[wasm_bindgen(getter, js_name = inverseL2)]
    pub fn inverse_l2(&self) -> f32 {
        self.0.inverse_l2()
    }

    /// Sets the inverse L2 regularization; `auto`, class means and k-NN do not use it.
    ///
    /// # Errors
    /// A value out of range; nothing is changed.
    #[wasm_bindgen(js_name = setInverseL2)]
    pub fn set_inverse_l2(&mut self, inverse_l2: f32) -> Outcome<()> {
        Ok(self.0.set_inverse_l2(inverse_l2)?)
    }

    /// Transform of embeddings before they are learned: `raw`, `half`, `unit` or `quarter`.
    #[wasm_bindgen(getter)]
    pub fn transform(&self) -> String {
        name_of(&TRANSFORMS, &self.0.recipe().transform).to_string()
    }

    /// Sets the transform; `auto` chooses its own.
    ///
    /// # Errors
    /// An unknown name.
    #[wasm_bindgen(js_name = setTransform)]
    pub fn set_transform(&mut self, transform: &str) -> Outcome<()> {
        self.0.set_transform(named(&TRANSFORMS, transform, "transform")?);
        Ok(())
    }

    /// Eviction policy of a full buffer: `refuse`, `reservoir` or `herding`.
    #[wasm_bindgen(getter, js_name = whenFull)]
    pub fn when_full(&self) -> String {
        name_of(&POLICIES, &self.0.when_full()).to_string()
    }

    /// Sets the eviction policy of a full buffer.
    ///
    /// # Errors
    /// An unknown name.
    #[wasm_bindgen(js_name = setWhenFull)]
    pub fn set_when_full(&mut self, when_full: &str) -> Outcome<()> {
        self.0.set_when_full(named(&POLICIES, when_full, "policy")?);
        Ok(())
    }
}
