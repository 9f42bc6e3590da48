//! Animated PNG of 256 colours.

use std::collections::BTreeMap;

use image::RgbImage;

/// Image of an animation, and the time for which it is shown.
pub struct Frame {
    pub image: RgbImage,
    pub milliseconds: u16,
}

/// Colours of a palette.
const COLOURS: usize = 256;

/// Part of the colours, with the number of pixels of each.
struct Part(Vec<([u8; 3], u64)>);

impl Part {
    /// Channel in which the colours differ most, and by how much.
    fn widest(&self) -> (usize, u8) {
        let range = |channel: usize| {
            let values = self.0.iter().map(|(colour, _)| colour[channel]);
            let low = values.clone().min().unwrap_or_default();
            values.max().unwrap_or_default() - low
        };
        (0..3).map(|channel| (channel, range(channel))).max_by_key(|(_, range)| *range).unwrap()
    }

    /// Number of pixels, weighted by how different they are.
    fn weight(&self) -> u64 {
        let pixels: u64 = self.0.iter().map(|(_, count)| count).sum();
        u64::from(self.widest().1).pow(2) * pixels.isqrt()
    }

    fn mean(&self) -> [u8; 3] {
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        let sum = |channel: usize| {
            self.0.iter().map(|(colour, count)| u64::from(colour[channel]) * count).sum::<u64>()
        };
        [0, 1, 2].map(|channel| ((sum(channel) + all / 2) / all.max(1)) as u8)
    }

    /// Halves the pixels at the median of the widest channel.
    fn split(mut self) -> [Self; 2] {
        let (channel, _) = self.widest();
        self.0.sort_by_key(|(colour, _)| (colour[channel], *colour));
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        let mut before = 0;
        let middle = self.0.iter().position(|(_, count)| {
            before += count;
            2 * before >= all
        });
        let at = (middle.unwrap_or_default() + 1).min(self.0.len() - 1).max(1);
        let rest = self.0.split_off(at);
        [self, Self(rest)]
    }
}

/// Palette by median cut (Heckbert 1982), in integers, so that every machine has the same.
fn palette(frames: &[Frame]) -> Vec<[u8; 3]> {
    let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
    for pixel in frames.iter().flat_map(|frame| frame.image.pixels()) {
        *counts.entry(pixel.0).or_default() += 1;
    }
    let mut parts = vec![Part(counts.into_iter().collect())];
    while parts.len() < COLOURS {
        let splittable = parts.iter().enumerate().filter(|(_, part)| part.0.len() > 1);
        let Some((at, _)) = splittable.max_by_key(|(_, part)| part.weight()) else { break };
        let halves = parts.swap_remove(at).split();
        parts.extend(halves);
    }
    parts.iter().map(Part::mean).collect()
}

fn nearest(palette: &[[u8; 3]], colour: [u8; 3]) -> u8 {
    let distance = |other: &[u8; 3]| -> u32 {
        colour.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
    };
    let at = palette.iter().enumerate().min_by_key(|(_, other)| distance(other));
    at.map_or(0, |(at, _)| at as u8)
}

/// Encodes frames of one size; the animation begins again after the last.
pub fn encode(frames: &[Frame]) -> Vec<u8> {
    let (width, height) = frames[0].image.dimensions();
    let palette = palette(frames);
    let mut known: BTreeMap<[u8; 3], u8> = BTreeMap::new();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_animated(frames.len() as u32, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    let mut before: Option<Vec<u8>> = None;
    for Frame { image, milliseconds } in frames {
        assert_eq!(image.dimensions(), (width, height));
        let indices: Vec<u8> = image
            .pixels()
            .map(|pixel| *known.entry(pixel.0).or_insert_with(|| nearest(&palette, pixel.0)))
            .collect();
        let area = before
            .as_ref()
            .map_or([0, 0, width, height], |before| changed(before, &indices, width));
        let [x, y, right, below] = area;
        writer.set_frame_delay(*milliseconds, 1000).unwrap();
        writer.set_frame_dimension(right - x, below - y).unwrap();
        writer.set_frame_position(x, y).unwrap();
        let rows = indices.chunks_exact(width as usize).skip(y as usize).take((below - y) as usize);
        let part: Vec<u8> =
            rows.flat_map(|row| &row[x as usize..right as usize]).copied().collect();
        writer.write_image_data(&part).unwrap();
        before = Some(indices);
    }
    writer.finish().unwrap();
    bytes
}

/// Left, upper, right and lower edge of what differs; at least a pixel.
fn changed(before: &[u8], now: &[u8], width: u32) -> [u32; 4] {
    let places = (0u32..).zip(before.iter().zip(now)).filter(|(_, (before, now))| before != now);
    let mut area = [u32::MAX, u32::MAX, 0, 0];
    for (at, _) in places {
        let (x, y) = (at % width, at / width);
        area = [area[0].min(x), area[1].min(y), area[2].max(x + 1), area[3].max(y + 1)];
    }
    if area[2] == 0 { [0, 0, 1, 1] } else { area }
}
