//! A banana lying on its side.

use super::{Bounds, Model, Surface};
use crate::random::Random;
use crate::render::math::{Vec3, blend, hypot, max, mix, rgb, sin_cos, smoothstep, unit_clamp, v};
use crate::render::noise::space;

/// A bent, tapering, slightly five-sided rod.
#[derive(Debug)]
pub struct Banana {
    bend: f32,
    half_angle: (f32, f32),
    thickness: f32,
    skin: Vec3,
    tip: Vec3,
    spots: f32,
    layer: i32,
}

impl Banana {
    pub fn new(random: &mut Random) -> Self {
        let bend = random.range(0.55, 0.85);
        // A length of about one and a quarter, whatever the bend.
        let half_angle = random.range(0.56, 0.66) / bend;
        let ripe = random.range(0.0, 1.0);
        let green = blend(rgb(0x8fa53a), rgb(0xe9b832), smoothstep(0.0, 0.3, ripe));
        Self {
            bend,
            half_angle: sin_cos(half_angle),
            thickness: random.range(0.12, 0.15),
            skin: blend(green, rgb(0xc88c28), smoothstep(0.7, 1.0, ripe) * 0.6),
            tip: blend(rgb(0x7d8a30), rgb(0x4a3418), smoothstep(0.1, 0.5, ripe)),
            spots: smoothstep(0.5, 1.0, ripe),
            layer: random.below(1000) as i32,
        }
    }

    /// Returns the position along the fruit in `-1..1`, stem at the end, and the offset from its
    /// bent axis: outward, upward and beyond the end.
    fn unbent(&self, p: Vec3) -> (f32, Vec3) {
        let (sin, cos) = self.half_angle;
        // The arc's centre lies behind the fruit so that the fruit is centred on the origin.
        let x = p.x;
        let z = p.z + self.bend * (1.0 + cos) * 0.5;
        let radius = hypot(x, z);
        let within = z * sin > x.abs() * cos;
        if within && radius > 0.0 {
            (x / (radius * sin), v(radius - self.bend, p.y - self.thickness, 0.0))
        } else {
            let end = if x < 0.0 { -1.0 } else { 1.0 };
            let dx = x.abs() - self.bend * sin;
            let dz = z - self.bend * cos;
            let beyond = dx * cos - dz * sin;
            (end, v(dx * sin + dz * cos, p.y - self.thickness, beyond))
        }
    }

    fn girth(&self, along: f32) -> f32 {
        let near_end = along * along;
        let body = self.thickness * (1.0 - 0.42 * near_end * near_end);
        let stem = smoothstep(0.74, 0.93, along);
        let blossom = smoothstep(-0.82, -1.0, along);
        mix(mix(body, self.thickness * 0.3, stem), self.thickness * 0.4, blossom)
    }
}

impl Model for Banana {
    fn distance(&self, p: Vec3) -> f32 {
        let (along, offset) = self.unbent(p);
        let a = offset.x.abs();
        let b = offset.y.abs();
        let round = hypot(a, b);
        let ridged = max(b, max(0.5 * b + 0.866 * a, 0.866 * b + 0.5 * a * 0.9));
        let section = mix(round, ridged, 0.5);
        0.8 * (hypot(section, offset.z) - self.girth(along))
    }

    fn surface(&self, p: Vec3) -> Surface {
        let (along, offset) = self.unbent(p);
        let freckles = space(p * 14.0, self.layer) * 0.6 + space(p * 37.0, self.layer + 1) * 0.4;
        let bruise = smoothstep(0.8 - 0.28 * self.spots, 0.9 - 0.28 * self.spots, freckles);
        let shade = 0.88 + 0.24 * space(v(along * 3.0, offset.x * 30.0, offset.y * 30.0), 5);
        let skin = blend(self.skin * shade, rgb(0x5a3a1c), bruise * self.spots);
        let green_end = smoothstep(0.55, 0.95, along) * (1.0 - self.spots) * 0.5;
        let skin = blend(skin, rgb(0x93a13a), green_end);
        let dark = unit_clamp(smoothstep(0.93, 0.99, along) + smoothstep(-0.93, -0.98, along));
        Surface::new(blend(skin, self.tip, dark), 0.2)
    }

    fn bounds(&self) -> Bounds {
        Bounds::standing(0.74, 2.0 * self.thickness, 0.45)
    }
}
