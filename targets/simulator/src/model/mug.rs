//! A mug: a hollow, slightly conical cylinder with a handle and something to drink.

use std::f32::consts::TAU;

use super::{Bounds, Model, Surface, paint};
use crate::random::Random;
use crate::render::math::{Vec3, blend, fract, hypot, max, rgb, smoothstep, v};
use crate::render::shape::{cut, cylinder, join, rectangle};

#[derive(Clone, Copy, Debug)]
enum Decor {
    Plain,
    Band,
    Dots,
    Dipped,
}

/// A mug and its decoration.
#[derive(Debug)]
pub struct Mug {
    radius: f32,
    height: f32,
    taper: f32,
    handle: f32,
    /// Height of the drink, or of the inside bottom of an empty mug.
    level: f32,
    decor: Decor,
    outer: Vec3,
    second: Vec3,
    inner: Vec3,
    drink: Surface,
}

const WALL: f32 = 0.045;

impl Mug {
    pub fn new(random: &mut Random) -> Self {
        let height = random.range(0.68, 0.9);
        let full = random.chance(0.6);
        let inner = if random.chance(0.7) { rgb(0xeae4d8) } else { paint(random) };
        let drink = match (full, random.chance(0.6)) {
            (false, _) => Surface::new(inner, 0.4),
            (true, true) => Surface::new(rgb(0x3a2114), 0.9),
            (true, false) => Surface::new(rgb(0x9a6a3c), 0.7),
        };
        Self {
            radius: random.range(0.32, 0.38),
            height,
            taper: random.range(-0.02, 0.09),
            handle: random.range(0.17, 0.23),
            level: if full { height * random.range(0.62, 0.85) } else { 0.08 },
            decor: random.pick(&[Decor::Plain, Decor::Band, Decor::Dots, Decor::Dipped]),
            outer: paint(random),
            second: if random.chance(0.5) { rgb(0xece7dc) } else { paint(random) },
            inner,
            drink,
        }
    }

    /// Scales the plane at this height so that the wall leans outward.
    fn straightened(&self, p: Vec3) -> Vec3 {
        let lean = 1.0 / (1.0 + self.taper * (p.y / self.height - 0.5) * 2.0);
        v(p.x * lean, p.y, p.z * lean)
    }

    fn handle(&self, p: Vec3) -> f32 {
        let x = p.x - self.radius - 0.02;
        let y = p.y - self.height * 0.5;
        let ring = rectangle(x, y, self.handle - 0.1, self.height * 0.3 - 0.1) - 0.1;
        hypot(ring, p.z * 0.8) - 0.042
    }

    fn painted(&self, p: Vec3) -> Vec3 {
        let up = p.y / self.height;
        match self.decor {
            Decor::Plain => self.outer,
            Decor::Band => {
                let band = smoothstep(0.2, 0.18, (up - 0.55).abs());
                let line = smoothstep(0.02, 0.01, ((up - 0.55).abs() - 0.25).abs());
                blend(self.outer, self.second, max(band, line))
            }
            Decor::Dots => {
                let around = libm::atan2f(p.z, p.x) * (9.0 / TAU);
                let row = up * 4.2;
                let shift = if fract(row * 0.5) < 0.5 { 0.0 } else { 0.5 };
                let dot = hypot((fract(around + shift) - 0.5) * 1.25, fract(row) - 0.5);
                blend(self.outer, self.second, smoothstep(0.28, 0.24, dot))
            }
            Decor::Dipped => blend(self.outer, self.second, smoothstep(0.44, 0.46, up)),
        }
    }
}

impl Model for Mug {
    fn distance(&self, p: Vec3) -> f32 {
        let q = self.straightened(p);
        let body = cylinder(q, self.radius, 0.0, self.height, 0.03);
        let hollow = cylinder(q, self.radius - WALL, self.level, self.height + 0.3, 0.03);
        let handle = self.handle(p);
        cut(join(body, handle, 0.04), hollow, 0.025)
    }

    fn surface(&self, p: Vec3) -> Surface {
        let q = self.straightened(p);
        let radial = hypot(q.x, q.z);
        if radial < self.radius - 0.02 && p.y > self.level - 0.02 {
            let on_drink = p.y < self.level + 0.012 && radial < self.radius - WALL - 0.004;
            return if on_drink { self.drink } else { Surface::new(self.inner, 0.5) };
        }
        let on_handle = radial > self.radius + 0.012;
        let colour = if on_handle { self.outer } else { self.painted(p) };
        Surface::new(colour, 0.6)
    }

    fn bounds(&self) -> Bounds {
        let widest = self.radius * (1.0 + self.taper.abs()) + 0.01;
        Bounds {
            low: v(-widest, 0.0, -widest),
            high: v(self.radius + self.handle + 0.07, self.height, widest),
        }
    }
}
