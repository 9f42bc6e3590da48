//! The objects as solids with a coloured surface, standing at the origin on the plane `y = 0`.

mod ball;
mod banana;
mod cube;
mod key;
mod mug;
mod plant;

use crate::Object;
use crate::random::Random;
use crate::render::math::{Vec3, v};

/// Optical properties of a point of a surface.
#[derive(Clone, Copy, Debug)]
pub struct Surface {
    /// Linear reflectance.
    pub colour: Vec3,
    /// Strength of the mirror image of the light, from matt 0 to lacquer 1.
    pub gloss: f32,
    /// Share of the colour that is mirrored rather than scattered.
    pub metal: f32,
}

impl Surface {
    /// A surface that is not metal.
    pub fn new(colour: Vec3, gloss: f32) -> Self {
        Self { colour, gloss, metal: 0.0 }
    }
}

/// A box that encloses a model.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub low: Vec3,
    pub high: Vec3,
}

impl Bounds {
    /// A box on the table with its middle at the origin.
    pub fn standing(half_x: f32, height: f32, half_z: f32) -> Self {
        Self { low: v(-half_x, 0.0, -half_z), high: v(half_x, height, half_z) }
    }

    /// Returns the box with its sides moved outward.
    pub fn grown(&self, margin: f32) -> Self {
        let margin = v(margin, margin, margin);
        Self { low: self.low - margin, high: self.high + margin }
    }

    pub fn contains(&self, p: Vec3) -> bool {
        let a = p - self.low;
        let b = self.high - p;
        a.x >= 0.0 && a.y >= 0.0 && a.z >= 0.0 && b.x >= 0.0 && b.y >= 0.0 && b.z >= 0.0
    }
}

/// One specimen of an object class.
pub trait Model {
    /// Returns a distance to the surface that is never much too large; negative inside.
    fn distance(&self, p: Vec3) -> f32;

    /// Returns the material at a point on the surface.
    fn surface(&self, p: Vec3) -> Surface;

    /// Returns a box that holds the whole model.
    fn bounds(&self) -> Bounds;
}

/// Makes a specimen with its own proportions, colours and pattern.
pub fn specimen(object: Object, random: &mut Random) -> Box<dyn Model> {
    match object {
        Object::Mug => Box::new(mug::Mug::new(random)),
        Object::Ball => Box::new(ball::Ball::new(random)),
        Object::Cube => Box::new(cube::Cube::new(random)),
        Object::Plant => Box::new(plant::Plant::new(random)),
        Object::Banana => Box::new(banana::Banana::new(random)),
        Object::Key => Box::new(key::Key::new(random)),
    }
}

/// Colours toys and crockery come in; every class shares them.
const PAINTS: [u32; 10] = [
    0xd6453d, 0xe8833a, 0xf0c23c, 0x5fa85a, 0x2f8f8a, 0x3d7cc9, 0x2c4a7c, 0x8a5aa8, 0xe58aa5,
    0xe9e4da,
];

/// Returns a random paint, slightly off its nominal colour.
fn paint(random: &mut Random) -> Vec3 {
    let nominal = crate::render::math::rgb(random.pick(&PAINTS));
    nominal.map(|c| c * 0.9 + 0.01) * random.range(0.85, 1.15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a grid around the model, far enough out to see whatever sticks out.
    fn grid() -> impl Iterator<Item = Vec3> {
        let axis = |i: i32| i as f32 * 0.1;
        (-12..=12).flat_map(move |x| {
            (-2..=16).flat_map(move |y| (-12..=12).map(move |z| v(axis(x), axis(y), axis(z))))
        })
    }

    #[test]
    fn models_fill_their_bounds_and_stay_inside() {
        for object in Object::ALL {
            for seed in 0..20 {
                let model = specimen(object, &mut Random::new(seed, 0));
                let bounds = model.bounds().grown(0.01);
                let mut inside = 0;
                for p in grid().filter(|&p| model.distance(p) < 0.0) {
                    inside += 1;
                    assert!(bounds.contains(p), "{object} {seed} {p:?} {bounds:?}");
                }
                assert!(inside > 3, "{object} {seed} is empty");
            }
        }
    }

    #[test]
    fn distances_do_not_overshoot() {
        for object in Object::ALL {
            let model = specimen(object, &mut Random::new(5, 0));
            for p in grid() {
                let here = model.distance(p);
                let there = model.distance(p + v(0.0, 0.05, 0.0));
                assert!((here - there).abs() < 0.05 * 2.0, "{object} {p:?} {here} {there}");
            }
        }
    }
}
