//! A ball: beach ball, football, basketball or striped, turned any way up.

use std::f32::consts::TAU;

use super::{Bounds, Model, Surface, paint};
use crate::random::Random;
use crate::render::math::{Vec3, blend, fract, max, min, rgb, smoothstep, v};

#[derive(Clone, Copy, Debug)]
enum Pattern {
    Panels,
    Patches,
    Seams,
    Belt,
}

/// A ball and the orientation of its pattern.
#[derive(Debug)]
pub struct Ball {
    radius: f32,
    axes: [Vec3; 3],
    pattern: Pattern,
    first: Vec3,
    second: Vec3,
    third: Vec3,
    gloss: f32,
}

impl Ball {
    pub fn new(random: &mut Random) -> Self {
        let up =
            v(random.range(-1.0, 1.0), random.range(-1.0, 1.0), random.range(-1.0, 1.0)).unit();
        let side = up.cross(v(up.y, up.z, -up.x)).unit();
        let white = rgb(0xeeeae0);
        Self {
            radius: random.range(0.36, 0.46),
            axes: [side, up, side.cross(up)],
            pattern: random.pick(&[
                Pattern::Panels,
                Pattern::Patches,
                Pattern::Seams,
                Pattern::Belt,
            ]),
            first: paint(random),
            second: if random.chance(0.6) { white } else { paint(random) },
            third: paint(random),
            gloss: random.range(0.15, 0.8),
        }
    }

    fn panels(&self, d: Vec3) -> Vec3 {
        let sector = fract(libm::atan2f(d.z, d.x) / TAU) * 6.0;
        let colour = match sector as u32 {
            0 | 3 => self.first,
            1 | 4 => self.second,
            _ => self.third,
        };
        blend(colour, self.second, smoothstep(0.955, 0.965, d.y.abs()))
    }

    /// Patches at the corners of an icosahedron, as on a classic football.
    fn patches(&self, d: Vec3) -> Vec3 {
        const SHORT: f32 = 0.525_731_1;
        const LONG: f32 = 0.850_650_8;
        let x = d.x.abs();
        let y = d.y.abs();
        let z = d.z.abs();
        let nearest = max(SHORT * x + LONG * y, max(SHORT * y + LONG * z, SHORT * z + LONG * x));
        blend(self.second, self.first * 0.7, smoothstep(0.925, 0.935, nearest))
    }

    fn seams(&self, d: Vec3) -> Vec3 {
        let curve = (d.z.abs() - 0.55 - 0.25 * d.y * d.y).abs();
        let seam = min(d.x.abs(), min(d.y.abs(), curve));
        blend(rgb(0x241c18), self.first, smoothstep(0.018, 0.032, seam))
    }

    fn belt(&self, d: Vec3) -> Vec3 {
        let belt = blend(self.second, self.first, smoothstep(0.3, 0.315, d.y.abs()));
        blend(self.third, belt, smoothstep(0.055, 0.07, (d.y.abs() - 0.42).abs()))
    }
}

impl Model for Ball {
    fn distance(&self, p: Vec3) -> f32 {
        (p - v(0.0, self.radius, 0.0)).length() - self.radius
    }

    fn surface(&self, p: Vec3) -> Surface {
        let out = (p - v(0.0, self.radius, 0.0)).unit();
        let [side, up, front] = self.axes;
        let d = v(out.dot(side), out.dot(up), out.dot(front));
        let colour = match self.pattern {
            Pattern::Panels => self.panels(d),
            Pattern::Patches => self.patches(d),
            Pattern::Seams => self.seams(d),
            Pattern::Belt => self.belt(d),
        };
        Surface::new(colour, self.gloss)
    }

    fn bounds(&self) -> Bounds {
        Bounds::standing(self.radius, 2.0 * self.radius, self.radius)
    }
}
