//! State of a session as JSON for the page's script.

use offshoot::NOTHING;
use offshoot_view::{Pointed, Screen, State};
use serde::Serialize;

use crate::pointing::pointers::Pointers;
use crate::session::details::{Details, Times};
use crate::session::limits::{GOAL, MOST_CLASSES};

/// Content of the page.
#[derive(Debug, Serialize)]
struct Snapshot<'a> {
    /// Number of the frame.
    frame: u64,
    state: StateOf<'a>,
    classes: Vec<Class<'a>>,
    /// Class of the empty scene.
    nothing: Class<'a>,
    /// Number of training samples that a class needs.
    goal: u32,
    /// True if one more class has a button.
    has_room: bool,
    threshold: Option<f32>,
    hint: &'a str,
    /// Width and height of the frame.
    #[serde(rename = "picture")]
    image: Option<[u32; 2]>,
    /// Times of the stages in milliseconds.
    times: Spent,
    heat: Option<Heat>,
    report: Option<HeldOut>,
    /// True if the newest training sample was damaged and is lost.
    has_lost: bool,
    /// Fault of camera or light that lasts, as a sentence.
    fault: Option<String>,
    /// True if another object can be shown to the camera.
    has_next: bool,
    /// Progress of tuning, 0 to 1, while the device tunes.
    tuning: Option<f32>,
    /// True if the network was tuned on the lessons.
    is_tuned: bool,
    /// True if there are training samples, which the page offers to forget.
    can_forget: bool,
    /// Objects in the frame, of a device that points at them.
    objects: Option<Vec<Spot<'a>>>,
    /// True while the frame is still, so that objects are pointed at.
    is_still: bool,
}

/// Object in the frame: shares of the frame's sides.
#[derive(Debug, Serialize)]
struct Spot<'a> {
    name: &'a str,
    centre: [f32; 2],
    size: Option<[f32; 2]>,
    is_taught: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "lowercase")]
