//! Smooth noise from hashed lattice points, the stuff of wood grain and cloth.

use super::math::{Vec3, floor, mix, v};

/// Scrambles a lattice point to 32 bits.
pub fn hash(x: i32, y: i32, z: i32) -> u32 {
    let mut h = (x as u32).wrapping_mul(0x8da6_b343)
        ^ (y as u32).wrapping_mul(0xd816_3841)
        ^ (z as u32).wrapping_mul(0xcb1a_b31f);
    h = (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ h >> 12).wrapping_mul(0x297a_2d39);
    h ^ h >> 15
}

/// Returns a number in `0..1` that belongs to this lattice point.
pub fn cell(x: i32, y: i32, z: i32) -> f32 {
    (hash(x, y, z) >> 8) as f32 / 16_777_216.0
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Returns smooth noise in `0..1` on the plane; `layer` selects an independent pattern.
pub fn plane(x: f32, y: f32, layer: i32) -> f32 {
    let (ix, fx) = floor(x);
    let (iy, fy) = floor(y);
    let tx = ease(x - fx);
    let ty = ease(y - fy);
    let near = mix(cell(ix, iy, layer), cell(ix + 1, iy, layer), tx);
    let far = mix(cell(ix, iy + 1, layer), cell(ix + 1, iy + 1, layer), tx);
    mix(near, far, ty)
}

/// Three octaves of [`plane`], still in `0..1`.
pub fn cloud(x: f32, y: f32, layer: i32) -> f32 {
    plane(x, y, layer) * 0.571
        + plane(x * 2.03 + 7.1, y * 2.03, layer) * 0.286
        + plane(x * 4.11, y * 4.11 + 3.7, layer) * 0.143
}

/// Returns smooth noise in `0..1` in space.
pub fn space(p: Vec3, layer: i32) -> f32 {
    let (iz, fz) = floor(p.z);
    let low = plane(p.x, p.y, iz.wrapping_mul(31).wrapping_add(layer));
    let high = plane(p.x, p.y, iz.wrapping_add(1).wrapping_mul(31).wrapping_add(layer));
    mix(low, high, ease(p.z - fz))
}

/// Scales a point before looking it up in [`space`].
pub fn stretched(p: Vec3, x: f32, y: f32, z: f32, layer: i32) -> f32 {
    space(p.tint(v(x, y, z)), layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_and_continuous() {
        let mut last = cloud(-5.0, 0.3, 1);
        for step in 1..2000 {
            let now = cloud(-5.0 + step as f32 * 0.005, 0.3, 1);
            assert!((0.0..=1.0).contains(&now));
            assert!((now - last).abs() < 0.05);
            last = now;
        }
    }

    #[test]
    fn layers_differ() {
        assert_ne!(plane(0.5, 0.5, 1), plane(0.5, 0.5, 2));
        assert_ne!(space(v(0.5, 0.5, 0.5), 1), space(v(0.5, 0.5, 1.5), 1));
    }
}
