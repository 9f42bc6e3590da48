//! Screens as a user of the crate draws them, on a panel that refuses pixels outside.

use core::convert::Infallible;

use embedded_graphics::pixelcolor::{BinaryColor, Rgb565};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use offshoot_view::{ClassLine, Image, Ink, Objects, Pointed, Screen, State};

/// A panel that panics when something is drawn outside; its origin is not zero.
struct Strict<C> {
    area: Rectangle,
    pixels: Vec<Option<C>>,
}

impl<C: PixelColor> Strict<C> {
    fn new(width: u32, height: u32) -> Self {
        let area = Rectangle::new(Point::new(-7, 5), Size::new(width, height));
        Self { area, pixels: vec![None; (width * height) as usize] }
    }

    fn at(&self, x: i32, y: i32) -> Option<C> {
        self.pixels[(y * self.area.size.width as i32 + x) as usize]
    }

    /// Counts the pixels of a colour in part of a row.
    fn count(&self, colour: C, columns: std::ops::Range<i32>, y: i32) -> usize {
        columns.filter(|&x| self.at(x, y) == Some(colour)).count()
    }

    /// Returns the box around all pixels in which two panels differ.
    fn difference(&self, other: &Self) -> Option<Rectangle> {
        let size = self.area.size;
        let points = Rectangle::new(Point::zero(), size).points();
        let differing = points.filter(|p| self.at(p.x, p.y) != other.at(p.x, p.y));
        differing.fold(None, |found: Option<Rectangle>, p| {
            let (low, high) =
                match found.and_then(|area| Some((area.top_left, area.bottom_right()?))) {
                    Some((low, high)) => (low.component_min(p), high.component_max(p)),
                    None => (p, p),
                };
            Some(Rectangle::with_corners(low, high))
        })
    }
}

impl<C> Dimensions for Strict<C> {
    fn bounding_box(&self) -> Rectangle {
        self.area
    }
}

impl<C: PixelColor> DrawTarget for Strict<C> {
    type Color = C;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<C>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            let area = self.area;
            assert!(area.contains(point), "{point:?} is outside of {area:?}");
            let p = point - area.top_left;
            self.pixels[(p.y * area.size.width as i32 + p.x) as usize] = Some(colour);
        }
        Ok(())
    }
}

const LONG: &str = "the remote control of the old television in the living room";
const RGB: [u8; 8 * 6 * 3] = [200; 8 * 6 * 3];

fn line(name: &str, probability: f32) -> ClassLine<'_> {
    ClassLine { name, samples: 3, probability }
}

