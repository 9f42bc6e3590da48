//! Scene of one image: everything that the seed determines.

use crate::Object;
use crate::model::{Model, specimen};
use crate::random::Random;
use crate::render::light::Light;
use crate::render::math::{Vec3, sin_cos, v};
use crate::table::Table;

/// An object at its place on the table.
pub struct Placed {
    pub model: Box<dyn Model>,
    /// Position of the model's origin.
    pub at: Vec3,
    pub scale: f32,
    turn: (f32, f32),
}

/// Position and optics of the camera.
#[derive(Debug)]
pub struct View {
    pub eye: Vec3,
    right: Vec3,
    up: Vec3,
    forward: Vec3,
    zoom: f32,
    /// Brightness lost in the corners.
    pub vignette: f32,
    /// Standard deviation of the sensor's noise in display units of one.
    pub noise: f32,
}

/// One arrangement of camera, lamp, table and perhaps an object.
pub struct Scene {
    pub view: View,
    pub light: Light,
    pub table: Table,
    pub placed: Option<Placed>,
}

impl Scene {
    pub fn new(object: Option<Object>, seed: u64) -> Self {
        // The surroundings must not depend on the object: they have a stream of their own.
        let surroundings = &mut Random::new(seed, 0);
        let table = Table::new(surroundings);
        let light = Light::new(surroundings, table.bounce());
        let view = View::new(surroundings);
        let placed = object.map(|object| Placed::new(object, &mut Random::new(seed, 1)));
        Self { view, light, table, placed }
    }
}

impl View {
    fn new(random: &mut Random) -> Self {
        let distance = random.range(2.5, 3.2);
        let (sin_height, cos_height) = sin_cos(random.range(0.42, 0.95));
        let target = v(random.range(-0.16, 0.16), random.range(0.24, 0.4), 0.0);
        let eye = target + v(0.0, sin_height, cos_height) * distance;
        let forward = (target - eye).unit();
        let (sin_roll, cos_roll) = sin_cos(random.range(-0.1, 0.1));
        let level = v(1.0, 0.0, 0.0);
        let upright = level.cross(forward);
        Self {
            eye,
            right: level * cos_roll + upright * sin_roll,
            up: upright * cos_roll - level * sin_roll,
            forward,
            zoom: random.range(2.6, 3.0),
            vignette: random.range(0.08, 0.3),
            noise: random.range(0.006, 0.018),
        }
    }

    /// Returns the direction seen at a point of the image; the shorter side spans `-1..1`, y up.
    pub fn gaze(&self, x: f32, y: f32) -> Vec3 {
        (self.right * x + self.up * y + self.forward * self.zoom).unit()
    }
}

/// Returns the size at which an object fills the image about as well as the others.
fn usual_scale(object: Object) -> f32 {
    match object {
        Object::Mug => 1.0,
        Object::Ball | Object::Cube | Object::Plant => 1.1,
        Object::Banana | Object::Key => 1.25,
    }
}

impl Placed {
    fn new(object: Object, random: &mut Random) -> Self {
        let flat = matches!(object, Object::Banana | Object::Key);
        // The camera aims above the table: what lies flat is moved up the image.
        let back = if flat { 0.25 } else { 0.0 };
        let at = v(random.range(-0.22, 0.22), 0.0, random.range(-0.2, 0.2) - back);
        let scale = usual_scale(object) * random.range(0.9, 1.12);
        let turn = sin_cos(random.angle());
        Self { model: specimen(object, random), at, scale, turn }
    }

    /// Expresses a point in the model's own frame and size.
    pub fn to_model(&self, p: Vec3) -> Vec3 {
        ((p - self.at) * (1.0 / self.scale)).turn((-self.turn.0, self.turn.1))
    }

    /// Expresses a direction in the model's frame.
    pub fn direction_to_model(&self, d: Vec3) -> Vec3 {
        d.turn((-self.turn.0, self.turn.1))
    }

    /// Expresses a direction of the model's frame in the scene's.
    pub fn direction_from_model(&self, d: Vec3) -> Vec3 {
        d.turn(self.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_reference_invert() {
        let placed = Placed::new(Object::Ball, &mut Random::new(4, 1));
        let d = v(0.6, 0.0, 0.8);
        let back = placed.direction_from_model(placed.direction_to_model(d));
        assert!((back - d).length() < 1e-6);
        assert!(placed.to_model(placed.at).length() < 1e-6);
    }

    #[test]
    fn the_object_does_not_move_the_camera() {
        let empty = Scene::new(None, 9);
        let full = Scene::new(Some(Object::Key), 9);
        assert_eq!(empty.view.eye, full.view.eye);
        assert_eq!(empty.light.toward, full.light.toward);
    }

    #[test]
    fn right_is_right_and_up_is_up() {
        for seed in 0..50 {
            let view = Scene::new(None, seed).view;
            assert!(view.gaze(1.0, 0.0).x > view.gaze(-1.0, 0.0).x);
            assert!(view.gaze(0.0, 1.0).y > view.gaze(0.0, -1.0).y);
            assert!(view.gaze(0.0, 0.0).z < 0.0);
        }
    }
}
