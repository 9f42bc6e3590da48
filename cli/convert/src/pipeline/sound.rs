//! Sound as grey pictures, for the conversion of a network that reads log-mel spectrograms.

use offshoot::Image;
use offshoot_core::Sound;
use offshoot_core::sound::{Design, Designed, Room, Stream};

use super::ConvertError;
use crate::import::{Imported, Source};
use crate::preprocess::choose::Chosen;

/// Most windows of a clip, spread over it.
const OF_A_CLIP: usize = 4;
/// Silence before and behind a clip, as a share of a second: that of `Extractor::embed_samples`.
const RIM: u32 = 4;

/// Front end of a network, with windows of the calibration clips.
pub(super) struct Front {
    pub(super) designed: Designed,
    pub(super) windows: Vec<Vec<i16>>,
    /// Pictures of the windows.
    pub(super) pictures: Vec<Image>,
    name: &'static str,
    frames: u16,
}

impl Front {
    /// Builds the front end for an imported network and cuts windows from clips, samples at the
    /// design's rate.
    ///
    /// # Errors
    /// The network's input is no picture of one channel with a column per band, or no clip has a
    /// sample.
    pub(super) fn new(
        source: &Source,
        imported: &Imported,
        design: &Design,
        clips: &[Vec<i16>],
    ) -> Result<Self, ConvertError> {
        let shape = imported.model.layers[0].shape;
        let frames = u16::try_from(shape.h()).ok().filter(|_| shape.c() == 1);
        let frames = frames.filter(|_| shape.w() == usize::from(design.bands));
        let fits = frames.filter(|&frames| step_fits(design, frames));
        let Some(frames) = fits else {
            return Err(ConvertError::SoundInput {
                path: source.path.clone(),
                found: format!("{} x {} x {}", shape.h(), shape.w(), shape.c()),
                preset: design.name,
                bands: design.bands,
            });
        };
        let designed = design.build();
        let sound = designed.sound();
        let windows: Vec<Vec<i16>> =
            clips.iter().flat_map(|clip| windows(&sound, frames.into(), clip)).collect();
        if windows.is_empty() {
            return Err(ConvertError::NoSound { path: source.path.clone() });
        }
        let pictures =
            windows.iter().filter_map(|window| picture(&sound, design.bands, frames, window));
        let pictures = pictures.collect();
        Ok(Self { windows, pictures, name: design.name, frames, designed })
    }

    /// Returns the preprocessing of the pictures, with the reason.
    pub(super) fn chosen(&self) -> Chosen {
        Chosen {
            preprocess: self.designed.preprocess(self.frames),
            why: format!("{}, {} Hz", self.name, self.designed.sound().rate),
            warning: None,
        }
    }
}

fn step_fits(design: &Design, frames: u16) -> bool {
    (1..=frames).contains(&design.step)
}

/// Returns some windows of a clip with silence at its ends; none of a clip without samples.
fn windows(sound: &Sound<'_>, frames: usize, clip: &[i16]) -> Vec<Vec<i16>> {
    if clip.is_empty() {
        return Vec::new();
    }
    let length = sound.window(frames);
    let rim = (sound.rate / RIM) as usize;
    let missing = length.saturating_sub(clip.len() + 2 * rim);
    let before = vec![0; rim + missing / 2];
    let behind = vec![0; rim + missing - missing / 2];
    let padded = [&before[..], clip, &behind].concat();
    let advance = usize::from(sound.step) * usize::from(sound.hop);
    let count = (padded.len() - length) / advance + 1;
    let taken = count.min(OF_A_CLIP);
    // The middle of each part of the clip.
    let starts = (0..taken).map(|i| (2 * i + 1) * count / (2 * taken) * advance);
    starts.map(|start| padded[start..][..length].to_vec()).collect()
}

/// Returns the picture of one window.
fn picture(sound: &Sound<'_>, bands: u16, frames: u16, window: &[i16]) -> Option<Image> {
    let [width, height] = [bands, frames].map(usize::from);
    let mut samples = vec![0; sound.frame()];
    let mut words = vec![0; usize::from(sound.fft) + 2];
    let mut rows = vec![0; width * height];
    let mut room = Room { samples: &mut samples, words: &mut words, rows: &mut rows };
    let mut stream = Stream::new(height, width);
    let mut grey = vec![0; width * height];
    let is_complete = stream.push(sound, &mut room, &mut &*window).ok()?;
    stream.window(sound, &room, &mut grey).ok().filter(|()| is_complete)?;
    let rgb = grey.into_iter().flat_map(|byte| [byte; 3]).collect();
    Image::from_rgb(bands.into(), frames.into(), rgb)
}
