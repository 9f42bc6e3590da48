//! Plain objects for JavaScript; `types.rs` has their TypeScript.

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// Object under construction.
pub struct Fields(Object);

impl Fields {
    pub fn new() -> Self {
        Self(Object::new())
    }

    /// Adds a field.
    pub fn with(self, name: &str, value: impl Into<JsValue>) -> Self {
        let set = Reflect::set(&self.0, &name.into(), &value.into());
        debug_assert!(set.is_ok(), "a fresh object takes every field");
        self
    }

    /// Returns the object.
    pub fn done(self) -> JsValue {
        self.0.into()
    }
}
