//! A plant: drooping leaves in a pot.

use super::{Bounds, Model, Surface, paint};
use crate::random::Random;
use crate::render::math::{Vec3, blend, hypot, max, min, rgb, sin_cos, smoothstep, v};
use crate::render::noise::plane;
use crate::render::shape::{cut, cylinder};

/// One leaf: a thin pointed blade, folded along its middle and drooping toward its tip.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    /// Directions along the leaf, out of its face and to its side.
    axes: [Vec3; 3],
    length: f32,
    per_length: f32,
    width: f32,
    droop: f32,
}

/// Numbers that describe a leaf.
const NUMBERS: usize = 13;
/// Leaves of a plant at most.
const LEAVES: usize = 8;

/// The leaves of a plant, the same number of each side by side.
///
/// A plant is all leaves and every one must be looked at: laid out like this, the compiler handles
/// four at a time.
#[derive(Debug)]
struct Foliage {
    base: Vec3,
    numbers: [[f32; LEAVES]; NUMBERS],
}

/// A pot with its leaves.
#[derive(Debug)]
pub struct Plant {
    pot_height: f32,
    pot_radius: f32,
    foliage: Foliage,
    bounds: Bounds,
    pot: Vec3,
    rim: Vec3,
    green: Vec3,
    vein: Vec3,
}

impl Leaf {
    /// Makes a leaf that is turned about the stem and rises from the horizontal.
    fn new(turn_rad: f32, rise_rad: f32, (length, width): (f32, f32), droop: f32) -> Self {
        let (sin_turn, cos_turn) = sin_cos(turn_rad);
        let (sin_rise, cos_rise) = sin_cos(rise_rad);
        let up = v(0.0, 1.0, 0.0);
        let out = v(cos_turn, 0.0, sin_turn);
        let along = out * cos_rise + up * sin_rise;
        let face = up * cos_rise - out * sin_rise;
        let axes = [along, face, v(-sin_turn, 0.0, cos_turn)];
        Self { axes, length, per_length: 1.0 / length, width, droop }
    }

    /// Expresses an offset from the base in the frame of the leaf, unfolded and straightened.
    #[inline(always)]
    fn flattened(&self, offset: Vec3) -> Vec3 {
        let [along, face, side] = self.axes;
        let x = offset.dot(along);
        let y = offset.dot(face);
        let z = offset.dot(side);
        let within = min(max(x, 0.0), self.length);
        v(x, y - 0.3 * z.abs() + self.droop * within * within, z)
    }

    #[inline(always)]
    fn distance(&self, offset: Vec3) -> f32 {
        let q = self.flattened(offset);
        let along = min(max(q.x * self.per_length, 0.0), 1.0);
        let half_width = self.width * 4.0 * along * (1.0 - along);
        let beyond = q.x - along * self.length;
        let dy = q.y.abs() - 0.012;
        let dz = q.z.abs() - half_width;
        let outside = v(beyond, max(dy, 0.0), max(dz, 0.0)).length();
        // Bending stretches space, so the distance is taken shorter.
        0.75 * (outside + min(max(dy, dz), 0.0))
    }

    /// Stretches a box over the leaf.
    fn extend(&self, base: Vec3, bounds: &mut Bounds) {
        let [along, face, _] = self.axes;
        for step in 0..=4 {
            let x = self.length * step as f32 * 0.25;
            let p = base + along * x - face * (self.droop * x * x);
            let half = self.width * (0.6 + 0.4 * x * (self.length - x)) + 0.01;
            let low = &mut bounds.low;
            let high = &mut bounds.high;
            *low = v(min(low.x, p.x - half), min(low.y, p.y), min(low.z, p.z - half));
            *high =
                v(max(high.x, p.x + half), max(high.y, p.y + half * 0.3), max(high.z, p.z + half));
        }
    }
}

impl Foliage {
    fn new(base: Vec3, random: &mut Random) -> Self {
        let count = 5 + random.below(4);
        let start = random.angle();
        let length = random.range(0.5, 0.66);
        let width = random.range(0.08, 0.15);
        let mut foliage = Self { base, numbers: [[0.0; LEAVES]; NUMBERS] };
        for i in 0..count {
            // The golden angle spreads any number of leaves evenly.
            let turn = start + i as f32 * 2.399_963 + random.range(-0.2, 0.2);
            let age = i as f32 / count as f32;
            let rise = 0.5 + 0.95 * age + random.range(-0.1, 0.1);
            let size = (length * random.range(0.85, 1.1), width * random.range(0.9, 1.1));
            let leaf = Leaf::new(turn, rise, size, random.range(0.3, 0.65) * (1.0 - 0.5 * age));
            // Places left over repeat the last leaf, which changes nothing.
            (i as usize..LEAVES).for_each(|place| foliage.set(place, &leaf));
        }
        foliage
    }

