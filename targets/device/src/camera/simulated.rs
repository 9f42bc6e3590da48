//! Camera without hardware.

use std::time::Duration;

use offshoot_simulator::{Camera, Object};

use super::frame_buffer::CapturedFrame;
use super::frame_rate::Pace;
use crate::ports::{FrameSource, SourceError};

/// Objects in the order in which they are shown: easily distinguished ones come first.
const THINGS: [Object; 6] =
    [Object::Mug, Object::Plant, Object::Banana, Object::Ball, Object::Key, Object::Cube];

/// Simulated camera: every frame is a new view of the object before it, or of the empty table.
#[derive(Debug)]
pub struct Simulated {
    camera: Camera,
    object: Option<Object>,
    looks: u64,
    pace: Pace,
}

impl Simulated {
    /// Creates a camera that looks at a mug, at the rate of `pause`: without limit if that is zero.
    pub fn new(pause: Duration) -> Self {
        Self {
            camera: Camera::new(160, 120),
            object: Some(THINGS[0]),
            looks: 0,
            pace: Pace::new(pause),
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
        let image = self.camera.look(self.object, 1_000 + self.looks);
        self.looks += 1;
        shot.reshape(image.width, image.height).copy_from_slice(&image.rgb);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Shows an object by name or the next one; an unknown name is the empty table, which also
    /// follows the last object.
    fn show(&mut self, name: Option<&str>) {
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
