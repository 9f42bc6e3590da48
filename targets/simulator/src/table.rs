//! Table under the object, and the wall behind it.

use std::f32::consts::FRAC_1_SQRT_2;

use crate::model::Surface;
use crate::random::Random;
use crate::render::math::{
    Vec3, blend, floor, fract, hypot, max, min, mix, rgb, sin_cos, smoothstep, v,
};
use crate::render::noise::{cell, cloud, plane};

#[derive(Clone, Copy, Debug)]
enum Covering {
    Wood,
    Cloth,
    Tiles,
    Stone,
    Painted,
}

/// A table top of one material with a wall at its far edge.
#[derive(Debug)]
pub struct Table {
    covering: Covering,
    turn: (f32, f32),
    shift: (f32, f32),
    scale: f32,
    first: Vec3,
    second: Vec3,
    wall: Vec3,
    wall_striped: bool,
    layer: i32,
    /// Depth at which the table meets the wall.
    pub wall_z: f32,
}

const WOODS: [(u32, u32); 5] = [
    (0xc99a66, 0x9c6a3c),
    (0x8a5a38, 0x5c3a22),
    (0xe0c498, 0xc09a68),
    (0x6a4a38, 0x43302a),
    (0xb8b0a4, 0x8e857a),
];
const CLOTHS: [(u32, u32); 6] = [
    (0xefe9dc, 0xc4504a),
    (0xefe9dc, 0x4a78b0),
    (0xe6e2d6, 0x5c8a5a),
    (0x52607a, 0x46546c),
    (0xcabfae, 0xb8ab98),
    (0xe8d8a8, 0xc89a4a),
];
const TILES: [(u32, u32); 5] = [
    (0xe4e4de, 0xa8a8a4),
    (0x9fb8bc, 0xdcdcd4),
    (0x5a6a72, 0x3c4448),
    (0xd0b89c, 0x98846c),
    (0x7c9c8c, 0xd0d4cc),
];
const STONES: [(u32, u32); 4] =
    [(0xe2e0dc, 0x9c9ca0), (0x4c4e54, 0x74767c), (0xbcb4a8, 0x8c8274), (0x8a9298, 0xb8bec2)];
const PAINTED: [(u32, u32); 6] = [
    (0xe6e4e0, 0xd4d2d0),
    (0x98b4c4, 0x7c9cb0),
    (0xe4c8b0, 0xd4b096),
    (0x5c646e, 0x4a525c),
    (0xb4c4a4, 0x9cb08c),
    (0xd8b8bc, 0xc4a0a8),
];
const WALLS: [u32; 7] = [0xdcd8d0, 0xb8c4cc, 0xc8b8a8, 0x7c8a94, 0xa8b8a4, 0xd4c4a0, 0x5c5a62];

impl Table {
    pub fn new(random: &mut Random) -> Self {
        let covering = random.pick(&[
            Covering::Wood,
            Covering::Wood,
            Covering::Cloth,
            Covering::Tiles,
            Covering::Stone,
            Covering::Painted,
        ]);
        let (first, second) = match covering {
            Covering::Wood => random.pick(&WOODS),
            Covering::Cloth => random.pick(&CLOTHS),
            Covering::Tiles => random.pick(&TILES),
            Covering::Stone => random.pick(&STONES),
            Covering::Painted => random.pick(&PAINTED),
        };
        let brightness = random.range(0.85, 1.1);
        Self {
            covering,
            turn: sin_cos(random.angle()),
            shift: (random.range(-20.0, 20.0), random.range(-20.0, 20.0)),
            scale: random.range(0.8, 1.35),
            first: rgb(first) * brightness,
            second: rgb(second) * brightness,
            wall: rgb(random.pick(&WALLS)) * random.range(0.8, 1.1),
            wall_striped: random.chance(0.3),
            layer: random.below(10_000) as i32,
            wall_z: random.range(-2.8, -1.5),
        }
    }

    /// Returns the colour the table throws back at what stands on it.
    pub fn bounce(&self) -> Vec3 {
        blend(self.first, self.second, 0.4)
    }

    /// Returns the material of the table top.
    pub fn surface(&self, x: f32, z: f32) -> Surface {
        let p = v(x * self.scale, 0.0, z * self.scale).turn(self.turn);
        let u = p.x + self.shift.0;
        let w = p.z + self.shift.1;
        match self.covering {
            Covering::Wood => self.wood(u, w),
            Covering::Cloth => self.cloth(u, w),
            Covering::Tiles => self.tiles(u, w),
            Covering::Stone => self.stone(u, w),
            Covering::Painted => {
                let uneven = cloud(u * 1.3, w * 1.3, self.layer);
                Surface::new(blend(self.first, self.second, uneven), 0.15)
            }
        }
    }

