//! A plant: drooping leaves in a pot.

use super::{Bounds, Model, Surface, paint};
use crate::math::{Vec3, blend, hypot, max, min, rgb, sin_cos, smoothstep, v};
use crate::noise::plane;
use crate::random::Random;
use crate::shape::{cut, cylinder};

/// One leaf: a thin pointed blade, folded along its middle and drooping toward its tip.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    base: Vec3,
    /// Directions along the leaf, out of its face and to its side.
    axes: [Vec3; 3],
    length: f32,
    per_length: f32,
    width: f32,
    droop: f32,
    /// A sphere around it, to pass over far leaves quickly.
    centre: Vec3,
    radius: f32,
}

/// Bending stretches space, so the distance to a leaf is taken this much shorter.
const CAUTION: f32 = 0.7;

/// A pot with its leaves.
#[derive(Debug)]
pub struct Plant {
    pot_height: f32,
    pot_radius: f32,
    leaves: Vec<Leaf>,
    pot: Vec3,
    rim: Vec3,
    green: Vec3,
    vein: Vec3,
}

impl Leaf {
    /// Makes a leaf that starts at `base`, turned about the stem and rising from the horizontal.
    fn new(base: Vec3, turn_rad: f32, rise_rad: f32, size: (f32, f32), droop: f32) -> Self {
        let ((sin_turn, cos_turn), (sin_rise, cos_rise)) = (sin_cos(turn_rad), sin_cos(rise_rad));
        let (up, out) = (v(0.0, 1.0, 0.0), v(cos_turn, 0.0, sin_turn));
        let along = out * cos_rise + up * sin_rise;
        let face = up * cos_rise - out * sin_rise;
        let (length, width) = size;
        let sag = droop * length * length;
        Self {
            base,
            axes: [along, face, v(-sin_turn, 0.0, cos_turn)],
            length,
            per_length: 1.0 / length,
            width,
            droop,
            centre: base + along * (length * 0.5) - face * (sag * 0.4),
            radius: hypot(length * 0.5, sag * 0.6) + 0.03,
        }
    }

    /// Expresses a point in the frame of the leaf, unfolded and straightened.
    fn flattened(&self, p: Vec3) -> Vec3 {
        let q = p - self.base;
        let [along, face, side] = self.axes;
        let (x, y, z) = (q.dot(along), q.dot(face), q.dot(side));
        let within = x.clamp(0.0, self.length);
        v(x, y - 0.3 * z.abs() + self.droop * within * within, z)
    }

    fn distance(&self, p: Vec3) -> f32 {
        let q = self.flattened(p);
        let along = (q.x * self.per_length).clamp(0.0, 1.0);
        let half_width = self.width * 4.0 * along * (1.0 - along);
        let beyond = q.x - along * self.length;
        let (dy, dz) = (q.y.abs() - 0.012, q.z.abs() - half_width);
        let outside = v(beyond, max(dy, 0.0), max(dz, 0.0)).length();
        CAUTION * (outside + min(max(dy, dz), 0.0))
    }

    /// Returns true if the leaf is certainly farther away than `distance`.
    fn is_beyond(&self, distance: f32, p: Vec3) -> bool {
        let offset = p - self.centre;
        let limit = distance * (1.0 / CAUTION) + self.radius;
        limit > 0.0 && offset.dot(offset) > limit * limit
    }
}

impl Plant {
    pub fn new(random: &mut Random) -> Self {
        let pot_height = random.range(0.32, 0.42);
        let pot = match random.below(3) {
            0 => rgb(0xb8623c),
            1 => rgb(0xe4dfd4),
            _ => paint(random),
        };
        let green = rgb(random.pick(&[0x3f8a3c, 0x2f6e44, 0x6aa23c, 0x4d8f5e]));
        Self {
            pot_height,
            pot_radius: random.range(0.22, 0.27),
            leaves: Self::leaves(v(0.0, pot_height - 0.06, 0.0), random),
            pot,
            rim: if random.chance(0.6) { pot * 0.85 } else { paint(random) },
            green: green * random.range(0.8, 1.2),
            vein: blend(green, rgb(0xd8e8a0), random.range(0.25, 0.7)),
        }
    }

