//! Teach two things from a folder each, then ask about an image and keep what was learned.

use offshoot::{Answer, Extractor, Head, HeadKind, Image, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut extractor = Extractor::open("sprout.offshoot")?;
    let limits = Limits { classes: 8, samples: 64 };
    let mut head = Head::new(HeadKind::Auto, &extractor, limits)?;

    for name in ["mug", "plant"] {
        let class = head.add_class(name)?;
        for file in std::fs::read_dir(name)? {
            let image = Image::open(file?.path())?;
            head.add_sample(class, extractor.embed(&image.frame())?)?;
        }
    }

    head.fit()?;
    let unseen = Image::open("what_is_this.jpg")?;
    match head.classify(extractor.embed(&unseen.frame())?)? {
        Answer::Known { class, confidence, .. } => {
            let name = head.class_name(class).unwrap_or("?");
            println!("{name}, {:.0} %", 100.0 * confidence.get());
        }
        _ => println!("nothing I know"),
    }
    head.save("things.head")?;
    let again = Head::load("things.head", &extractor)?;
    println!("{} samples of {} classes kept", again.sample_count(), again.class_count());
    Ok(())
}
