//! Conversion of an image backbone.

use offshoot::{Extractor, Image};
use offshoot_core::Frame;
use offshoot_core::graph::{Blob, Element, TensorId};
use offshoot_core::package::{
    Extras, Golden, GraphWriter, Manifest, PackageId, Precision, SampleBytes, WriteError,
    write_cells_package, write_package, write_sound_package,
};
use offshoot_core::preprocess::{Channels, Preprocess, Resize};
use offshoot_core::spatial::CellsLayout;

use super::agreement::{IMPORT_TOLERANCE, relative_error};
use super::backbone::{Backbone, GOLDENS, GoldenSample, GoldenVector};
use super::cells;
use super::parts::{self, Joined};
use super::sound::Front;
use super::{CellsOption, ConvertError, Options, PartsOption};
use crate::calibrate::input::Input;
use crate::calibrate::reference::{Prepared, Reference};
use crate::calibrate::{CalibrateError, ObservedNetwork};
use crate::import::{Cut, Imported, Source};
use crate::ir::pooling::Pool;
use crate::ir::{Model, pooling};
use crate::preprocess::catalog::Catalog;
use crate::preprocess::choose;
use crate::preprocess::choose::Chosen;
use crate::preprocess::preset::PreprocessOverrides;
use crate::progress::{Observer, Stage};
use crate::quantize::{StepReport, scheme};
use crate::report::Report;

/// Number of images that are checked for being almost one colour, and least standard deviation of
/// their values (0 to 255); most photographs have 50 to 80.
const LOOKED_AT: usize = 8;
const FLAT: f64 = 10.0;
/// Longest side of a golden image in pixels.
const GOLDEN_SIDE: u32 = 64;

/// Imported image model with its calibration set.
pub(super) struct ImageBackbone<'a> {
    source: &'a Source,
    imported: Imported,
    frames: Vec<Frame<'a>>,
    /// Preprocessing of the network, which the package has.
    chosen: Chosen,
    /// Preprocessing of the input of the model file; without the normalization in the model's own
    /// first layers.
    outer: Preprocess,
    unit_length: bool,
    /// Parts of the embedding.
    joined: Joined,
    /// Layout of the cells; their zero point is that of the graph's output.
    cells: Option<CellsLayout>,
    /// Front end of a network for sound.
    front: Option<&'a Front>,
}

impl<'a> ImageBackbone<'a> {
    /// Imports a model and chooses its preprocessing.
    pub(super) fn import(
        source: &'a Source,
        images: &'a [Image],
        options: &Options,
        observer: &mut dyn Observer,
    ) -> Result<Self, ConvertError> {
        let mut imported = import(source, options)?;
        let frames: Vec<Frame<'_>> = images.iter().map(Image::frame).collect();
        observer.progress(Stage::Preprocessing, 0.0);
        let squash = options.overrides.squash || options.cells != CellsOption::None;
        let overrides = PreprocessOverrides { squash, ..options.overrides.clone() };
        let mut chosen = choose::choose(&overrides, source, &imported, &frames)?;
        let outer = chosen.preprocess;
        outer.check()?;
        chosen.preprocess = imported.front.inner(&outer);
        chosen.preprocess.check()?;
        chosen.warning = flat(&outer, &frames).or(chosen.warning);
        chosen.why.extend(imported.taken_in().map(|what| format!("; {what}")));
        let cells = cells::layout(source, &imported.model, options.cells)?;
        let unit_length = (options.unit_length || imported.unit_length) && cells.is_none();
        let joined = match imported.outputs.len() {
            2.. if options.parts != PartsOption::None => {
                let lengths: Vec<usize> =
                    imported.outputs.iter().map(|o| o.values(imported.pool)).collect();
                let inputs: Vec<Input<'_>> =
                    frames.iter().map(|f| Input::Image(*f, &chosen.preprocess)).collect();
                Joined::balance(&mut imported.model, &lengths, &inputs)?
            }
            _ => Joined::default(),
        };
        let front = None;
        Ok(Self { source, imported, frames, chosen, outer, unit_length, joined, cells, front })
    }

    /// Takes an imported model for sound.
    pub(super) fn of_sound(
        source: &'a Source,
        imported: Imported,
        front: &'a Front,
        options: &Options,
    ) -> Self {
        let mut chosen = front.chosen();
        let outer = chosen.preprocess;
        chosen.preprocess = imported.front.inner(&outer);
        chosen.why.extend(imported.taken_in().map(|what| format!("; {what}")));
        let unit_length = options.unit_length || imported.unit_length;
        let frames = front.pictures.iter().map(Image::frame).collect();
        let joined = Joined::default();
        let front = Some(front);
        let cells = None;
        Self { source, imported, frames, chosen, outer, unit_length, joined, cells, front }
    }

