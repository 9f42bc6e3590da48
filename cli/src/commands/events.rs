//! Events in a long recording, for `offshoot predict --every`.

use std::path::Path;

use offshoot::{Ears, Extractor, Head};
use serde_json::{Value, json};

use crate::error::CommandError;

/// Class that was heard for some time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    class: String,
    /// First sample of the first window, and the end of the last one, in seconds.
    time: [f64; 2],
    /// Highest confidence of its windows.
    confidence: f32,
}

/// Asks the head at least every `every` seconds; successive windows of one class are one event,
/// windows of no known class are none.
pub(super) fn events(
    extractor: &mut Extractor,
    head: &Head,
    samples: &[i16],
    every: f64,
) -> Result<Vec<Event>, CommandError> {
    let mut ears = Ears::new(extractor)?;
    let Some(timing) = Timing::of(extractor, every) else { return Ok(Vec::new()) };
    let mut found: Vec<Event> = Vec::new();
    let mut last: Option<String> = None;
    let mut window = 0;
    let mut rest = samples;
    while let Some(embedding) = ears.push(extractor, &mut rest)? {
        let time = timing.of_window(window);
        window += 1;
        if (window - 1) % timing.stride != 0 {
            continue;
        }
        let answer = head.classify(embedding)?;
        let class = answer.known().and_then(|class| head.class_name(class)).map(str::to_string);
        let confidence = answer.confidence().get();
        match (&class, found.last_mut()) {
            (Some(_), Some(event)) if class == last => {
                event.time[1] = time[1];
                event.confidence = event.confidence.max(confidence);
            }
            (Some(name), _) => found.push(Event { class: name.clone(), time, confidence }),
            (None, _) => {}
        }
        last = class;
    }
    Ok(found)
}

/// Times of the windows of a stream.
struct Timing {
    rate: f64,
    length: usize,
    advance: usize,
    /// Windows from question to question.
    stride: usize,
}

impl Timing {
    fn of(extractor: &Extractor, every: f64) -> Option<Self> {
        let sound = extractor.sound()?;
        let advance = usize::from(sound.hop) * usize::from(sound.step);
        let rate = f64::from(sound.rate);
        let stride = (every * rate / advance as f64).floor().max(1.0) as usize;
        Some(Self { rate, length: extractor.window_samples()?, advance, stride })
    }

    fn of_window(&self, index: usize) -> [f64; 2] {
        let start = index * self.advance;
        [start, start + self.length].map(|sample| sample as f64 / self.rate)
    }
}

/// Prints the events of a file, as a table or as JSON.
pub(super) fn print(path: &Path, events: &[Event], as_json: bool) {
    if as_json {
        let events: Vec<Value> = events
            .iter()
            .map(|Event { class, time: [start, end], confidence }| {
                json!({ "class": class, "start": start, "end": end, "confidence": confidence })
            })
            .collect();
        println!("{}", json!({ "file": path.display().to_string(), "events": events }));
        return;
    }
    for Event { class, time: [start, end], confidence } in events {
        println!("{}  {start:8.2} to {end:.2} s  {class}  {confidence:.3}", path.display());
    }
}
