//! States of a device for the golden images.

use offshoot_view::{ClassLine, Image, Objects, Pointed, Screen, State};

/// Returns an image of 8 x 6 with an object in its middle.
pub const IMAGE: [[u8; 3]; 48] = {
    let mut pixels = [[70, 90, 120]; 48];
    let mut at = 0;
    while at < 48 {
        let x = at % 8;
        let y = at / 8;
        if y >= 4 {
            pixels[at] = [150, 120, 90];
        }
        if x >= 3 && x <= 4 && y >= 2 && y <= 4 {
            pixels[at] = [230, 160, 40];
        }
        at += 1;
    }
    pixels
};

/// Returns a spectrogram of 32 x 12: a tone that rises, and its overtone.
pub const SOUND: [[u8; 3]; 384] = {
    let mut pixels = [[10, 8, 30]; 384];
    let mut x = 4;
    while x < 26 {
        let row = 11 - x / 3;
        pixels[row * 32 + x] = [245, 200, 120];
        if row > 3 {
            pixels[(row - 4) * 32 + x] = [150, 60, 110];
        }
        x += 1;
    }
    pixels
};

const fn line(name: &'static str, samples: u32, probability: f32) -> ClassLine<'static> {
    ClassLine { name, samples, probability }
}

const LESSON: [ClassLine<'static>; 2] = [line("mug", 5, 0.0), line("plant", 3, 0.0)];
const ONE: [ClassLine<'static>; 1] = [line("mug", 5, 0.0)];
const EMPTY: [ClassLine<'static>; 3] =
    [line("mug", 5, 0.03), line("plant", 5, 0.01), line("nothing", 5, 0.96)];
const LIVE: [ClassLine<'static>; 3] =
    [line("mug", 5, 0.91), line("plant", 5, 0.06), line("cup", 3, 0.03)];
const HEARD: [ClassLine<'static>; 3] =
    [line("whistle", 5, 0.97), line("knock", 5, 0.02), line("nothing", 140, 0.01)];
const DOUBT: [ClassLine<'static>; 3] =
    [line("mug", 5, 0.41), line("plant", 5, 0.2), line("cup", 3, 0.1)];
const RIGHT: [ClassLine<'static>; 3] =
    [line("mug", 5, 1.0), line("plant", 5, 0.8), line("cup", 5, 0.6)];
const WELL: [ClassLine<'static>; 3] =
    [line("mug", 5, 1.0), line("plant", 5, 1.0), line("cup", 5, 1.0)];

const COUNTED: [ClassLine<'static>; 2] = [line("cup", 6, 0.84), line("screw", 9, 0.61)];

const fn pointed(
    name: &'static str,
    centre: [f32; 2],
    size: Option<[f32; 2]>,
    is_taught: bool,
) -> Pointed<'static> {
    Pointed { name, centre, size, is_taught }
}

const FOUND: [Pointed<'static>; 3] = [
    pointed("cup", [0.5, 0.55], Some([0.3, 0.45]), false),
    pointed("cup", [0.15, 0.2], Some([0.2, 0.3]), false),
    pointed("screw", [0.9, 0.8], None, false),
];
const SHOWN: [Pointed<'static>; 2] =
    [pointed("screw", [0.9, 0.8], None, true), pointed("cup", [0.5, 0.55], None, false)];

/// Each with its name.
pub fn moments() -> [(&'static str, Screen<'static>); 13] {
    let moment = |state, classes, hint| Screen {
        title: "Offshoot",
        image: Image::new(8, 6, IMAGE.as_flattened()),
        objects: None,
        state,
        classes,
        threshold: Some(0.6),
        advice: "",
        hint,
    };
    let report = |right, advice| State::Report { right, asked: 15, advice };
    let error = Screen {
        image: None,
        ..moment(State::Error("/dev/video0: no such device (os error 19)"), &[], "trying again")
    };
    let more = Screen {
        advice: "Show me something else, too: tap B, then hold A",
        ..moment(
            State::Teaching { class: "mug", count: 5, goal: 5 },
            &ONE,
            "A teach B next, hold: undo",
        )
    };
    let sound = Screen {
        image: Image::new(32, 12, SOUND.as_flattened()).map(Image::on_small_panels),
        ..moment(
            State::Answer { class: "whistle", confidence: 0.97 },
            &HEARD,
            "A teach B next, hold: undo",
        )
    };
    let found = Screen {
        objects: Some(Objects { pointed: &FOUND, aim: None }),
        ..moment(
            State::Found { class: "cup", count: 2, confidence: 0.84 },
            &COUNTED,
            "tap what it is to find",
        )
    };
    let pointing = Screen {
        objects: Some(Objects { pointed: &SHOWN, aim: Some([0.35, 0.35, 0.3, 0.3]) }),
        ..moment(
            State::Message("1 screw in this picture"),
            &COUNTED,
            "hold A: what is in the frame",
        )
    };
    [
        ("found", found),
        ("pointing", pointing),
        ("sound", sound),
        ("more", more),
        ("nothing", moment(State::Nothing, &EMPTY, "A teach B next, hold: undo")),
        (
            "welcome",
            moment(State::Welcome { class: "mug", button: "A" }, &[], "A teach B next, hold: undo"),
        ),
        (
            "teach",
            moment(
                State::Teaching { class: "plant", count: 3, goal: 5 },
                &LESSON,
                "A: 2 more for plant",
            ),
        ),
        ("live", moment(State::Answer { class: "mug", confidence: 0.91 }, &LIVE, "2 more for cup")),
        ("unknown", moment(State::Unknown, &DOUBT, "A teach B next, hold: undo")),
        (
            "report",
            moment(
                report(12, "`cup` and `plant` are confused: show 3 more of each"),
                &RIGHT,
                "2 more for cup",
            ),
        ),
        ("well", moment(report(15, ""), &WELL, "A teach B next, hold: undo")),
        ("undone", moment(State::Message("Forgot the last plant"), &LIVE, "1 more for plant")),
        ("error", error),
    ]
}
