//! Cells of a frame: feature maps instead of an embedding.

use offshoot_core::Embedding;
use offshoot_core::spatial::{Cells, CellsLayout};

use super::Extractor;
use crate::{Error, ErrorKind, Frame};

impl Extractor {
    /// Computes the cells of a frame, for a [`SpatialHead`](crate::SpatialHead). They are valid until
    /// the next call.
    ///
    /// ```no_run
    /// use offshoot::{Extractor, Image};
    ///
    /// let mut extractor = Extractor::open("cells.offshoot")?;
    /// let image = Image::open("street.jpg")?;
    /// let cells = extractor.cells(&image.frame())?;
    /// let [rows, columns] = cells.layout().grid();
    /// println!("{rows} x {columns} cells of {} values", cells.layout().values());
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoCells`] of a package that was not converted with `--cells`, or is in float; and
    /// those of [`Extractor::embed`].
    pub fn cells(&mut self, frame: &Frame<'_>) -> Result<Cells<'_>, Error> {
        let none = |gives| Error::from(ErrorKind::NoCells { gives });
        let layout = *self.cells_layout().ok_or(none("an embedding, not cells"))?;
        match self.embed(frame)? {
            Embedding::Int8 { codes, .. } => {
                Cells::new(layout, codes).ok_or(none("cells of another layout"))
            }
            Embedding::Float(_) => Err(none("cells in float, heads read int8")),
        }
    }

    /// Returns the layout of the cells; [`None`] if the package gives an embedding.
    #[must_use]
    pub fn cells_layout(&self) -> Option<&CellsLayout> {
        self.cells.as_deref()
    }
}
