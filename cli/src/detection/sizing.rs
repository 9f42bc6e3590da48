//! Input size for objects: a linear head of cells finds what is three to eight cells large.

use std::path::Path;

use offshoot_dataset::{Scene, Scenes, Selection};

use crate::error::CommandError;

/// Sides of objects, in cells, between which heads work.
const CELLS: [f64; 2] = [3.0, 8.0];
/// Stride of the finest map.
const STRIDE: f64 = 8.0;
/// Sides of an input: multiples of the coarsest stride and its neighbour, and their limits.
const STEP: f64 = 32.0;
const LIMITS: [f64; 2] = [96.0, 640.0];

/// Proposal of an input size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Sides of the objects of the class with the smallest and of that with the largest ones, in
    /// cells.
    pub cells: [f64; 2],
}

/// Proposes the input size under which the sides of objects, by the medians of classes, lie around the
/// middle between three and eight cells.
///
/// # Errors
/// Fails if the data set has no boxes or none of its images can be read.
pub fn propose(data: &Path, selection: &Selection) -> Result<Proposal, CommandError> {
    let scenes = Scenes::open(data, selection)?;
    let sides: Vec<[f64; 2]> = scenes.train.iter().filter_map(sides).collect();
    let medians = medians(&scenes);
    let none = || {
        let what = "none of its pictures with boxes can be read".to_string();
        CommandError::TooFew { path: data.to_path_buf(), what }
    };
    let least = medians.iter().copied().reduce(f64::min).ok_or_else(none)?;
    let most = medians.iter().copied().reduce(f64::max).ok_or_else(none)?;
    let middle = |axis: usize| median(sides.iter().map(|own| own[axis]).collect()).ok_or_else(none);
    let width = middle(0)?;
    let height = middle(1)?;
    Ok(proposal([width, height], [least, most]))
}

/// Returns the proposal for images and objects of these sides in pixels.
fn proposal([width, height]: [f64; 2], [least, most]: [f64; 2]) -> Proposal {
    let scale = (CELLS[0] * STRIDE / least * CELLS[1] * STRIDE / most).sqrt();
    let side = |side: f64| ((side * scale / STEP).round() * STEP).clamp(LIMITS[0], LIMITS[1]);
    let size = [side(width), side(height)];
    // After rounding.
    let scale = (size[0] / width * size[1] / height).sqrt();
    Proposal {
        size: (size[0] as u32, size[1] as u32),
        cells: [least, most].map(|side| side * scale / STRIDE),
    }
}

fn sides(scene: &Scene) -> Option<[f64; 2]> {
    let sides = image::image_dimensions(&scene.path).ok()?;
    Some([sides.0, sides.1].map(f64::from))
}

/// Returns the median side of the objects of each class that has any, in pixels.
fn medians(scenes: &Scenes) -> Vec<f64> {
    let of_class = |class: usize| {
        let boxes = scenes.train.iter().flat_map(|scene| &scene.boxes);
        let own = boxes.filter(|(of, _)| *of == class);
        median(
            own.map(|(_, area)| (f64::from(area.width) * f64::from(area.height)).sqrt()).collect(),
        )
    };
    (0..scenes.classes.len()).filter_map(of_class).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_to_lie_between_three_and_eight_cells() {
        let one = proposal([640.0, 480.0], [100.0, 100.0]);
        assert_eq!(one.size, (256, 192));
        assert!((one.cells[0] - 5.0).abs() < 1e-9, "{one:?}");
        // Small and large ones: as many steps from either limit.
        let both = proposal([640.0, 480.0], [40.0, 200.0]);
        assert_eq!(both.size, (288, 224));
        let tiny = proposal([4000.0, 3000.0], [10.0, 10.0]);
        assert_eq!(tiny.size, (640, 640));
    }
}
