//! Follows one line of sight to the first surface and returns its light.

use super::light::Reach;
use super::math::{Vec3, max, min, mix, smoothstep, v};
use crate::model::{Bounds, Model};
use crate::scene::{Placed, Scene};

/// Steps of a line of sight before it is taken to graze past.
const SIGHT_STEPS: u32 = 56;
/// Steps of a shadow ray: shadows are soft, so they may be coarse.
const SHADOW_STEPS: u32 = 16;
/// Distance at which a surface counts as reached.
const CONTACT: f32 = 0.004;

/// Distances of table and wall along a line of sight.
struct Backdrop {
    table: f32,
    wall: f32,
}

impl Backdrop {
    fn behind(scene: &Scene, gaze: Vec3) -> Self {
        let eye = scene.view.eye;
        let table = if gaze.y < 0.0 { -eye.y / gaze.y } else { f32::MAX };
        let wall = if gaze.z < 0.0 { (scene.table.wall_z - eye.z) / gaze.z } else { f32::MAX };
        Self { table, wall }
    }

    fn nearest(&self) -> f32 {
        min(min(self.table, self.wall), 100.0)
    }
}

/// Returns true if the object is seen in a direction.
pub fn meets_object(scene: &Scene, gaze: Vec3) -> bool {
    let limit = Backdrop::behind(scene, gaze).nearest();
    scene.placed.as_ref().is_some_and(|placed| sight(placed, scene.view.eye, gaze, limit).is_some())
}

/// Returns the light that arrives from a direction.
pub fn trace(scene: &Scene, gaze: Vec3) -> Vec3 {
    let eye = scene.view.eye;
    let behind = Backdrop::behind(scene, gaze);
    let backdrop = behind.nearest();
    if let Some(placed) = &scene.placed
        && let Some(local) = sight(placed, eye, gaze, backdrop)
    {
        return object_light(scene, placed, local, gaze);
    }
    let p = eye + gaze * backdrop;
    if behind.table < behind.wall {
        table_light(scene, p, gaze)
    } else {
        scene.light.on_wall(scene.table.wall(p.x, p.y))
    }
}

/// Returns where a ray enters and leaves a box, if it meets it.
fn crossing(bounds: &Bounds, from: Vec3, toward: Vec3) -> Option<(f32, f32)> {
    // A direction along a face would divide zero by zero; a hair off does not.
    let inverse = toward.map(|d| 1.0 / if d.abs() < 1e-7 { 1e-7 } else { d });
    let a = (bounds.low - from).tint(inverse);
    let b = (bounds.high - from).tint(inverse);
    let enter = max(max(min(a.x, b.x), min(a.y, b.y)), max(min(a.z, b.z), 0.0));
    let leave = min(max(a.x, b.x), min(max(a.y, b.y), max(a.z, b.z)));
    (enter < leave).then_some((enter, leave))
}

/// Returns the model's point on the line of sight, in the model's frame.
fn sight(placed: &Placed, eye: Vec3, gaze: Vec3, limit: f32) -> Option<Vec3> {
    let from = placed.to_model(eye);
    let toward = placed.direction_to_model(gaze);
    let (mut t, leave) = crossing(&placed.model.bounds(), from, toward)?;
    let end = min(leave, limit / placed.scale);
    for _ in 0..SIGHT_STEPS {
        if t > end {
            return None;
        }
        let p = from + toward * t;
        let distance = placed.model.distance(p);
        if distance < CONTACT {
            return Some(p);
        }
        t += distance * 0.95;
    }
    None
}

/// Returns the share of the lamp a point of the model's frame sees past the model.
fn lamp_reach(placed: &Placed, from: Vec3, toward: Vec3) -> f32 {
    const SHARPNESS: f32 = 9.0;
    let Some((enter, leave)) = crossing(&placed.model.bounds().grown(0.1), from, toward) else {
        return 1.0;
    };
    let mut t = max(enter, 0.02);
    let mut reach = 1.0;
    for _ in 0..SHADOW_STEPS {
        let distance = placed.model.distance(from + toward * t);
        reach = min(reach, SHARPNESS * distance / t);
        if reach < 0.01 || t > leave {
            break;
        }
        t += distance.clamp(0.035, 0.3);
    }
    smoothstep(0.0, 1.0, reach)
}

