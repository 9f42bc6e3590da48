//! A key lying flat: bow, blade and bits, in metal or with a plastic head.

use super::{Bounds, Model, Surface, paint};
use crate::random::Random;
use crate::render::math::{Vec3, hypot, max, min, rgb, v};
use crate::render::shape::{rectangle, slab};

#[derive(Clone, Copy, Debug)]
enum Bow {
    Ring,
    Disc,
    Square,
    Clover,
}

/// A key and the heights of its teeth.
#[derive(Debug)]
pub struct Key {
    bow: Bow,
    size: f32,
    half_width: f32,
    length: f32,
    teeth: [f32; 4],
    metal: Vec3,
    /// Colour of a plastic head.
    head: Option<Vec3>,
}

const HALF_THICKNESS: f32 = 0.045;
/// Position of the bow's centre on the key's axis.
const BOW_X: f32 = -0.42;

impl Key {
    pub fn new(random: &mut Random) -> Self {
        let bow = random.pick(&[Bow::Ring, Bow::Disc, Bow::Square, Bow::Clover]);
        let plastic = matches!(bow, Bow::Disc | Bow::Square) && random.chance(0.5);
        Self {
            bow,
            size: random.range(0.2, 0.26),
            half_width: random.range(0.045, 0.065),
            length: random.range(0.52, 0.66),
            teeth: [0; 4].map(|_| random.range(0.06, 0.16)),
            metal: rgb(random.pick(&[0xd8b04c, 0xc9ccd2, 0xb87a4c, 0x9a9aa4, 0xe0c070])),
            head: plastic.then(|| paint(random)),
        }
    }

    fn bow(&self, x: f32, z: f32) -> f32 {
        let x = x - BOW_X;
        let disc = hypot(x, z) - self.size;
        match self.bow {
            Bow::Ring => max(disc, self.size * 0.62 - hypot(x, z)),
            Bow::Disc => max(disc, 0.07 - hypot(x + self.size * 0.5, z)),
            Bow::Square => {
                let plate = rectangle(x, z, self.size - 0.08, self.size - 0.06) - 0.07;
                max(plate, 0.05 - rectangle(x + self.size * 0.45, z, 0.0, self.size * 0.35))
            }
            Bow::Clover => {
                let lobe = self.size * 0.55;
                let sides = hypot(x, z.abs() - lobe);
                let back = hypot(x + lobe, z);
                let near = min(sides, back);
                max(near - lobe, lobe * 0.5 - near)
            }
        }
    }

    fn blade(&self, x: f32, z: f32) -> f32 {
        let start = BOW_X + self.size * 0.75;
        let end = self.length;
        let middle = (start + end) * 0.5;
        let shaft = rectangle(x - middle, z, (end - start) * 0.5, self.half_width);
        let collar = rectangle(x - start - 0.08, z, 0.03, self.half_width + 0.045);
        let mut outline = min(shaft, collar);
        for (i, &depth) in self.teeth.iter().enumerate() {
            let at = end - 0.04 - i as f32 * 0.085;
            let reach = (self.half_width + depth) * 0.5;
            outline = min(outline, rectangle(x - at, z - reach, 0.035, reach));
        }
        outline
    }
}

impl Model for Key {
    fn distance(&self, p: Vec3) -> f32 {
        let height = p.y - HALF_THICKNESS * 1.35;
        let bow = slab(self.bow(p.x, p.z), height, HALF_THICKNESS * 1.35, 0.03);
        let blade = slab(self.blade(p.x, p.z), height, HALF_THICKNESS, 0.015);
        min(bow, blade)
    }

    fn surface(&self, p: Vec3) -> Surface {
        match self.head {
            Some(colour) if self.bow(p.x, p.z) < self.blade(p.x, p.z) => Surface::new(colour, 0.5),
            _ => Surface { colour: self.metal, gloss: 1.0, metal: 0.75 },
        }
    }

    fn bounds(&self) -> Bounds {
        let half_z = self.size * 1.12;
        Bounds {
            low: v(BOW_X - self.size * 1.12, 0.0, -half_z),
            high: v(self.length, HALF_THICKNESS * 2.7, half_z),
        }
    }
}
