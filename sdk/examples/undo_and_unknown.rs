//! Corrections in the field, and answers to what was never taught; runs without a board or a
//! camera: `cargo run --example undo_and_unknown models/sharp/sharp.offshoot`.

use offshoot::{Answer, Extractor, Frame, Head, HeadKind, Limits};
use offshoot_simulator::{Camera, Object};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let package = std::env::args().nth(1).unwrap_or("sharp.offshoot".to_string());
    let mut extractor = Extractor::open(package)?;
    let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 4, samples: 40 })?;
    let camera = Camera::new(160, 120);

    for object in [Object::Mug, Object::Plant] {
        let class = head.add_class(object.name())?;
        for seed in 0..12 {
            let image = camera.look(Some(object), seed);
            let frame = Frame::rgb(image.width, image.height, &image.rgb)?;
            head.add_sample(class, extractor.embed(&frame)?)?;
        }
    }

    // The button of the mug was pressed while nothing lay on the table.
    if let Some(mug) = head.class_named(Object::Mug.name()) {
        let image = camera.look(None, 12);
        head.add_sample(mug, extractor.embed(&Frame::rgb(160, 120, &image.rgb)?)?)?;
        head.undo();
    }

    head.fit()?;
    for object in [Object::Mug, Object::Plant, Object::Key] {
        let image = camera.look(Some(object), 100);
        let answer = head.classify(extractor.embed(&Frame::rgb(160, 120, &image.rgb)?)?)?;
        match answer {
            Answer::Known { class, confidence, .. } => {
                let name = head.class_name(class).unwrap_or("?");
                println!("{}: {name}, {:.2}", object.name(), confidence.get());
            }
            Answer::Unknown { score, .. } => {
                println!("{}: unknown, similarity {:.2}", object.name(), score.get());
            }
            _ => println!("{}: no answer", object.name()),
        }
    }
    Ok(())
}