    fn leaves(base: Vec3, random: &mut Random) -> Vec<Leaf> {
        let count = 7 + random.below(5);
        let start = random.angle();
        let (length, width) = (random.range(0.5, 0.66), random.range(0.08, 0.15));
        let leaf = |i: u32| {
            // The golden angle spreads any number of leaves evenly.
            let turn = start + i as f32 * 2.399_963 + random.range(-0.2, 0.2);
            let age = i as f32 / count as f32;
            let rise = 0.5 + 0.95 * age + random.range(-0.1, 0.1);
            let size = (length * random.range(0.85, 1.1), width * random.range(0.9, 1.1));
            Leaf::new(base, turn, rise, size, random.range(0.35, 0.8) * (1.0 - 0.5 * age))
        };
        (0..count).map(leaf).collect()
    }

    /// Returns the nearest leaf, if one is nearer than `least`, and its distance or `least`.
    fn nearest_leaf(&self, p: Vec3, mut least: f32) -> (Option<&Leaf>, f32) {
        let mut nearest = None;
        for leaf in &self.leaves {
            if !leaf.is_beyond(least, p) {
                let distance = leaf.distance(p);
                if distance < least {
                    (nearest, least) = (Some(leaf), distance);
                }
            }
        }
        (nearest, least)
    }

    fn pot(&self, p: Vec3) -> f32 {
        let wider = 1.0 / (0.82 + 0.18 * p.y / self.pot_height);
        let q = v(p.x * wider, p.y, p.z * wider);
        let (radius, top) = (self.pot_radius, self.pot_height);
        let body = cylinder(q, radius, 0.0, top, 0.02);
        let rim = cylinder(q, radius + 0.03, top - 0.09, top, 0.02);
        let soil = cylinder(q, radius - 0.03, top - 0.05, top + 0.2, 0.01);
        0.85 * cut(min(body, rim), soil, 0.01)
    }

    fn leaf_colour(&self, leaf: &Leaf, p: Vec3) -> Vec3 {
        let q = leaf.flattened(p);
        let ribs = plane((q.z.abs() * 5.6 / leaf.width - q.x * 18.0).abs(), 0.0, 3) * 0.25;
        let middle = smoothstep(0.018, 0.006, q.z.abs());
        let colour = blend(self.green, self.vein, middle * 0.8 + ribs);
        // Tips are lighter than the heart of the plant.
        colour * (0.6 + 0.7 * q.x / leaf.length)
    }
}

impl Model for Plant {
    fn distance(&self, p: Vec3) -> f32 {
        let (_, foliage) = self.nearest_leaf(p, 9.0);
        // High above the pot its exact distance does not matter.
        if 0.85 * (p.y - self.pot_height) > foliage { foliage } else { min(self.pot(p), foliage) }
    }

    fn surface(&self, p: Vec3) -> Surface {
        if let (Some(leaf), _) = self.nearest_leaf(p, self.pot(p)) {
            return Surface::new(self.leaf_colour(leaf, p), 0.3);
        }
        let radial = hypot(p.x, p.z);
        if radial < self.pot_radius - 0.01 && p.y > self.pot_height - 0.07 {
            let crumbs = plane(p.x * 40.0, p.z * 40.0, 9);
            return Surface::new(blend(rgb(0x2c2018), rgb(0x5a4430), crumbs), 0.0);
        }
        let on_rim = p.y > self.pot_height - 0.092;
        Surface::new(if on_rim { self.rim } else { self.pot }, 0.2)
    }

    fn bounds(&self) -> Bounds {
        Bounds::standing(0.66, 1.15, 0.66)
    }
}