    fn wood(&self, u: f32, w: f32) -> Surface {
        let (board, _) = floor(w / 0.62);
        let along = u + cell(board, 1, self.layer) * 37.0;
        let wander = cloud(along * 0.7, w * 2.2, self.layer + board);
        let rings = fract(w * 2.6 + wander * 3.2);
        let ring = smoothstep(0.0, 0.75, rings) * smoothstep(1.0, 0.85, rings);
        let fibre = plane(along * 2.5, w * 60.0, self.layer);
        let grain = ring * 0.45 + fibre * 0.35 + 0.2 * wander;
        let tone = 0.86 + 0.26 * cell(board, 2, self.layer);
        let across = (fract(w / 0.62) - 0.5).abs();
        let gap = smoothstep(0.48, 0.497, across);
        let colour = blend(self.first, self.second, grain) * tone;
        Surface::new(colour * (1.0 - 0.6 * gap), 0.3 * (1.0 - gap))
    }

    /// Gingham: two sets of stripes that darken each other.
    fn cloth(&self, u: f32, w: f32) -> Surface {
        let weave = plane(u * 70.0, w * 24.0, self.layer) + plane(u * 24.0, w * 70.0, self.layer);
        let crease = cloud(u * 1.1, w * 1.1, self.layer + 7);
        let checks = 0.5 * (stripe(u) + stripe(w));
        let colour = blend(self.first, self.second, checks);
        Surface::new(colour * ((0.92 + 0.08 * weave) * (0.85 + 0.22 * crease)), 0.0)
    }

    fn tiles(&self, u: f32, w: f32) -> Surface {
        let tu = u * 1.6;
        let tw = w * 1.6;
        let (iu, _) = floor(tu);
        let (iw, _) = floor(tw);
        let edge = max((fract(tu) - 0.5).abs(), (fract(tw) - 0.5).abs());
        let grout = smoothstep(0.455, 0.475, edge);
        let tone = 0.88 + 0.2 * cell(iu, iw, self.layer) + 0.06 * plane(u * 9.0, w * 9.0, 4);
        let colour = blend(self.first * tone, self.second, grout);
        Surface::new(colour, 0.6 * (1.0 - grout))
    }

    fn stone(&self, u: f32, w: f32) -> Surface {
        let bend = cloud(u * 1.2, w * 1.2, self.layer) * 2.4;
        let vein = (fract(u * 0.6 + w * 0.35 + bend) - 0.5).abs();
        let mottled = cloud(u * 5.0, w * 5.0, self.layer + 3);
        let speckle = plane(u * 45.0, w * 45.0, self.layer) - 0.5;
        let amount = 0.55 * smoothstep(0.12, 0.0, vein) + 0.3 * mottled + 0.14 * speckle;
        Surface::new(blend(self.first, self.second, amount), 0.45)
    }

    /// Returns the colour of the wall at a height above the table.
    pub fn wall(&self, x: f32, y: f32) -> Vec3 {
        let height = smoothstep(0.0, 3.0, y);
        let mut colour = self.wall * mix(0.85, 1.08, height);
        if self.wall_striped {
            let stripe = (fract(x * 1.4 * self.scale + self.shift.0) - 0.5).abs();
            colour = colour * mix(0.9, 1.04, smoothstep(0.2, 0.28, stripe));
        }
        // The corner with the table gets little light.
        colour * mix(0.6, 1.0, smoothstep(0.0, 0.5, y + 0.02))
    }

    /// Returns how much light the wall leaves for a point of the table near it.
    pub fn corner(&self, z: f32) -> f32 {
        mix(0.65, 1.0, smoothstep(0.0, 0.6, z - self.wall_z))
    }
}

/// Returns the darkness of a set of stripes at a distance across them.
fn stripe(x: f32) -> f32 {
    let t = (fract(x * 1.9) - 0.5).abs();
    smoothstep(0.235, 0.265, t)
}

/// Returns how far off the middle of an image a point is, one in the corners.
pub fn eccentricity(x: f32, y: f32) -> f32 {
    min(hypot(x, y) * FRAC_1_SQRT_2, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_covering_is_a_plausible_reflectance() {
        for seed in 0..60 {
            let table = Table::new(&mut Random::new(seed, 0));
            for i in 0..200 {
                let x = i as f32 * 0.031 - 3.0;
                let z = i as f32 * 0.017 - 1.0;
                let Vec3 { x: r, y: g, z: b } = table.surface(x, z).colour;
                for c in [r, g, b] {
                    assert!((0.0..1.3).contains(&c), "{seed} {:?} {c}", table.covering);
                }
            }
        }
    }

    #[test]
    fn corners_are_the_farthest_points() {
        assert_eq!(eccentricity(0.0, 0.0), 0.0);
        assert!((eccentricity(1.0, -1.0) - 1.0).abs() < 1e-6);
    }
}
