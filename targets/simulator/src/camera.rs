//! The camera: turns a scene into bytes.

use crate::Object;
use crate::render::light::develop;
use crate::render::math::{Vec3, max, v};
use crate::render::noise::hash;
use crate::render::trace::{meets_object, trace};
use crate::scene::{Scene, View};
use crate::table::eccentricity;

/// Image in the format of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// Red, green and blue of every pixel, top row first.
    pub rgb: Vec<u8>,
}

/// Place of an object in an image, in pixels from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Left edge.
    pub left: f32,
    /// Top edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Bottom edge.
    pub bottom: f32,
}

impl Place {
    /// Middle: `x` and `y`.
    pub fn middle(&self) -> [f32; 2] {
        [0.5 * (self.left + self.right), 0.5 * (self.top + self.bottom)]
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Faults of light and lens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Share of the light that is left, 0 to 1.
    pub light: f32,
    /// Share of the image that something dark before the lens covers, 0 to 1.
    pub cover: f32,
}

impl Conditions {
    /// All the light, and a free lens.
    pub const GOOD: Self = Self { light: 1.0, cover: 0.0 };
}

/// Image of a finger before the lens.
const COVER: Vec3 = Vec3 { x: 0.10, y: 0.05, z: 0.04 };

/// A camera over a table that takes images of one size.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    width: u32,
    height: u32,
}

/// Difference of two neighbours above which a pixel is looked at more closely.
const EDGE: f32 = 0.09;

impl Camera {
    /// Longest side of an image in pixels.
    pub const LARGEST: u32 = 4096;

    /// Makes a camera; sides beyond [`Camera::LARGEST`] are shortened to it.
    pub const fn new(width: u32, height: u32) -> Self {
        let width = if width > Self::LARGEST { Self::LARGEST } else { width };
        let height = if height > Self::LARGEST { Self::LARGEST } else { height };
        Self { width, height }
    }

    /// Takes an image of an object on the table, or of the empty table.
    ///
    /// The seed fixes pose, colours, light, background and noise. Camera, light and table depend
    /// on the seed alone: with the same seed, different objects stand in the same place. Images
    /// for teaching should therefore all have different seeds.
    pub fn look(&self, object: Option<Object>, seed: u64) -> Image {
        self.look_in(object, seed, Conditions::GOOD)
    }

    /// Takes an image like [`Camera::look`] with less light, or with a lens that is covered from the
    /// left. With [`Conditions::GOOD`] it is the same image.
    pub fn look_in(&self, object: Option<Object>, seed: u64, conditions: Conditions) -> Image {
        let scene = Scene::new(object, seed);
        let light = conditions.light;
        let coarse =
            self.each_pixel(|x, y| self.sample(&scene, light, x as f32 + 0.5, y as f32 + 0.5));
        let edge = conditions.cover * self.width as f32;
        let fine = self.each_pixel(|x, y| {
            if (x as f32) < edge {
                COVER
            } else if self.is_edge(&coarse, x, y) {
                self.supersample(&scene, light, x as f32, y as f32)
            } else {
                coarse[(y * self.width + x) as usize]
            }
        });
        let mut rgb = Vec::with_capacity(fine.len() * 3);
        for (index, &colour) in fine.iter().enumerate() {
            let x = index as u32 % self.width;
            let y = index as u32 / self.width;
            rgb.extend(self.exposed(&scene.view, colour, x, y, seed));
        }
        Image { width: self.width, height: self.height, rgb }
    }

    /// Returns the box of the pixels in which [`Camera::look`] shows the object; `None` if none does.
    pub fn place(&self, object: Object, seed: u64) -> Option<Place> {
        let scene = Scene::new(Some(object), seed);
        let mut place: Option<Place> = None;
        for y in 0..self.height {
            for x in 0..self.width {
                let gaze = self.gaze(&scene, x as f32 + 0.5, y as f32 + 0.5);
                if meets_object(&scene, gaze) {
                    let [left, top] = [x as f32, y as f32];
                    let pixel = Place { left, top, right: left + 1.0, bottom: top + 1.0 };
                    place = Some(place.map_or(pixel, |place| place.with(&pixel)));
                }
            }
        }
        place
    }

    fn each_pixel(&self, mut f: impl FnMut(u32, u32) -> Vec3) -> Vec<Vec3> {
        let mut pixels = Vec::with_capacity(self.width as usize * self.height as usize);
        for y in 0..self.height {
            for x in 0..self.width {
                pixels.push(f(x, y));
            }
        }
        pixels
    }

    /// Returns the display colour, gamma included, seen at a point in pixel units.
    fn sample(&self, scene: &Scene, light: f32, x: f32, y: f32) -> Vec3 {
        develop(trace(scene, self.gaze(scene, x, y)) * light).map(f32::sqrt)
    }

    /// Returns the direction of a point in pixel units.
    fn gaze(&self, scene: &Scene, x: f32, y: f32) -> Vec3 {
        let half = self.width.min(self.height) as f32 * 0.5;
        let right = (x - self.width as f32 * 0.5) / half;
        let up = (self.height as f32 * 0.5 - y) / half;
        scene.view.gaze(right, up)
    }

