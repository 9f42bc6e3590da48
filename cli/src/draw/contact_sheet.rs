//! Contact sheet: a label and a row of images per group.

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};

use super::canvas::{Anchor, Canvas, PALE, SHARP, Style};

/// Side of an image and the gap between two, in points.
const SIDE: f32 = 104.0;
const GAP: f32 = 6.0;

/// Margin around the sheet, and above each group, in points.
const MARGIN: f32 = 24.0;
const ABOVE: f32 = 22.0;

/// Most images of a row.
pub const SHOWN: usize = 8;

const TITLE: Style = Style::new(16.0).bold();
const LABEL: Style = Style::new(12.0).bold();
const COUNT: Style = Style::new(12.0).coloured(PALE);

/// Group of images.
#[derive(Debug, Clone)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number of images, those that are not shown included.
    pub count: usize,
    /// Images shown, from left to right, at most [`SHOWN`].
    pub images: Vec<RgbImage>,
}

/// Returns the middle of an image as a square of the size of the sheet's.
pub fn thumbnail(image: &RgbImage) -> RgbImage {
    let [width, height] = [image.width(), image.height()];
    let side = width.min(height);
    let middle = crop_imm(image, (width - side) / 2, (height - side) / 2, side, side);
    let sharp = SIDE as u32 * SHARP;
    resize(&middle.to_image(), sharp, sharp, FilterType::Triangle)
}

/// Draws the groups below each other; `below` says what their order is.
pub fn draw(title: &str, below: &str, groups: &[Group]) -> RgbImage {
    let columns = groups.iter().map(|group| group.images.len()).max().unwrap_or(0) as f32;
    let row = ABOVE + LABEL.size + GAP + SIDE;
    let head = TITLE.size + GAP + COUNT.size;
    let texts = groups.iter().map(group_width);
    let widest = texts.fold(TITLE.width(title).max(COUNT.width(below)), f32::max);
    let width = (columns * (SIDE + GAP) - GAP).max(widest) + 2.0 * MARGIN;
    let mut canvas = Canvas::white(width, head + groups.len() as f32 * row + 2.0 * MARGIN);
    canvas.write(MARGIN, MARGIN + 0.5 * TITLE.size, Anchor::Start, title, TITLE);
    canvas.write(MARGIN, MARGIN + head - 0.5 * COUNT.size, Anchor::Start, below, COUNT);
    for (i, group) in groups.iter().enumerate() {
        let top = MARGIN + head + i as f32 * row + ABOVE;
        let middle = top + 0.5 * LABEL.size;
        canvas.write(MARGIN, middle, Anchor::Start, &group.name, LABEL);
        let beside = MARGIN + LABEL.width(&group.name) + GAP;
        canvas.write(beside, middle, Anchor::Start, &said(group), COUNT);
        for (column, image) in group.images.iter().enumerate() {
            let left = MARGIN + column as f32 * (SIDE + GAP);
            canvas.put(left, top + LABEL.size + GAP, image);
        }
    }
    canvas.into_image()
}

fn group_width(group: &Group) -> f32 {
    LABEL.width(&group.name) + GAP + COUNT.width(&said(group))
}

/// Returns how many images a group has, and how many of them are not shown.
fn said(group: &Group) -> String {
    let images = if group.count == 1 { "image" } else { "images" };
    match group.count.saturating_sub(group.images.len()) {
        0 => format!("{} {images}", group.count),
        _ => format!("{} {images}, {} shown", group.count, group.images.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_on_the_sheet_once() {
        let grey = |shade| RgbImage::from_pixel(30, 20, image::Rgb([shade; 3]));
        let images = |shades: &[u8]| shades.iter().map(|&s| thumbnail(&grey(s))).collect();
        let groups = [
            Group { name: "group 1".to_string(), count: 2, images: images(&[7, 8]) },
            Group { name: "group 2".to_string(), count: 9, images: images(&[9]) },
        ];
        let sheet = draw("2 groups", "nearest first", &groups);
        for shade in 7..=9 {
            let found = sheet.pixels().filter(|p| p.0 == [shade; 3]).count();
            assert_eq!(found, (SIDE * SIDE) as usize * 4, "{shade}");
        }
        assert_eq!(said(&groups[0]), "2 images");
        assert_eq!(said(&groups[1]), "9 images, 1 shown");
    }
}
