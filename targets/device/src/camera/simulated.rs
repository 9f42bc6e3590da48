//! Camera without hardware.

use std::time::Duration;

use offshoot_simulator::{Camera, Conditions, Object};

use super::frame_buffer::CapturedFrame;
use super::frame_rate::Pace;
use crate::ports::{FrameSource, SourceError};

/// Objects in the order in which they are shown: easily distinguished ones come first.
const THINGS: [Object; 6] =
    [Object::Mug, Object::Plant, Object::Banana, Object::Ball, Object::Key, Object::Cube];

/// Share of the light that is left after each frame while it goes, and least light.
const GOING: f32 = 0.99;
const NIGHT: f32 = 0.02;

/// Part of the lens that something slides over in a frame.
const SLIDING: f32 = 0.25;

/// Fault that a scripted session asks for in place of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The light goes slowly.
    Dusk,
    /// The lens is covered.
    Cover,
}

/// Simulated camera: every frame is a new view of the object before it, or of the empty table.
#[derive(Debug)]
pub struct Simulated {
    camera: Camera,
    object: Option<Object>,
    looks: u64,
    pace: Pace,
    fault: Option<Fault>,
    conditions: Conditions,
}

impl Simulated {
    /// Creates a camera that looks at a mug, at the rate of `pause`: without limit if that is zero.
    pub fn new(pause: Duration) -> Self {
        Self {
            camera: Camera::new(160, 120),
            object: Some(THINGS[0]),
            looks: 0,
            pace: Pace::new(pause),
            fault: None,
            conditions: Conditions::GOOD,
        }
    }

    /// Returns the names of the objects it can show.
    pub fn names() -> impl Iterator<Item = &'static str> {
        THINGS.into_iter().map(Object::name)
    }
}

impl FrameSource for Simulated {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.pace.wait();
        let Conditions { light, cover } = &mut self.conditions;
        match self.fault {
            Some(Fault::Dusk) => *light = (*light * GOING).max(NIGHT),
            Some(Fault::Cover) => *cover = (*cover + SLIDING).min(1.0),
            None => {}
        }
        let image = self.camera.look_in(self.object, 1_000 + self.looks, self.conditions);
        self.looks += 1;
        shot.reshape(image.width, image.height).copy_from_slice(&image.rgb);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Shows an object by name or the next one; an unknown name is the empty table, which also
    /// follows the last object. From `dusk` on the light goes and from `cover` on the lens is
    /// covered, until `day`; the object stays.
    fn show(&mut self, name: Option<&str>) {
        let fault = match name {
            Some("dusk") => Some(Fault::Dusk),
            Some("cover") => Some(Fault::Cover),
            Some("day") => None,
            _ => return self.place(name),
        };
        self.fault = fault;
        self.conditions = Conditions::GOOD;
    }
}

impl Simulated {
    fn place(&mut self, name: Option<&str>) {
        self.object = match (name, self.object) {
            (Some(name), _) => THINGS.into_iter().find(|o| o.name() == name),
            (None, None) => Some(THINGS[0]),
            (None, Some(object)) => THINGS.into_iter().skip_while(|o| *o != object).nth(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_take_turns_and_the_table_is_one_of_them() {
        let mut camera = Simulated::new(Duration::ZERO);
        let mut seen = vec![camera.object];
        for _ in 0..THINGS.len() + 1 {
            camera.show(None);
            seen.push(camera.object);
        }
        assert_eq!(seen.iter().filter(|o| o.is_none()).count(), 1);
        assert_eq!(seen.first(), seen.last());
        camera.show(Some("key"));
        assert_eq!(camera.object, Some(Object::Key));
        camera.show(Some("nothing"));
        assert_eq!(camera.object, None);
    }

    #[test]
    fn every_frame_is_another_look() {
        let mut camera = Simulated::new(Duration::ZERO);
        let mut first = CapturedFrame::default();
        let mut second = CapturedFrame::default();
        camera.next(&mut first).unwrap();
        camera.next(&mut second).unwrap();
        assert_eq!((first.width(), first.height()), (160, 120));
        assert!(first.frame().is_some() && first != second);
    }
}