enum StateOf<'a> {
    Welcome { class: &'a str },
    Teaching { class: &'a str, count: u32 },
    Answer { class: &'a str, confidence: f32 },
    Found { class: &'a str, count: u32 },
    Unknown,
    Nothing,
    Report { right: u32, asked: u32, advice: &'a str },
    Message { text: &'a str },
    Error { text: &'a str },
}

#[derive(Debug, Serialize)]
struct Class<'a> {
    name: &'a str,
    lessons: u32,
    probability: f32,
}

#[derive(Debug, Serialize)]
struct Spent {
    camera: f64,
    #[serde(rename = "eyes")]
    extractor: f64,
    head: f64,
    screen: f64,
}

/// Class activation map: shares of the largest contribution to the class, row by row.
#[derive(Debug, Serialize)]
struct Heat {
    class: usize,
    width: usize,
    height: usize,
    values: Vec<f32>,
    /// Left, top, width and height of the network's field of view, as shares of the frame's sides.
    part: [f32; 4],
}

/// Report on held-out samples.
#[derive(Debug, Serialize)]
struct HeldOut {
    asked: usize,
    right: usize,
    low: f32,
    high: f32,
    advice: Vec<String>,
    /// Names of the rows below.
    names: Vec<String>,
    /// Confusion matrix: one row per class with samples.
    confusion: Vec<Vec<usize>>,
}

/// Requested parts of a state.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub frame: u64,
    pub heat: bool,
    pub report: bool,
    pub has_next: bool,
}

/// Writes a state as JSON.
pub fn write(out: &mut Vec<u8>, screen: &Screen<'_>, inside: &mut Details<'_>, wanted: Wanted) {
    let sides = screen.image.map(|image| [image.width(), image.height()]);
    let heat = sides.filter(|_| wanted.heat).and_then(|sides| heat(inside, sides));
    let report = if wanted.report { held_out(inside) } else { None };
    let inside = &*inside;
    let snapshot = Snapshot {
        frame: wanted.frame,
        state: state(screen.state),
        classes: classes(screen, inside).collect(),
        nothing: nothing(screen, inside),
        has_room: inside.names().len() < MOST_CLASSES,
        goal: inside.goal(),
        threshold: screen.threshold,
        hint: screen.hint,
        image: sides,
        times: spent(inside.times()),
        heat,
        report,
        has_lost: inside.has_lost(),
        fault: inside.fault().map(|fault| fault.to_string()),
        has_next: wanted.has_next,
        tuning: inside.tuning().map(|progress| progress.done as f32 / progress.of.max(1) as f32),
        is_tuned: inside.is_tuned(),
        can_forget: inside.ids().any(|class| inside.shown(class) > 0),
        objects: None,
        is_still: false,
    };
    put(out, &snapshot);
}

/// Writes a state of a device that points as JSON.
pub fn write_pointing(
    out: &mut Vec<u8>,
    screen: &Screen<'_>,
    inside: &Pointers<'_>,
    wanted: Wanted,
) {
    let lines = screen.classes.iter().map(|line| (line.samples, line.probability));
    let lines = lines.chain(std::iter::repeat((0, 0.0)));
    let classes = inside.names.iter().zip(lines);
    let spots = screen.objects.iter().flat_map(|objects| objects.pointed).map(|one| {
        let Pointed { name, centre, size, is_taught } = *one;
        Spot { name, centre, size, is_taught }
    });
    let snapshot = Snapshot {
        frame: wanted.frame,
        state: state(screen.state),
        classes: classes
            .map(|(name, (lessons, probability))| Class { name, lessons, probability })
            .collect(),
        nothing: Class { name: NOTHING, lessons: 0, probability: 0.0 },
        goal: GOAL,
        has_room: inside.names.len() < MOST_CLASSES,
        threshold: None,
        hint: screen.hint,
        image: screen.image.map(|image| [image.width(), image.height()]),
        times: spent(inside.times),
        heat: None,
        report: None,
        has_lost: inside.has_lost,
        fault: None,
        has_next: wanted.has_next,
        tuning: None,
        is_tuned: false,
        can_forget: inside.head.lessons() > 0,
        objects: Some(spots.collect()),
        is_still: inside.is_still,
    };
    put(out, &snapshot);
}

fn put(out: &mut Vec<u8>, snapshot: &Snapshot<'_>) {
    out.clear();
    let written = serde_json::to_writer(out, snapshot);
    debug_assert!(written.is_ok(), "memory takes everything, and there are no maps with odd keys");
}

fn state(state: State<'_>) -> StateOf<'_> {
    match state {
        State::Teaching { class, count, .. } => StateOf::Teaching { class, count },
        State::Answer { class, confidence } => StateOf::Answer { class, confidence },
        State::Found { class, count, .. } => StateOf::Found { class, count },
        State::Unknown => StateOf::Unknown,
        State::Nothing => StateOf::Nothing,
        State::Welcome { class, .. } => StateOf::Welcome { class },
        State::Report { right, asked, advice } => StateOf::Report { right, asked, advice },
        State::Message(text) => StateOf::Message { text },
        State::Error(text) => StateOf::Error { text },
    }
}

fn classes<'a>(screen: &Screen<'_>, inside: &'a Details<'_>) -> impl Iterator<Item = Class<'a>> {
    inside.names().iter().enumerate().map(|(class, name)| Class {
        name,
        lessons: inside.lessons(class),
        probability: screen
            .classes
            .get(class)
            .filter(|line| line.name != NOTHING)
            .map_or(0.0, |line| line.probability),
    })
}

fn nothing<'a>(screen: &Screen<'_>, inside: &Details<'_>) -> Class<'a> {
    let line = screen.classes.iter().find(|line| line.name == NOTHING);
    let probability = line.map_or(0.0, |line| line.probability);
    Class { name: NOTHING, lessons: inside.empty_lessons(), probability }
}

fn spent(times: Times) -> Spent {
    let [camera, extractor, head, screen] =
        [times.camera, times.extractor, times.head, times.screen]
            .map(|time| time.as_secs_f64() * 1e3);
    Spent { camera, extractor, head, screen }
}

fn heat(inside: &mut Details<'_>, [width, height]: [u32; 2]) -> Option<Heat> {
    let class = inside.likeliest()?;
    let found = inside.heat(class)?;
    let most = found.values.iter().copied().fold(0.0, f32::max);
    let part = inside.seen_part(width, height);
    let values = found.values.into_iter();
    let values = values.map(|value| if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 });
    let values = values.collect();
    Some(Heat { class, width: found.width, height: found.height, values, part })
}

fn held_out(inside: &mut Details<'_>) -> Option<HeldOut> {
    let classes: Vec<_> = inside.ids().collect();
    let names = classes.iter().map(|class| inside.name(*class).to_string()).collect();
    let report = inside.report().ok()?;
    let interval = report.interval();
    let confusion = classes
        .iter()
        .map(|own| classes.iter().map(|said| report.confusion(*own, *said)).collect())
        .collect();
    Some(HeldOut {
        asked: report.asked(),
        right: report.right(),
        low: interval.low,
        high: interval.high,
        advice: report.advice().map(|advice| advice.to_string()).collect(),
        names,
        confusion,
    })
}
