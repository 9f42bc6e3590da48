//! Signed distances: how far a point is from a surface, negative inside.

use super::math::{Vec3, hypot, max, min, mix, unit_clamp};

/// Distance to a rectangle in the plane, given half its sides.
pub fn rectangle(x: f32, y: f32, half_x: f32, half_y: f32) -> f32 {
    let dx = x.abs() - half_x;
    let dy = y.abs() - half_y;
    hypot(max(dx, 0.0), max(dy, 0.0)) + min(max(dx, dy), 0.0)
}

/// Distance to a box about the origin with edges rounded off.
pub fn rounded_box(p: Vec3, half: f32, rounding: f32) -> f32 {
    let d = p.map(|c| c.abs() - (half - rounding));
    let outside = d.map(|c| max(c, 0.0)).length();
    outside + min(max(d.x, max(d.y, d.z)), 0.0) - rounding
}

/// Distance to an upright cylinder standing on the plane `y = low`, edges rounded off.
pub fn cylinder(p: Vec3, radius: f32, low: f32, high: f32, rounding: f32) -> f32 {
    let half = (high - low) * 0.5;
    let radial = hypot(p.x, p.z);
    // Mirroring a rectangle about the axis gives the same solid without the interior seam.
    rectangle(radial, p.y - low - half, radius - rounding, half - rounding) - rounding
}

/// Gives a flat outline at height zero a thickness, with edges rounded off.
pub fn slab(outline: f32, height: f32, half: f32, rounding: f32) -> f32 {
    let dx = outline + rounding;
    let dy = height.abs() - half + rounding;
    hypot(max(dx, 0.0), max(dy, 0.0)) + min(max(dx, dy), 0.0) - rounding
}

/// Joins two solids with a fillet of about this width.
pub fn join(a: f32, b: f32, width: f32) -> f32 {
    let t = unit_clamp(0.5 + 0.5 * (b - a) / width);
    mix(b, a, t) - width * t * (1.0 - t)
}

/// Cuts the second solid out of the first, breaking the edge by about this width.
pub fn cut(a: f32, b: f32, width: f32) -> f32 {
    -join(-a, b, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::math::v;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-5
    }

    #[test]
    fn distances_are_those_of_a_ruler() {
        assert!(near(rectangle(3.0, 0.0, 1.0, 2.0), 2.0));
        assert!(near(rectangle(4.0, 6.0, 1.0, 2.0), 5.0));
        assert!(near(rounded_box(v(3.0, 0.0, 0.0), 1.0, 0.1), 2.0));
        assert!(near(cylinder(v(0.0, 5.0, 0.0), 1.0, 1.0, 3.0, 0.1), 2.0));
        assert!(near(cylinder(v(0.0, 2.0, 4.0), 1.0, 1.0, 3.0, 0.1), 3.0));
        assert!(near(slab(-1.0, 2.0, 0.5, 0.1), 1.5));
    }

    #[test]
    fn insides_are_negative() {
        assert!(rounded_box(v(0.2, 0.1, 0.0), 1.0, 0.1) < 0.0);
        assert!(cut(-1.0, -0.5, 0.01) > 0.0);
        assert!(join(-1.0, 2.0, 0.01) < 0.0);
    }
}
