//! TypeScript of the plain objects.

use wasm_bindgen::prelude::wasm_bindgen;

/// Declarations that are copied to the package's types.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.ts");