    fn set(&mut self, place: usize, leaf: &Leaf) {
        let [a, f, s] = leaf.axes;
        let axes = [a.x, a.y, a.z, f.x, f.y, f.z, s.x, s.y, s.z];
        let rest = [leaf.length, leaf.per_length, leaf.width, leaf.droop];
        for (row, &number) in self.numbers.iter_mut().zip(axes.iter().chain(&rest)) {
            row[place] = number;
        }
    }

    #[inline(always)]
    fn leaf(&self, place: usize) -> Leaf {
        let n = &self.numbers;
        Leaf {
            axes: [
                v(n[0][place], n[1][place], n[2][place]),
                v(n[3][place], n[4][place], n[5][place]),
                v(n[6][place], n[7][place], n[8][place]),
            ],
            length: n[9][place],
            per_length: n[10][place],
            width: n[11][place],
            droop: n[12][place],
        }
    }

    fn distances(&self, p: Vec3) -> [f32; LEAVES] {
        let offset = p - self.base;
        let mut distances = [0.0; LEAVES];
        for (place, distance) in distances.iter_mut().enumerate() {
            *distance = self.leaf(place).distance(offset);
        }
        distances
    }

    fn distance(&self, p: Vec3) -> f32 {
        self.distances(p).into_iter().fold(9.0, min)
    }

    /// Returns the leaf nearest to a point.
    fn nearest(&self, p: Vec3) -> Leaf {
        let distances = self.distances(p);
        let least = distances.into_iter().fold(9.0, min);
        self.leaf(distances.iter().position(|&d| d == least).unwrap_or(0))
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
        let pot_radius = random.range(0.22, 0.27);
        let foliage = Foliage::new(v(0.0, pot_height - 0.06, 0.0), random);
        let mut bounds = Bounds::standing(pot_radius + 0.03, pot_height, pot_radius + 0.03);
        (0..LEAVES).for_each(|place| foliage.leaf(place).extend(foliage.base, &mut bounds));
        Self {
            pot_height,
            pot_radius,
            foliage,
            bounds,
            pot,
            rim: if random.chance(0.6) { pot * 0.85 } else { paint(random) },
            green: green * random.range(0.8, 1.2),
            vein: blend(green, rgb(0xd8e8a0), random.range(0.25, 0.7)),
        }
    }

    fn pot(&self, p: Vec3) -> f32 {
        let wider = 1.0 / (0.82 + 0.18 * p.y / self.pot_height);
        let q = v(p.x * wider, p.y, p.z * wider);
        let radius = self.pot_radius;
        let top = self.pot_height;
        let body = cylinder(q, radius, 0.0, top, 0.02);
        let rim = cylinder(q, radius + 0.03, top - 0.09, top, 0.02);
        let soil = cylinder(q, radius - 0.03, top - 0.05, top + 0.2, 0.01);
        0.85 * cut(min(body, rim), soil, 0.01)
    }

    fn leaf_colour(&self, leaf: &Leaf, p: Vec3) -> Vec3 {
        let q = leaf.flattened(p - self.foliage.base);
        let ribs = plane((q.z.abs() * 5.6 / leaf.width - q.x * 18.0).abs(), 0.0, 3) * 0.25;
        let middle = smoothstep(0.018, 0.006, q.z.abs());
        let colour = blend(self.green, self.vein, middle * 0.8 + ribs);
        // Tips are lighter than the heart of the plant.
        colour * (0.6 + 0.7 * q.x / leaf.length)
    }
}

impl Model for Plant {
    fn distance(&self, p: Vec3) -> f32 {
        let foliage = self.foliage.distance(p);
        // High above the pot its exact distance does not matter.
        if 0.85 * (p.y - self.pot_height) > foliage { foliage } else { min(self.pot(p), foliage) }
    }

    fn surface(&self, p: Vec3) -> Surface {
        if self.foliage.distance(p) < self.pot(p) {
            return Surface::new(self.leaf_colour(&self.foliage.nearest(p), p), 0.3);
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
        self.bounds
    }
}
