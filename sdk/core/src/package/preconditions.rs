//! Preconditions of running a package: its sections fit each other.

use super::golden::Kind;
use super::{
    Extras, Golden, GoldenInput, Manifest, Package, PackageError, Precision, Section, Text,
};
use crate::graph::{Graph, TensorId};
use crate::preprocess::signal::Sensor;
use crate::preprocess::{Channels, Preprocess, Resize};
use crate::spatial::cells::CellsLayout;
use crate::tokens::Tokens;

impl Package<'_> {
    pub(super) fn check_input(&self) -> Result<(), PackageError> {
        let input = self.graph.tensor(Graph::INPUT);
        let table = self.input_table().len();
        let table_need = if input.element.quant().is_some() { 256 * input.shape.c() } else { 0 };
        let blob_len = self.manifest.input_table.len as usize;
        if self.manifest.preprocess.shape() == Some(input.shape)
            && table == table_need
            && blob_len == table_need
        {
            Ok(())
        } else {
            Err(PackageError::Input)
        }
    }

    /// Checks the rows for the whole vocabulary, and an input of floats in a row that fits them.
    pub(super) fn check_text(&self, text: &Text<'_>) -> Result<(), PackageError> {
        let input = self.graph.tensor(Graph::INPUT);
        let Tokens { vocabulary, pad, .. } = text.tokens;
        let len = self.token_table().len() as u64;
        let fits = Tokens::width(input.shape).is_some_and(|width| text.tokens.holds(len, width))
            && len == u64::from(self.manifest.input_table.len)
            && input.element.quant().is_none()
            && pad < vocabulary
            && vocabulary <= Tokens::VOCABULARY
            && self.manifest.preprocess == Preprocess::NONE;
        if fits { Ok(()) } else { Err(PackageError::Text) }
    }

    /// Checks the normalization of signals against the network's input.
    pub(super) fn check_sensor(&self, sensor: &Sensor<'_>) -> Result<(), PackageError> {
        let Manifest { preprocess, input_table, .. } = &self.manifest;
        if *preprocess != Preprocess::NONE || input_table.len != 0 {
            return Err(PackageError::SensorSection);
        }
        Ok(sensor.check(self.graph.tensor(Graph::INPUT).shape)?)
    }

    /// Checks the front end for sound against the picture behind it.
    pub(super) fn check_sound(&self) -> Result<(), PackageError> {
        let Some(sound) = &self.sound else { return Ok(()) };
        let picture = &self.manifest.preprocess;
        if picture.channels != Channels::Gray || picture.resize != Resize::Squash {
            return Err(PackageError::SoundSection);
        }
        Ok(sound.check(picture.height.into(), picture.width.into())?)
    }

    /// Reads the layout of the cells, which takes whole frames and fills the network's output.
    pub(super) fn read_cells(&mut self) -> Result<(), PackageError> {
        let section = self.sections.get(Section::Cells);
        if section.is_empty() {
            return Ok(());
        }
        let output = self.graph.tensor(self.graph.output());
        let Manifest { preprocess, extras, .. } = &self.manifest;
        let zero = output.element.quant().map_or(0, |quant| quant.zero_point);
        let layout = CellsLayout::from_bytes(section, [preprocess.height, preprocess.width], zero);
        let fits = |layout: &CellsLayout| {
            layout.elements() == output.shape.elements()
                && preprocess.resize == Resize::Squash
                && *extras == Extras::default()
        };
        self.cells = Some(layout.filter(fits).ok_or(PackageError::Cells)?);
        Ok(())
    }

    pub(super) fn golden_kind(&self) -> Kind {
        match (&self.text, &self.sound, &self.sensor) {
            (Some(_), ..) => Kind::Tokens,
            (None, Some(_), _) => Kind::Samples,
            (None, None, Some(_)) => Kind::Signal,
            (None, None, None) => Kind::Frame,
        }
    }

    pub(super) fn check_precision(&self) -> Result<(), PackageError> {
        let stated = self.manifest.precision;
        let codes = (0..self.graph.tensor_count())
            .filter(|&i| self.graph.tensor(i as TensorId).element.quant().is_some())
            .count();
        let fits = match stated {
            Precision::Int8 => self.graph.is_int8(),
            Precision::Float => codes == 0 && !self.graph.is_ordered(),
            Precision::Mixed => codes > 0 && !self.graph.is_int8() && !self.graph.is_ordered(),
            Precision::Dynamic => self.graph.is_ordered(),
        };
        if fits { Ok(()) } else { Err(PackageError::Precision(stated)) }
    }

    /// Checks that only texts that the engine runs alone are computed at their own length.
    pub(super) fn check_length(&self) -> Result<(), PackageError> {
        let is_text = self.text.is_some() && self.manifest.precision == Precision::Dynamic;
        if is_text || !self.manifest.extras.own_length {
            Ok(())
        } else {
            Err(PackageError::OwnLength)
        }
    }

    pub(super) fn check_goldens(&self) -> Result<(), PackageError> {
        let output = self.graph.tensor(self.graph.output());
        let value = if output.element.quant().is_some() { 1 } else { 4 };
        let need = output.shape.elements() * value;
        let mut rest = self.goldens;
        for _ in 0..self.manifest.goldens {
            let (golden, tail) =
                Golden::decode(rest, self.golden_kind()).ok_or(PackageError::Golden)?;
            if golden.output.len() != need || !self.takes(&golden.input) {
                return Err(PackageError::Golden);
            }
            rest = tail;
        }
        if rest.is_empty() { Ok(()) } else { Err(PackageError::Golden) }
    }

    /// Returns true if the network takes the input.
    fn takes(&self, input: &GoldenInput<'_>) -> bool {
        match (input, &self.text) {
            (GoldenInput::Frame { .. }, None) => true,
            (GoldenInput::Samples(samples), None) => {
                let frames = self.manifest.preprocess.height.into();
                self.sound.is_some_and(|sound| sound.window(frames) == samples.iter().len())
            }
            (GoldenInput::Signal(samples), None) => {
                samples.iter().len() == self.graph.tensor(Graph::INPUT).shape.elements()
                    && samples.iter().all(f32::is_finite)
            }
            (GoldenInput::Tokens(ids), Some(text)) => {
                let places = self.graph.tensor(Graph::INPUT).shape.w();
                (1..=places).contains(&ids.iter().len())
                    && ids.iter().all(|id| id < text.tokens.vocabulary)
            }
            _ => false,
        }
    }
}
