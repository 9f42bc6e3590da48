//! The lamp, the room around it and how surfaces answer them.

use super::math::{Vec3, blend, max, sin_cos, smoothstep, v};
use crate::model::Surface;
use crate::random::Random;

/// One lamp and the light of the room.
#[derive(Debug)]
pub struct Light {
    /// Direction toward the lamp.
    pub toward: Vec3,
    lamp: Vec3,
    sky: Vec3,
    ground: Vec3,
}

/// Shares of the light that reach a point.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Share of the lamp that is visible.
    pub lamp: f32,
    /// Share of the room that is visible.
    pub room: f32,
}

impl Light {
    pub fn new(random: &mut Random, bounce: Vec3) -> Self {
        let (sin_height, cos_height) = sin_cos(random.range(0.6, 1.25));
        // From the side or over the shoulder, never straight into the lens.
        let (sin_side, cos_side) = sin_cos(random.range(-2.0, 2.0));
        let warmth = random.range(0.0, 1.0);
        let colour = blend(v(0.86, 0.96, 1.12), v(1.16, 0.98, 0.76), warmth);
        let lamp = colour * random.range(1.5, 2.4);
        let room = random.range(0.45, 0.8);
        let sky = blend(v(1.0, 0.97, 0.92), v(0.88, 0.96, 1.1), warmth) * room;
        let lit = bounce.tint(lamp * (0.25 * sin_height) + sky * 0.4);
        Self {
            toward: v(sin_side * cos_height, sin_height, cos_side * cos_height),
            lamp,
            sky,
            ground: lit + sky * 0.12,
        }
    }

    /// Returns the light of the room from this direction.
    fn room(&self, direction: Vec3) -> Vec3 {
        blend(self.ground, self.sky, smoothstep(-0.6, 0.8, direction.y))
    }

    /// Returns the mirror image of the room: a bright ceiling above darker walls.
    fn mirrored(&self, direction: Vec3) -> Vec3 {
        let wall = blend(self.ground, self.sky * 0.55, smoothstep(-0.1, 0.15, direction.y));
        blend(wall, self.sky * 1.7, smoothstep(0.45, 0.8, direction.y))
    }

    /// Returns the light that leaves a surface toward the eye; `gaze` travels into the scene.
    pub fn leaving(&self, surface: &Surface, normal: Vec3, gaze: Vec3, reach: Reach) -> Vec3 {
        let facing = max(normal.dot(self.toward), 0.0) * reach.lamp;
        let scattered = self.lamp * facing + self.room(normal) * reach.room;
        let half = (self.toward - gaze).unit();
        let glint = power_64(max(normal.dot(half), 0.0)) * reach.lamp;
        let grazing = 1.0 - max(-normal.dot(gaze), 0.0);
        let square = grazing * grazing;
        let fresnel = 0.04 + 0.6 * square * square * grazing;
        let mirrored = self.mirrored(gaze.reflect(normal)) * reach.room;

        let matt = surface.colour.tint(scattered) * (1.0 - surface.metal);
        let lacquer = (self.lamp * (glint * 0.45) + mirrored * fresnel) * surface.gloss;
        let metal = surface.colour.tint(mirrored * 1.5 + self.lamp * (glint * 0.9)) * surface.metal;
        matt + lacquer + metal
    }

    /// Returns the light that leaves the wall, which faces the room.
    pub fn on_wall(&self, colour: Vec3) -> Vec3 {
        let facing = max(self.toward.z, 0.0);
        colour.tint(self.lamp * (0.25 + 0.45 * facing) + self.sky * 0.7)
    }
}

fn power_64(x: f32) -> f32 {
    (0..6).fold(x, |power, _| power * power)
}

/// Compresses scene light to `0..1` the way film does: soft shoulder, deep shadows.
pub fn develop(light: Vec3) -> Vec3 {
    light.map(|x| {
        let x = x * 0.56;
        ((x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadow_darkens_and_light_brightens() {
        let light = Light::new(&mut Random::new(1, 0), v(0.5, 0.5, 0.5));
        let surface = Surface::new(v(0.5, 0.5, 0.5), 0.3);
        let normal = v(0.0, 1.0, 0.0);
        let gaze = v(0.0, -0.6, -0.8);
        let open = light.leaving(&surface, normal, gaze, Reach { lamp: 1.0, room: 1.0 });
        let shaded = light.leaving(&surface, normal, gaze, Reach { lamp: 0.0, room: 1.0 });
        assert!(open.y > shaded.y * 1.3 && shaded.y > 0.0);
    }

    #[test]
    fn development_is_monotonic_and_bounded() {
        let mut last = -1.0;
        for i in 0..1000 {
            let now = develop(v(i as f32 * 0.02, 0.0, 0.0)).x;
            assert!(now >= last && now <= 1.0);
            last = now;
        }
        assert!(last > 0.98);
    }
}
