//! Class activation maps, of an extractor and a head.

use js_sys::Float32Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::Outcome;
use crate::extractor::Extractor;
use crate::head::Head;
use crate::object::Fields;

#[wasm_bindgen]
impl Extractor {
    /// Returns the class activation map of the last frame: the parts of it that the decision for a
    /// class comes from; undefined where the network has none.
    ///
    /// # Errors
    /// A head that is not fitted, is k-NN or of another package; a class without samples.
    #[wasm_bindgen(unchecked_return_type = "Activations | undefined")]
    pub fn activations(&self, head: &Head, class: f64) -> Outcome<JsValue> {
        let class = head.class(class)?;
        let Some(map) = self.inner().activations(head.inner(), class)? else {
            return Ok(JsValue::UNDEFINED);
        };
        Ok(Fields::new()
            .with("width", map.width)
            .with("height", map.height)
            .with("values", Float32Array::from(&map.values[..]))
            .done())
    }
}
