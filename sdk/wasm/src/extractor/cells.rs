//! Cells of a frame, apart from their extractor.

use offshoot::{CellsLayout, SpatialError};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::Extractor;
use crate::argument::Outcome;

/// Cells of a frame, for heads that find objects and unusual places.
#[wasm_bindgen]
#[derive(Debug, Clone)]
pub struct Cells {
    layout: CellsLayout,
    codes: Box<[i8]>,
}

impl Cells {
    pub(crate) fn borrowed(&self) -> Result<offshoot::Cells<'_>, SpatialError> {
        offshoot::Cells::new(self.layout, &self.codes).ok_or(SpatialError::OtherCells)
    }
}

#[wasm_bindgen]
impl Cells {
    /// Number of rows of the finest grid.
    #[wasm_bindgen(getter)]
    pub fn rows(&self) -> usize {
        self.layout.grid()[0]
    }

    /// Number of columns of the finest grid.
    #[wasm_bindgen(getter)]
    pub fn columns(&self) -> usize {
        self.layout.grid()[1]
    }

    /// Returns the int8 codes of all maps.
    pub fn codes(&self) -> Vec<i8> {
        self.codes.to_vec()
    }
}

#[wasm_bindgen]
impl Extractor {
    /// Computes the cells of a frame of any size.
    ///
    /// # Errors
    /// Those of [`Extractor::embed`]; a package that was converted without `--cells`.
    pub fn cells(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "Pixels")] image: &JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "PixelFormat")] format: Option<String>,
    ) -> Outcome<Cells> {
        let frame = self.room.frame(image, format.as_deref())?;
        let cells = self.inner.cells(&frame)?;
        Ok(Cells { layout: *cells.layout(), codes: cells.codes().into() })
    }
}
