//! Teach two things from a folder each, then ask about a picture and keep what was learned.

use offshoot::{Answer, Extractor, Head, HeadKind, Limits, Picture};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut eyes = Extractor::open("sprout.offshoot")?;
    let limits = Limits { classes: 8, samples: 64 };
    let mut head = Head::new(HeadKind::Auto, &eyes, limits)?;

    for name in ["mug", "plant"] {
        let class = head.add_class(name)?;
        for file in std::fs::read_dir(name)? {
            let picture = Picture::open(file?.path())?;
            head.add_sample(class, eyes.embed(&picture.frame())?)?;
        }
    }

    let unseen = Picture::open("what_is_this.jpg")?;
    match head.classify(eyes.embed(&unseen.frame())?)? {
        Answer::Known { class, confidence, .. } => {
            let name = head.class_name(class).unwrap_or("?");
            println!("{name}, {:.0} %", 100.0 * confidence.get());
        }
        _ => println!("nothing I know"),
    }

    head.save("things.head")?;
    let again = Head::load("things.head", &eyes)?;
    println!("{} samples of {} classes kept", again.sample_count(), again.class_count());
    Ok(())
}