    /// Returns the embedding of an image by the network in the model file.
    fn by_source(
        &self,
        reference: &mut Reference,
        frame: &Frame<'_>,
        preprocess: &Preprocess,
    ) -> Result<Vec<f32>, CalibrateError> {
        let outputs = reference.run(&Prepared::image(frame, preprocess, self.imported.input)?)?;
        let mut embedding =
            pooling::of_source(&outputs, &self.imported.outputs, self.imported.pool);
        self.joined.scale(&mut embedding);
        Ok(embedding)
    }
}

/// Imports a model, cut where the options, the catalogue or the model itself state.
pub(super) fn import(source: &Source, options: &Options) -> Result<Imported, ConvertError> {
    let catalog = Catalog::built_in();
    let recipe = catalog.by_digest(&source.sha256);
    let known = recipe.and_then(|r| r.cut.as_deref());
    let stated =
        known.or_else(|| source.metadata("offshoot.cut")).filter(|_| options.cuts.is_empty());
    let cuts: Vec<&str> = options.cuts.iter().map(String::as_str).chain(stated).collect();
    let size = options.size.or(recipe.map(|r| r.input));
    if options.cells != CellsOption::None {
        let cuts: Vec<&str> = options.cuts.iter().map(String::as_str).collect();
        let mut imported = match cuts[..] {
            [] => cells::found(source, size, options.cells)?,
            _ => source.import(&cuts, size, Pool::Cells)?,
        };
        imported.fold(options.anew());
        return Ok(imported);
    }
    let mut imported = source.import(&cuts, size, options.pool)?;
    if stated.is_some() {
        let by = if known.is_some() { "as the catalogue has it" } else { "as the model states" };
        imported.cut.why = by.to_string();
    }
    let names = parts::names(source, &imported.model, options);
    if !names.is_empty() {
        let alone = imported.cut;
        imported = source.import(&parts::cuts(&names, &alone), size, options.pool)?;
        imported.cut.with_parts(alone, names.len());
    }
    imported.fold(options.anew());
    Ok(imported)
}

