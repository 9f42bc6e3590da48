//! Heads that know good frames alone, and mark what is unusual.

use js_sys::Float32Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::argument::Outcome;
use crate::extractor::Extractor;
use crate::extractor::cells::Cells;
use crate::object::Fields;

/// Head that knows good parts and marks what is unusual, and where.
#[wasm_bindgen]
#[derive(Debug)]
pub struct GoodHead(offshoot::GoodHead);

#[wasm_bindgen]
impl GoodHead {
    /// Makes an empty head; `fixed` if parts always lie alike before the camera.
    ///
    /// # Errors
    /// A package that gives no cells, too little memory.
    #[wasm_bindgen(constructor)]
    pub fn new(extractor: &Extractor, fixed: Option<bool>) -> Outcome<Self> {
        Ok(Self(offshoot::GoodHead::new(extractor.inner(), fixed.unwrap_or(false))?))
    }

    /// Returns the bytes of the head: those of a head file, which devices load.
    #[must_use]
    pub fn encode(&mut self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Makes the head that [`GoodHead::encode`] wrote, fitted if it has learned enough.
    ///
    /// # Errors
    /// Bytes that are damaged or no head, a head of another package, too little memory.
    pub fn decode(bytes: &[u8], extractor: &Extractor) -> Outcome<Self> {
        Ok(Self(offshoot::GoodHead::from_bytes(bytes, extractor.inner())?))
    }

    /// Learns a good frame. If the head is fitted, the frame is first asked of it: the threshold
    /// comes from these tests.
    ///
    /// # Errors
    /// Cells of another package.
    pub fn teach(&mut self, cells: &Cells) -> Outcome<()> {
        Ok(self.0.teach(&cells.borrowed()?)?)
    }

    /// Asks the head about a good frame without learning it; the threshold counts it.
    ///
    /// # Errors
    /// A head that is not fitted, cells of another package.
    pub fn test(&mut self, cells: &Cells) -> Outcome<()> {
        Ok(self.0.test(&cells.borrowed()?)?)
    }

    /// Takes the last lesson back; false if there is none that can be.
    pub fn undo(&mut self) -> bool {
        self.0.undo()
    }

    /// Computes means and covariance from what was learned.
    ///
    /// # Errors
    /// Fewer than two lessons.
    pub fn fit(&mut self) -> Outcome<()> {
        Ok(self.0.fit()?)
    }

    /// Measures how unusual a frame is, and where.
    ///
    /// # Errors
    /// A head that is not fitted, cells of another package.
    #[wasm_bindgen(unchecked_return_type = "Unusual")]
    pub fn look(&mut self, cells: &Cells) -> Outcome<JsValue> {
        let layout = *self.0.layout();
        let [rows, columns] = layout.grid();
        let found = self.0.look(&cells.borrowed()?)?;
        let [y, x] = layout.centre(found.place / columns, found.place % columns);
        Ok(Fields::new()
            .with("unusual", found.is_unusual())
            .with("score", found.score)
            .with("threshold", found.threshold)
            .with("x", x)
            .with("y", y)
            .with("rows", rows)
            .with("columns", columns)
            .with("heat", Float32Array::from(found.heat))
            .done())
    }

    /// True if nothing was learned since the last fit.
    #[wasm_bindgen(getter, js_name = isFitted)]
    pub fn is_fitted(&self) -> bool {
        self.0.is_fitted()
    }

    /// Number of good frames that were learned.
    #[wasm_bindgen(getter)]
    pub fn lessons(&self) -> u32 {
        self.0.lessons()
    }

    /// Score from which a frame is unusual; undefined before three good frames were tested.
    #[wasm_bindgen(getter)]
    pub fn threshold(&self) -> Option<f32> {
        self.0.threshold()
    }
}
