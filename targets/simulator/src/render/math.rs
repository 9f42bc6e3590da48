//! Three-component vectors and the scalar helpers of the renderer.
//!
//! Only operations whose result IEEE 754 fixes to the bit are used (`+ - * /`, `sqrt`, comparison),
//! and `libm` elsewhere. `f32::min` and `f32::max` are avoided: the sign of a zero they return is
//! left to the platform.

use std::ops::{Add, Mul, Neg, Sub};

/// A point, a direction or a linear-light colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vec3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

/// Shorthand for a [`Vec3`].
pub const fn v(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

/// Converts a display colour `0xRRGGBB` to linear light, with a gamma of two.
pub fn rgb(hex: u32) -> Vec3 {
    let [r, g, b] = [16, 8, 0].map(|shift| {
        let value = (hex >> shift & 255) as f32 / 255.0;
        value * value
    });
    v(r, g, b)
}

impl Vec3 {
    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub fn cross(self, other: Self) -> Self {
        v(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// Returns the vector scaled to length one, or straight up for the null vector.
    pub fn unit(self) -> Self {
        let length = self.length();
        if length > 0.0 { self * (1.0 / length) } else { v(0.0, 1.0, 0.0) }
    }

    /// Multiplies component by component: a surface colour under a light colour.
    pub fn tint(self, other: Self) -> Self {
        v(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    pub fn map(self, f: impl Fn(f32) -> f32) -> Self {
        v(f(self.x), f(self.y), f(self.z))
    }

    /// Mirrors a direction of travel at a surface with this normal.
    pub fn reflect(self, normal: Self) -> Self {
        self - normal * (2.0 * self.dot(normal))
    }

    /// Rotates about the vertical axis.
    pub fn turn(self, (sin, cos): (f32, f32)) -> Self {
        v(cos * self.x + sin * self.z, self.y, cos * self.z - sin * self.x)
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        v(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        v(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, factor: f32) -> Self {
        v(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        v(-self.x, -self.y, -self.z)
    }
}

/// Returns the smaller of two numbers that are not NaN.
pub fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// Returns the larger of two numbers that are not NaN.
pub fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

pub fn unit_clamp(x: f32) -> f32 {
    x.clamp(0.0, 1.0)
}

/// Returns `a` at `t = 0` and `b` at `t = 1`.
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// [`mix`] for colours and points.
pub fn blend(a: Vec3, b: Vec3, t: f32) -> Vec3 {
    a + (b - a) * t
}

/// Rises smoothly from zero at `low` to one at `high`.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = unit_clamp((x - low) / (high - low));
    t * t * (3.0 - 2.0 * t)
}

/// Returns the next lower whole number of a moderate `x`, as both types.
///
/// Much faster than a general `floor` where the processor has no instruction for it.
pub fn floor(x: f32) -> (i32, f32) {
    let toward_zero = x as i32;
    let whole = if (toward_zero as f32) > x { toward_zero - 1 } else { toward_zero };
    (whole, whole as f32)
}

/// Returns the part of `x` above the next lower whole number.
pub fn fract(x: f32) -> f32 {
    x - floor(x).1
}

/// Returns `(sin, cos)`, ready for [`Vec3::turn`].
pub fn sin_cos(angle_rad: f32) -> (f32, f32) {
    (libm::sinf(angle_rad), libm::cosf(angle_rad))
}

/// Returns the length of a two-dimensional vector.
pub fn hypot(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_keeps_length_and_height() {
        let turned = v(3.0, 1.0, 4.0).turn(sin_cos(0.7));
        assert!((turned.length() - v(3.0, 1.0, 4.0).length()).abs() < 1e-5);
        assert_eq!(turned.y, 1.0);
        assert!((v(1.0, 0.0, 0.0).turn((1.0, 0.0)) - v(0.0, 0.0, -1.0)).length() < 1e-6);
    }

    #[test]
    fn a_mirror_returns_the_ray() {
        let up = v(0.0, 1.0, 0.0);
        assert_eq!(v(0.6, -0.8, 0.0).reflect(up), v(0.6, 0.8, 0.0));
    }

    #[test]
    fn floors_go_down() {
        for (x, whole) in [(1.5, 1), (-1.5, -2), (-2.0, -2), (0.0, 0), (-0.25, -1)] {
            assert_eq!(floor(x), (whole, whole as f32));
        }
        assert_eq!(fract(-0.25), 0.75);
    }

    #[test]
    fn null_vector_has_a_direction() {
        assert_eq!(v(0.0, 0.0, 0.0).unit().length(), 1.0);
    }
}