fn answer<'a>(classes: &'a [ClassLine<'a>]) -> Screen<'a> {
    Screen {
        title: "Offshoot",
        image: Image::new(8, 6, &RGB),
        objects: None,
        state: State::Answer { class: "mug", confidence: 0.5 },
        classes,
        threshold: Some(0.6),
        advice: "",
        hint: "A: teach",
    }
}

fn drawn<C: Ink>(screen: &Screen<'_>, width: u32, height: u32) -> Strict<C> {
    let mut panel = Strict::new(width, height);
    let Ok(()) = screen.draw(&mut panel);
    panel
}

/// Place of a class's bar on a panel of 320 x 240: columns and one row inside it.
fn bar(index: i32) -> (std::ops::Range<i32>, i32) {
    (176..312, 34 + 24 * index + 18)
}

#[test]
fn nothing_is_drawn_outside_and_nothing_is_left_undrawn() {
    let classes =
        [line(LONG, f32::NAN), line("", 9.0), line("mug", 1.0), line("\u{fc}\n\u{4e00}", -1.0)];
    let states = [
        State::Answer { class: LONG, confidence: f32::INFINITY },
        State::Teaching { class: "mug", count: u32::MAX, goal: u32::MAX },
        State::Teaching { class: LONG, count: 7, goal: 0 },
        State::Teaching { class: "", count: 2, goal: 20 },
        State::Unknown,
        State::Found { class: LONG, count: u32::MAX, confidence: f32::NAN },
        State::Welcome { class: LONG, button: LONG },
        State::Report { right: 9, asked: 0, advice: LONG },
        State::Report { right: 0, asked: u32::MAX, advice: "" },
        State::Error(LONG),
        State::Message(LONG),
        State::Message("a-word-that-has-no-space-to-be-broken-at-anywhere"),
    ];
    let mut sizes =
        vec![(320, 240), (240, 240), (128, 64), (160, 128), (176, 168), (480, 320), (240, 135)];
    sizes.extend((0..70).map(|n| (n * 2, n)));
    sizes.extend((0..40).map(|n| (n, 300)));
    let anywhere = |name, x, y, size| Pointed { name, centre: [x, y], size, is_taught: x > 0.5 };
    let pointed = [
        anywhere(LONG, 0.5, 0.5, Some([3.0, 0.2])),
        anywhere("mug", f32::NAN, -7.0, Some([f32::NAN, f32::INFINITY])),
        anywhere("", 1.0, 1.0, None),
        anywhere("mug", f32::INFINITY, 0.0, Some([-1.0, 0.0])),
    ];
    let objects = [
        None,
        Some(Objects { pointed: &pointed, aim: Some([0.9, -0.5, 2.0, f32::NAN]) }),
        Some(Objects { pointed: &[], aim: None }),
    ];
    for (state, objects) in states.iter().flat_map(|&state| objects.map(|o| (state, o))) {
        for &(width, height) in &sizes {
            let screen = Screen { title: LONG, hint: LONG, state, objects, ..answer(&classes) };
            let colour = drawn::<Rgb565>(&screen, width, height);
            assert!(colour.pixels.iter().all(Option::is_some), "{width} x {height}");
            drawn::<BinaryColor>(&screen, width, height);
        }
    }
}

#[test]
fn bars_are_as_long_as_probabilities() {
    for (probability, length) in
        [(0.0, 0), (0.25, 34), (0.5, 68), (1.0, 136), (f32::NAN, 0), (42.0, 136)]
    {
        let panel = drawn::<Rgb565>(&answer(&[line("mug", probability)]), 320, 240);
        let (columns, y) = bar(0);
        assert_eq!(panel.count(Rgb565::THEME.answer, columns.clone(), y), length, "{probability}");
        let rest = panel.count(Rgb565::THEME.track, columns, y);
        assert_eq!(rest, if length > 0 { 136 - length } else { 136 });
    }
}

#[test]
fn the_highlight_moves_with_the_leader() {
    let highlighted = |first, second| {
        let classes = [line("mug", first), line("ball", second)];
        let panel = drawn::<Rgb565>(&answer(&classes), 320, 240);
        [0, 1].map(|index| {
            let (columns, y) = bar(index);
            panel.count(Rgb565::THEME.answer, columns, y) > 0
        })
    };
    assert_eq!(highlighted(0.6, 0.4), [true, false]);
    assert_eq!(highlighted(0.4, 0.6), [false, true]);
    let classes = [line("mug", 0.6), line("ball", 0.4)];
    let unknown = Screen { state: State::Unknown, ..answer(&classes) };
    let panel = drawn::<Rgb565>(&unknown, 320, 240);
    assert!(!panel.pixels.contains(&Some(Rgb565::THEME.answer)));
}

#[test]
fn the_highlight_moves_in_one_colour_too() {
    let lit = |first, second| {
        let classes = [line("mug", first), line("mug", second)];
        let panel = drawn::<BinaryColor>(&answer(&classes), 128, 64);
        [21, 31].map(|top| {
            (top..top + 9).map(|y| panel.count(BinaryColor::On, 0..57, y)).sum::<usize>()
        })
    };
    let [first, second] = lit(0.6, 0.4);
    assert!(first > 3 * second, "{first} {second}");
    assert_eq!(lit(0.4, 0.6), [second, first]);
}

#[test]
fn a_long_name_changes_only_its_own_place() {
    for (width, height, place) in [
        (320, 240, Rectangle::new(Point::new(176, 34 + 24), Size::new(136, 14))),
        (240, 240, Rectangle::new(Point::new(136, 34 + 24), Size::new(96, 14))),
        (128, 64, Rectangle::new(Point::new(0, 31), Size::new(57, 9))),
    ] {
        let short = [line("mug", 0.5), line("x", 0.3), line("key", 0.2)];
        let mut long = short;
        long[1].name = LONG;
        let before = drawn::<Rgb565>(&answer(&short), width, height);
        let changed =
            before.difference(&drawn(&answer(&long), width, height)).expect("a longer name");
        assert_eq!(changed.intersection(&place), changed, "{width} x {height}");
        assert!(changed.size.width * 2 > place.size.width, "{width} x {height}: {changed:?}");
    }
}

#[test]
fn the_image_lies_in_its_frame() {
    let with = drawn::<Rgb565>(&answer(&[]), 320, 240);
    let grey = Rgb565::new(25, 50, 25);
    assert_eq!(with.count(grey, 0..320, 100), 160);
    assert_eq!((with.at(8, 100), with.at(167, 100)), (Some(grey), Some(grey)));
    let without = drawn::<Rgb565>(&Screen { image: None, ..answer(&[line("mug", 1.0)]) }, 320, 240);
    assert_eq!(without.count(Rgb565::THEME.answer, 0..320, bar(0).1), 304);
}

#[test]
fn teaching_shows_progress_in_steps() {
    let pieces = |count| {
        let state = State::Teaching { class: "mug", count, goal: 5 };
        let panel = drawn::<Rgb565>(&Screen { state, ..answer(&[]) }, 320, 240);
        let lit: Vec<_> =
            (0..320).map(|x| panel.at(x, 206) == Some(Rgb565::THEME.lesson)).collect();
        lit.windows(2).filter(|pair| !pair[0] && pair[1]).count()
    };
    assert_eq!([0, 1, 3, 5, 9].map(pieces), [0, 1, 3, 5, 5]);
}

/// Screen of 320 x 240 with one dot; its image lies from (8, 34) on, 160 x 120.
fn with_dot(centre: [f32; 2], is_taught: bool) -> Strict<Rgb565> {
    let pointed = [Pointed { name: "", centre, size: None, is_taught }];
    let objects = Some(Objects { pointed: &pointed, aim: None });
    drawn(&Screen { objects, ..answer(&[]) }, 320, 240)
}

#[test]
fn dots_lie_where_the_objects_are() {
    let top = (34..154).find(|&y| {
        drawn::<Rgb565>(&answer(&[]), 320, 240).count(Rgb565::new(25, 50, 25), 0..320, y) == 160
    });
    let top = top.expect("an image");
    for (across, down) in [(0.5, 0.5), (0.25, 0.75), (1.0, 0.0), (f32::NAN, 2.0)] {
        let panel = with_dot([across, down], false);
        let inside = |share: f32| if share > 0.0 { share.min(1.0) } else { 0.0 };
        let x = 8 + (inside(across) * 159.0) as i32;
        let y = top + (inside(down) * 119.0) as i32;
        assert_eq!(panel.at(x, y), Some(Rgb565::THEME.answer), "{across} {down}");
        assert_eq!(with_dot([across, down], true).at(x, y), Some(Rgb565::THEME.lesson));
    }
}

#[test]
fn objects_are_counted_beside_their_class() {
    let classes = [line("mug", 0.8), line("ball", 0.7)];
    let one = |name, is_taught| Pointed { name, centre: [0.1; 2], size: None, is_taught };
    let found = [one("mug", false), one("ball", false), one("mug", false), one("mug", true)];
    let objects = Objects { pointed: &found, aim: None };
    assert_eq!((objects.count("mug"), objects.count("ball"), objects.count("cup")), (2, 1, 0));
    let screen = |pointed| {
        let objects = Some(Objects { pointed, aim: None });
        drawn::<BinaryColor>(&Screen { objects, ..answer(&classes) }, 128, 64)
    };
    // The same counts, and crosses at the same place.
    assert_eq!(screen(&found[..2]).difference(&screen(&found[1..3])), None);
    let changed = screen(&found[..2]).difference(&screen(&found[..3])).expect("another count");
    let place = Rectangle::new(Point::new(0, 21), Size::new(80, 9));
    assert_eq!(changed.intersection(&place), changed, "{changed:?}");
}