/// Returns the direction in which the distance grows fastest.
fn normal(model: &dyn Model, p: Vec3) -> Vec3 {
    const E: f32 = 0.004;
    // The four corners of a tetrahedron give the gradient with the fewest evaluations.
    let corners = [v(1.0, -1.0, -1.0), v(-1.0, -1.0, 1.0), v(-1.0, 1.0, -1.0), v(1.0, 1.0, 1.0)];
    let sum = corners
        .iter()
        .fold(v(0.0, 0.0, 0.0), |sum, &corner| sum + corner * model.distance(p + corner * E));
    sum.unit()
}

fn object_light(scene: &Scene, placed: &Placed, p: Vec3, gaze: Vec3) -> Vec3 {
    let model = placed.model.as_ref();
    let local_normal = normal(model, p);
    let surface = model.surface(p);
    let toward = placed.direction_to_model(scene.light.toward);
    let facing = local_normal.dot(toward) > 0.0;
    let lamp = if facing { lamp_reach(placed, p + local_normal * 0.012, toward) } else { 0.0 };
    // Two probes along the normal: what is close by hides part of the room.
    let near = model.distance(p + local_normal * 0.05) / 0.05;
    let far = model.distance(p + local_normal * 0.16) / 0.16;
    let open = (0.6 * near + 0.4 * far).clamp(0.0, 1.0);
    let above_table = smoothstep(-0.1, 0.25, p.y + 0.3 * local_normal.y);
    let room = mix(0.35, 1.0, open) * mix(0.55, 1.0, above_table);
    let outward = placed.direction_from_model(local_normal);
    scene.light.leaving(&surface, outward, gaze, Reach { lamp, room })
}

fn table_light(scene: &Scene, p: Vec3, gaze: Vec3) -> Vec3 {
    let surface = scene.table.surface(p.x, p.z);
    let corner = scene.table.corner(p.z);
    let mut reach = Reach { lamp: 1.0, room: corner };
    if let Some(placed) = &scene.placed {
        let local = placed.to_model(p);
        if placed.model.bounds().grown(0.33).contains(local) {
            let gap = placed.model.distance(local);
            reach.room = corner * mix(0.4, 1.0, smoothstep(-0.05, 0.32, gap));
        }
        reach.lamp = lamp_reach(placed, local, placed.direction_to_model(scene.light.toward));
    }
    scene.light.leaving(&surface, v(0.0, 1.0, 0.0), gaze, reach)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;

    #[test]
    fn rays_cross_boxes_where_they_should() {
        let bounds = Bounds { low: v(-1.0, -1.0, -6.0), high: v(1.0, 1.0, -4.0) };
        let ahead = crossing(&bounds, v(0.0, 0.0, 0.0), v(0.0, 0.0, -1.0));
        assert_eq!(ahead, Some((4.0, 6.0)));
        let inside = crossing(&bounds, v(0.5, 0.0, -5.0), v(1.0, 0.0, 0.0));
        assert_eq!(inside, Some((0.0, 0.5)));
        assert_eq!(crossing(&bounds, v(0.0, 0.0, 0.0), v(0.0, 0.0, 1.0)), None);
        assert_eq!(crossing(&bounds, v(0.0, 3.0, 0.0), v(0.0, 0.0, -1.0)), None);
    }

    #[test]
    fn a_ball_has_the_normal_of_a_ball_and_casts_a_shadow() {
        let scene = Scene::new(Some(Object::Ball), 2);
        let placed = scene.placed.as_ref().unwrap();
        let radius = placed.model.bounds().high.x;
        let side = v(0.6, 0.0, 0.8);
        let at = v(0.0, radius, 0.0) + side * radius;
        assert!((normal(placed.model.as_ref(), at) - side).length() < 0.01);
        assert_eq!(lamp_reach(placed, v(0.0, 0.0, 0.0), v(0.0, 1.0, 0.0)), 0.0);
        assert_eq!(lamp_reach(placed, v(3.0, 0.0, 0.0), v(0.0, 1.0, 0.0)), 1.0);
    }
}
