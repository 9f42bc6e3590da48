//! Our sides of buttons and panels allocate nothing once they run; buses and lines cost nothing
//! here, so that what is counted is ours.

use std::convert::Infallible;
use std::time::Duration;

use embedded_hal::{delay::DelayNs, digital, i2c, spi};
use offshoot_device::{
    Action, Buttons, Edge, Framebuffer, Lines, Oled, PanelGeometry, Presses, Screen, Tft, Turn,
};
use offshoot_view::State;

#[path = "../../../sdk/tests/common/counting.rs"]
mod counting;
use counting::{Counting, calls_of_all_threads, prove_live};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Nothing;
impl i2c::ErrorType for Nothing {
    type Error = Infallible;
}
impl i2c::I2c for Nothing {
    fn transaction(&mut self, _: u8, _: &mut [i2c::Operation<'_>]) -> Result<(), Infallible> {
        Ok(())
    }
}
impl spi::ErrorType for Nothing {
    type Error = Infallible;
}
impl spi::SpiDevice for Nothing {
    fn transaction(&mut self, _: &mut [spi::Operation<'_, u8>]) -> Result<(), Infallible> {
        Ok(())
    }
}
impl digital::ErrorType for Nothing {
    type Error = Infallible;
}
impl digital::OutputPin for Nothing {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
impl DelayNs for Nothing {
    fn delay_ns(&mut self, _: u32) {}
}

/// The first button goes down and up every third frame.
struct Tapped(u32);
impl Lines for Tapped {
    fn count(&self) -> usize {
        2
    }

    fn edge(&mut self) -> std::io::Result<Option<Edge>> {
        self.0 += 1;
        let at = Duration::from_millis(100 * u64::from(self.0));
        Ok((!self.0.is_multiple_of(3)).then_some(Edge { line: 0, down: self.0 % 3 == 1, at }))
    }

    fn is_down(&mut self, _: usize) -> std::io::Result<bool> {
        Ok(false)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(100 * u64::from(self.0))
    }
}

#[test]
fn buttons_and_panels_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in
        [("virtual_size", "800,480"), ("bits_per_pixel", "32"), ("stride", "3328"), ("fb0", "")]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let framebuffer = Framebuffer::described(dir.path().join("fb0"), dir.path(), Turn::Left);
    let glass = PanelGeometry { size: (240, 240), offset: (0, 0), turn: Turn::None };
    let mut screens: [Box<dyn Screen>; 3] = [
        Box::new(Oled::new(Nothing, 0x3c, Turn::None, String::new()).unwrap()),
        Box::new(Tft::new(Nothing, Nothing, glass, &mut Nothing, String::new()).unwrap()),
        Box::new(framebuffer.unwrap()),
    ];
    let mut buttons = Presses::new(Tapped(0)).unwrap();
    let mut taps = 0;
    let names = ["mug", "plant"];
    let mut frame = |number: usize| {
        while let Some(action) = buttons.poll() {
            if action == Action::TeachChosen {
                taps += 1;
                break;
            }
        }
        let state =
            State::Answer { class: names[number % 2], confidence: 0.01 * (number % 100) as f32 };
        let moment = offshoot_view::Screen {
            title: "Offshoot",
            image: None,
            objects: None,
            state,
            classes: &[],
            threshold: None,
            advice: "",
            hint: "",
        };
        screens.iter_mut().for_each(|screen| screen.show(&moment).unwrap());
    };
    frame(0);
    prove_live();
    let (calls, ()) = calls_of_all_threads(|| (1..50).for_each(&mut frame));
    assert_eq!((calls, taps), (0, 50));
}