impl Backbone for ImageBackbone<'_> {
    fn model(&self) -> &Model {
        &self.imported.model
    }

    fn cut(&self) -> &Cut {
        &self.imported.cut
    }

    fn extras(&self) -> Extras<'_> {
        Extras { unit_length: self.unit_length, parts: self.joined.starts(), own_length: false }
    }

    fn inputs(&self) -> Vec<Input<'_>> {
        self.frames.iter().map(|frame| Input::Image(*frame, &self.chosen.preprocess)).collect()
    }

    fn reference(&self) -> Result<Reference, CalibrateError> {
        Reference::new(self.imported.reference.clone())
    }

    fn embedding(&self, by: &mut Reference, sample: usize) -> Result<Vec<f32>, CalibrateError> {
        self.by_source(by, &self.frames[sample], &self.outer)
    }

    /// Returns a warning if the networks disagree under this preprocessing but agree for small
    /// values: tract approximates functions, for the values that networks usually have. Returns an
    /// error if they disagree for small values, too.
    fn doubt(&self, sample: usize, error: f64) -> Result<String, ConvertError> {
        let frame = &self.frames[sample];
        let small = Preprocess { mean: [127.5; 3], std: [127.5; 3], ..self.outer };
        let mut ours = ObservedNetwork::new(&self.imported.model)?;
        ours.run(&Input::Image(*frame, &self.imported.front.inner(&small)), &mut |_, _| ())?;
        let theirs = self.by_source(&mut self.reference()?, frame, &small)?;
        if relative_error(ours.embedding(), &theirs) > IMPORT_TOLERANCE {
            return Err(ConvertError::Disagrees { path: self.source.path.clone(), error });
        }
        Ok(format!(
            "the network's values grow so large under this preprocessing that tract's own run of it differs by \
             {error:.0e}, which it does not for inputs from -1 to 1: the model probably needs another (--preset)"
        ))
    }

    fn preprocess(&self) -> Preprocess {
        self.chosen.preprocess
    }

    fn input_table(
        &self,
        writer: &mut GraphWriter,
        _: Precision,
        input: Element,
    ) -> Result<Blob, WriteError> {
        match input {
            Element::Int8(_) => {
                let preprocess = Some(&self.chosen.preprocess);
                writer.codes(&scheme::input_table(&self.imported.model, preprocess))
            }
            Element::Float => Ok(Blob::default()),
        }
    }

    fn id(&self, writer: &GraphWriter, output: TensorId, extras: &Extras<'_>) -> PackageId {
        let preprocess = &self.chosen.preprocess;
        if let Some(cells) = &self.cells {
            return writer.cells_id(cells, preprocess, output);
        }
        match self.front {
            Some(front) => writer.sound_id(&front.designed.sound(), preprocess, output, extras),
            None => writer.id(preprocess, output, extras),
        }
    }

    fn goldens(&self, draft: &mut Extractor) -> Result<Vec<GoldenVector>, offshoot::Error> {
        let mut goldens = Vec::new();
        if let Some(front) = self.front {
            // A window of a second has 32 kB, so that one is enough.
            for window in front.windows.iter().take(1) {
                let output = draft.embed_window(window)?.bytes().collect();
                let sample = GoldenSample::Samples(SampleBytes::pack(window));
                goldens.push(GoldenVector { sample, output });
            }
            return Ok(goldens);
        }
        // The output of cells is fifty times as long as an embedding.
        let count = if self.cells.is_some() { 1 } else { GOLDENS };
        for frame in self.frames.iter().take(count) {
            let Some(image) = shrink(frame) else { continue };
            let output = draft.embed(&image.frame())?.bytes().collect();
            let sample = GoldenSample::Frame {
                width: image.width() as u16,
                height: image.height() as u16,
                rgb: image.rgb().to_vec(),
            };
            goldens.push(GoldenVector { sample, output });
        }
        Ok(goldens)
    }

    fn write(
        &self,
        manifest: &Manifest<'_>,
        writer: &GraphWriter,
        goldens: &[Golden<'_>],
    ) -> Result<Vec<u8>, WriteError> {
        if let Some(cells) = &self.cells {
            return write_cells_package(manifest, cells, writer, goldens);
        }
        match self.front {
            Some(front) => write_sound_package(manifest, &front.designed.sound(), writer, goldens),
            None => write_package(manifest, writer, goldens),
        }
    }

    fn describe(&self, report: &mut Report) {
        report.cells = self.cells;
        report.pool = self.imported.pooled.then_some(self.imported.pool);
        report.preprocess_why.clone_from(&self.chosen.why);
        report.preprocess_warning.clone_from(&self.chosen.warning);
        if self.imported.requantized {
            report.steps.insert(0, StepReport::Requantized);
        }
    }

    fn overrides(&self) -> PreprocessOverrides {
        PreprocessOverrides::of(&self.outer)
    }
}

/// Returns a warning if all images are almost one colour, such as those of a covered lens: they do
/// not show whether the preprocessing is right, and ranges found on them fit no other images.
fn flat(preprocess: &Preprocess, frames: &[Frame<'_>]) -> Option<String> {
    let channels = preprocess.channels.count();
    let mut pixels = vec![0; preprocess.shape().map_or(0, |s| s.elements())];
    let mut sums = [0.0; 3];
    let mut squares = [0.0; 3];
    let mut count = 0.0;
    for frame in frames.iter().step_by(frames.len().div_ceil(LOOKED_AT).max(1)) {
        // The length fits by construction.
        let _ = preprocess.pixels_into(frame, &mut pixels);
        for (i, &value) in pixels.iter().enumerate() {
            sums[i % channels] += f64::from(value);
            squares[i % channels] += f64::from(value) * f64::from(value);
        }
        count += (pixels.len() / channels) as f64;
    }
    let deviations = sums
        .iter()
        .zip(&squares)
        .map(|(sum, square)| (square / count - (sum / count).powi(2)).max(0.0).sqrt());
    let widest = deviations.fold(0.0, f64::max);
    (widest < FLAT).then(|| {
        format!(
            "the images are almost one colour (standard deviation {widest:.0} of 255): calibrate on images like \
             those that the device takes"
        )
    })
}

/// Scales an image down so that it fits in the package as a golden vector; verification then covers
/// the resampling too.
fn shrink(frame: &Frame<'_>) -> Option<Image> {
    let longest = frame.width().max(frame.height()).max(GOLDEN_SIDE);
    let width = (frame.width() * GOLDEN_SIDE / longest).max(1);
    let height = (frame.height() * GOLDEN_SIDE / longest).max(1);
    let resize = Preprocess {
        width: width as u16,
        height: height as u16,
        channels: Channels::Rgb,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let mut rgb = vec![0; 3 * (width * height) as usize];
    // The length fits by construction.
    let _ = resize.pixels_into(frame, &mut rgb);
    Image::from_rgb(width, height, rgb)
}