    fn supersample(&self, scene: &Scene, light: f32, x: f32, y: f32) -> Vec3 {
        const CENTRES: [(f32, f32); 4] = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
        let sum = CENTRES.iter().fold(v(0.0, 0.0, 0.0), |sum, &(dx, dy)| {
            sum + self.sample(scene, light, x + dx, y + dy)
        });
        sum * 0.25
    }

    /// Returns true if a pixel differs visibly from one of its four neighbours.
    fn is_edge(&self, coarse: &[Vec3], x: u32, y: u32) -> bool {
        let width = self.width as usize;
        let at = y as usize * width + x as usize;
        let here = coarse[at];
        (x > 0 && differs(here, coarse[at - 1]))
            || (y > 0 && differs(here, coarse[at - width]))
            || (x + 1 < self.width && differs(here, coarse[at + 1]))
            || (y + 1 < self.height && differs(here, coarse[at + width]))
    }

    /// Adds the effects of lens and sensor, and rounds to bytes.
    fn exposed(&self, view: &View, colour: Vec3, x: u32, y: u32, seed: u64) -> [u8; 3] {
        let across = 2.0 * (x as f32 + 0.5) / self.width as f32 - 1.0;
        let down = 2.0 * (y as f32 + 0.5) / self.height as f32 - 1.0;
        let off_centre = eccentricity(across, down);
        let lens = 1.0 - view.vignette * off_centre * off_centre;
        let mut noise = hash(x as i32, y as i32, (seed ^ seed >> 32) as i32);
        [colour.x, colour.y, colour.z].map(|value| {
            // The sum of four bytes is close enough to a bell curve.
            let sum: u32 = noise.to_le_bytes().iter().map(|&b| u32::from(b)).sum();
            noise = noise.wrapping_mul(0x9e37_79b1) ^ noise >> 13;
            let bell = (sum as f32 - 510.0) / 148.0;
            let darker = value * lens + bell * view.noise;
            (darker * 255.0 + 0.5).clamp(0.0, 255.0) as u8
        })
    }
}

/// Returns true if two colours differ visibly.
#[inline]
fn differs(one: Vec3, other: Vec3) -> bool {
    let d = (one - other).map(f32::abs);
    max(d.x, max(d.y, d.z)) > EDGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sizes_have_the_right_number_of_bytes() {
        for (width, height) in [(0, 0), (0, 5), (5, 0), (1, 1), (7, 3), (3, 7), (1, 40)] {
            let image = Camera::new(width, height).look(Some(Object::Plant), 1);
            assert_eq!((image.width, image.height), (width, height));
            assert_eq!(image.rgb.len(), (width * height * 3) as usize);
        }
    }

    /// The pixels that differ from the empty table's are the object and its shadow: of the object's
    /// box, the most; and above it, where no shadow falls, nearly none.
    #[test]
    fn an_object_is_where_it_is_said_to_be() {
        let camera = Camera::new(64, 48);
        for (object, seed) in Object::ALL.into_iter().flat_map(|o| (0..5).map(move |s| (o, s))) {
            let place = camera.place(object, seed).expect("in the image");
            assert!(place.left >= 0.0 && place.right <= 64.0 && place.bottom <= 48.0, "{place:?}");
            let with = camera.look(Some(object), seed);
            let without = camera.look(None, seed);
            let differs = |x: u32, y: u32| {
                let at = 3 * (y * 64 + x) as usize;
                let channels = with.rgb[at..at + 3].iter().zip(&without.rgb[at..at + 3]);
                channels.map(|(&a, &b)| a.abs_diff(b)).max() > Some(24)
            };
            let share = |xs: core::ops::Range<u32>, ys: core::ops::Range<u32>| {
                let all = xs.len() * ys.len();
                let found = ys.flat_map(|y| xs.clone().map(move |x| (x, y)));
                found.filter(|&(x, y)| differs(x, y)).count() as f32 / all.max(1) as f32
            };
            let [left, right] = [place.left as u32, place.right as u32];
            let [top, bottom] = [place.top as u32, place.bottom as u32];
            let inside = share(left..right, top..bottom);
            let above = share(0..64, 0..top);
            assert!(inside > 0.2 && above < 0.05, "{object:?} {seed}: {inside} {above} {place:?}");
        }
        assert_eq!(Camera::new(0, 4).place(Object::Mug, 1), None);
    }

    #[test]
    fn faults_darken_and_cover() {
        let camera = Camera::new(16, 12);
        let plain = camera.look(Some(Object::Mug), 3);
        let in_light =
            |light| camera.look_in(Some(Object::Mug), 3, Conditions { light, ..Conditions::GOOD });
        assert_eq!(plain, in_light(1.0));
        let sum = |image: &Image| image.rgb.iter().map(|&x| u32::from(x)).sum::<u32>();
        assert!(sum(&in_light(0.3)) < sum(&plain) * 3 / 4);
        let half =
            camera.look_in(Some(Object::Mug), 3, Conditions { cover: 0.5, ..Conditions::GOOD });
        for (x, (a, b)) in half.rgb.chunks(3).zip(plain.rgb.chunks(3)).enumerate() {
            assert_eq!(a == b, x % 16 >= 8, "column {}", x % 16);
        }
    }

    #[test]
    fn sides_are_limited() {
        assert_eq!(Camera::new(u32::MAX, 1).width, Camera::LARGEST);
    }
}
