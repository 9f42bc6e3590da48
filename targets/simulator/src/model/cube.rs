//! A cube: die, puzzle cube, wooden block or wrapped present.

use super::{Bounds, Model, Surface, paint};
use crate::random::Random;
use crate::render::math::{Vec3, blend, fract, hypot, max, min, rgb, smoothstep, v};
use crate::render::noise::{hash, stretched};
use crate::render::shape::rounded_box;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Die,
    Puzzle,
    Block,
    Present,
}

/// A cube of one kind.
#[derive(Debug)]
pub struct Cube {
    half: f32,
    rounding: f32,
    kind: Kind,
    first: Vec3,
    second: Vec3,
    layer: i32,
}

/// A point on one face, both coordinates in `-1..1`.
struct OnFace {
    face: i32,
    u: f32,
    w: f32,
}

impl OnFace {
    /// Returns the distance of the nearest spot, or `most` if all are farther.
    fn nearest(&self, spots: &[(f32, f32)], most: f32) -> f32 {
        spots.iter().fold(most, |nearest, &(u, w)| min(nearest, hypot(self.u - u, self.w - w)))
    }
}

impl Cube {
    pub fn new(random: &mut Random) -> Self {
        let kind = random.pick(&[Kind::Die, Kind::Puzzle, Kind::Block, Kind::Present]);
        let half = random.range(0.3, 0.38);
        let light = rgb(0xece6d8);
        let (first, second) = match kind {
            Kind::Die if random.chance(0.5) => (light, rgb(0x22222a)),
            Kind::Die => (paint(random) * 0.8, light),
            _ => (paint(random), if random.chance(0.3) { light } else { paint(random) }),
        };
        let rounding = match kind {
            Kind::Die => 0.09,
            Kind::Puzzle => 0.035,
            Kind::Block => 0.03,
            Kind::Present => 0.015,
        };
        let layer = random.below(1000) as i32;
        Self { half, rounding, kind, first, second, layer }
    }

    fn on_face(&self, p: Vec3) -> OnFace {
        let q = (p - v(0.0, self.half, 0.0)) * (1.0 / self.half);
        let x = q.x.abs();
        let y = q.y.abs();
        let z = q.z.abs();
        if x > y && x > z {
            OnFace { face: if q.x > 0.0 { 0 } else { 5 }, u: q.z, w: q.y }
        } else if y > z {
            OnFace { face: if q.y > 0.0 { 1 } else { 4 }, u: q.x, w: q.z }
        } else {
            OnFace { face: if q.z > 0.0 { 2 } else { 3 }, u: q.x, w: q.y }
        }
    }

    fn die(&self, at: &OnFace) -> Surface {
        let spots = at.face + 1;
        let mut nearest = 9.0;
        if spots % 2 == 1 {
            nearest = at.nearest(&[(0.0, 0.0)], nearest);
        }
        if spots > 1 {
            nearest = at.nearest(&[(-0.5, -0.5), (0.5, 0.5)], nearest);
        }
        if spots > 3 {
            nearest = at.nearest(&[(-0.5, 0.5), (0.5, -0.5)], nearest);
        }
        if spots == 6 {
            nearest = at.nearest(&[(-0.5, 0.0), (0.5, 0.0)], nearest);
        }
        Surface::new(blend(self.second, self.first, smoothstep(0.17, 0.19, nearest)), 0.6)
    }

    fn puzzle(&self, at: &OnFace) -> Surface {
        const STICKERS: [u32; 6] = [0xd63a34, 0xf0f0ea, 0x2f9e58, 0xf08a30, 0xf2d23c, 0x2f62c4];
        let u = (at.u + 1.0) * 1.5;
        let w = (at.w + 1.0) * 1.5;
        let pick = hash(at.face * 9 + u as i32, w as i32, self.layer) % 6;
        let edge = max((fract(u) - 0.5).abs(), (fract(w) - 0.5).abs());
        let colour =
            blend(rgb(STICKERS[pick as usize]), rgb(0x16161a), smoothstep(0.4, 0.42, edge));
        Surface::new(colour, 0.4)
    }

    fn block(&self, at: &OnFace, p: Vec3) -> Surface {
        let grain = stretched(p, 4.0, 26.0, 4.0, self.layer);
        let wood = blend(rgb(0xd9b27c), rgb(0xb98a54), grain);
        let border = max(at.u.abs(), at.w.abs());
        let colour = if at.face % 2 == 0 { self.first } else { self.second };
        let sign = match at.face % 3 {
            0 => (hypot(at.u, at.w) - 0.36).abs() - 0.1,
            1 => min(at.u.abs(), at.w.abs()) - 0.1 + smoothstep(0.44, 0.46, border),
            _ => (at.u.abs() + at.w.abs() - 0.45).abs() - 0.12,
        };
        let frame = smoothstep(0.68, 0.7, border) * smoothstep(0.9, 0.88, border);
        let painted = max(frame, smoothstep(0.01, -0.01, sign));
        Surface::new(blend(wood, colour, painted), 0.15)
    }

    fn present(&self, at: &OnFace) -> Surface {
        let ribbon = smoothstep(0.19, 0.17, min(at.u.abs(), at.w.abs()));
        let u = fract(at.u * 2.5) - 0.5;
        let w = fract(at.w * 2.5) - 0.5;
        let dots = smoothstep(0.2, 0.15, hypot(u, w)) * 0.35;
        let paper = blend(self.first, rgb(0xf4efe4), dots);
        Surface::new(blend(paper, self.second, ribbon), 0.2 + 0.5 * ribbon)
    }
}

impl Model for Cube {
    fn distance(&self, p: Vec3) -> f32 {
        rounded_box(p - v(0.0, self.half, 0.0), self.half, self.rounding)
    }

    fn surface(&self, p: Vec3) -> Surface {
        let at = self.on_face(p);
        match self.kind {
            Kind::Die => self.die(&at),
            Kind::Puzzle => self.puzzle(&at),
            Kind::Block => self.block(&at, p),
            Kind::Present => self.present(&at),
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds::standing(self.half, 2.0 * self.half, self.half)
    }
}
