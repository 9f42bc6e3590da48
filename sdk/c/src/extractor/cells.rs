//! Cells of a frame: the embedding of a package that was converted with `--cells`.

use offshoot::{Cells, CellsLayout, SpatialError};

use super::{EXTRACTORS, ExtractorHandle};
use crate::embedding::Embedding;
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{In, Out, Versioned};

/// Layout of the cells that a package gives.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CellsInfo {
    /// sizeof(offshoot_cells_info).
    pub size: u32,
    /// Number of rows of the finest grid; 0 if the package gives embeddings.
    pub rows: u32,
    /// Number of its columns.
    pub columns: u32,
    /// Number of values of a cell, with the means of its neighbourhoods.
    pub values: u32,
    /// Distance between neighbouring cells across, as a share of the frame's width.
    pub step_x: f32,
    /// Distance between neighbouring cells down, as a share of the frame's height.
    pub step_y: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for CellsInfo {}

/// Tells the layout of a package's cells; `rows` is 0 if it gives embeddings.
///
/// The cells of a frame are what offshoot_extractor_embed gives; heads of cells take them from
/// there.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_get_cells(
    extractor: ExtractorHandle,
    info: Out<CellsInfo>,
) -> Status {
    guard(|| {
        let record = info.record("info")?;
        EXTRACTORS.read(extractor.id, |opened| {
            let mut found =
                CellsInfo { size: 0, rows: 0, columns: 0, values: 0, step_x: 0.0, step_y: 0.0 };
            if let Some(layout) = opened.lock().cells_layout() {
                [found.rows, found.columns] = layout.grid().map(|side| side as u32);
                found.values = layout.values() as u32;
                [found.step_y, found.step_x] = layout.step();
            }
            record.put(&found);
            Ok(())
        })
    })
}

/// Calls `work` with cells in the caller's memory.
pub(crate) fn with<R>(
    layout: CellsLayout,
    given: In<Embedding>,
    work: impl FnOnce(&Cells<'_>) -> Result<R, Fault>,
) -> Result<R, Fault> {
    Embedding::with(given, |embedding| {
        let offshoot::Embedding::Int8 { codes, .. } = embedding else {
            return Err(Fault::FloatCells);
        };
        work(&Cells::new(layout, codes).ok_or(SpatialError::OtherCells)?)
    })
}
