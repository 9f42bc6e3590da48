//! `offshoot demo --sound`: the workflow on a simulated microphone.

use std::path::Path;
use std::time::{Duration, Instant};

use offshoot::{Ears, Extractor, Head, HeadKind, Limits};
use offshoot_convert::report::{bytes, ms};
use offshoot_device::{CapturedFrame, SPEECH, Waterfall};
use offshoot_simulator::{Microphone, Sound};

use super::demo::draw_answer;
use super::shared::write_file;
use crate::args::DemoArgs;
use crate::built_in::Packages;
use crate::error::CommandError;

/// Default file name of the screenshot.
const IMAGE: &str = "offshoot-demo-sound.png";

/// Takes of each sound to teach, and to ask.
const SHOTS: u64 = 3;
const UNHEARD: u64 = 10;

pub(super) fn run(args: &DemoArgs, packages: &Packages) -> Result<(), CommandError> {
    let start = Instant::now();
    let package = packages.read(SPEECH)?.into_owned();
    println!("1. Take {SPEECH} ({}), Google's speech embedding in int8", bytes(package.len()));
    let mut extractor = Extractor::from_bytes(package.clone())?;
    println!("   {}", extractor.verify()?);
    let names = Sound::ALL.map(Sound::name).join(", ");
    println!("2. Teach {names} from {SHOTS} takes each of a simulated microphone");
    let head = teach(&mut extractor)?;
    println!("3. Ask about {} takes that it has not heard", UNHEARD * Sound::ALL.len() as u64);
    examine(&mut extractor, &head)?;
    // Not into the current folder, which may be a clone of the project.
    let out = args.out.clone().unwrap_or_else(|| std::env::temp_dir().join(IMAGE));
    screen(&mut extractor, &head, &out)?;
    println!("4. {} shows the screen of the device", out.display());
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder).map_err(|source| CommandError::write(folder, source))?;
        write_file(&folder.join(SPEECH), &package)?;
        head.save(folder.join("demo.head"))?;
        println!("   {} holds {SPEECH} and demo.head", folder.display());
    }
    println!(
        "Done in {:.1} s. Next: offshoot train {SPEECH} WAV_FOLDERS -o words.head",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Returns the seed of a take; each has a performance and a room of its own.
fn seed(class: usize, shot: u64) -> u64 {
    1_000 * (class as u64 + 1) + shot
}

fn teach(extractor: &mut Extractor) -> Result<Head, CommandError> {
    let limits = Limits { classes: 8, samples: 64 };
    let mut head = Head::new(HeadKind::Auto, extractor, limits)?;
    for (class, sound) in Sound::ALL.into_iter().enumerate() {
        let id = head.add_class(sound.name())?;
        for shot in 0..SHOTS {
            let take = Microphone::take(Some(sound), seed(class, shot));
            head.add_sample(id, extractor.embed_samples(&take)?)?;
        }
    }
    let start = Instant::now();
    head.fit()?;
    let fitted = ms(start.elapsed());
    println!(
        "   {} samples, {} head, {fitted:.2} ms to train",
        head.sample_count(),
        head.chosen()?.kind
    );
    Ok(head)
}

fn examine(extractor: &mut Extractor, head: &Head) -> Result<(), CommandError> {
    let mut time = Duration::ZERO;
    let mut sum = 0;
    let mut lines = Vec::new();
    for (class, sound) in Sound::ALL.into_iter().enumerate() {
        let mut right = 0;
        for shot in 0..UNHEARD {
            let take = Microphone::take(Some(sound), seed(class, 100 + shot));
            let start = Instant::now();
            let answer = head.classify(extractor.embed_samples(&take)?)?;
            time += start.elapsed();
            right += u64::from(answer.class().index() == class);
        }
        sum += right;
        lines.push(format!("   {:<8} {right:>2} of {UNHEARD}", sound.name()));
    }
    let asked = UNHEARD * Sound::ALL.len() as u64;
    println!("   {sum} of {asked} right");
    lines.iter().for_each(|line| println!("{line}"));
    println!(
        "   {:.1} ms a take of about a second, 1 thread, arena {}",
        ms(time / asked as u32),
        bytes(extractor.memory().arena)
    );
    Ok(())
}

/// Draws the screen at the end of a take, at twice the size of the panel for legibility.
fn screen(extractor: &mut Extractor, head: &Head, out: &Path) -> Result<(), CommandError> {
    let mut microphone = Microphone::new(seed(0, 100));
    microphone.play(Some(Sound::Lila));
    let mut heard = vec![0; 28_000];
    microphone.listen(&mut heard);
    let mut shot = CapturedFrame::default();
    let mut ears = Ears::new(extractor)?;
    if let Some(sound) = extractor.sound() {
        let mut waterfall = Waterfall::new(sound.bands().count(), sound.step.into());
        let mut rest = &heard[..];
        while ears.push(extractor, &mut rest)?.is_some() {
            waterfall.add(ears.picture()?, ears.level());
        }
        waterfall.paint(&mut shot);
    }
    let take = Microphone::take(Some(Sound::Lila), seed(3, 100));
    let seen = offshoot_view::Image::new(shot.width(), shot.height(), shot.rgb());
    let hint = "hold A and speak   B next class";
    draw_answer(head, extractor.embed_samples(&take)?, seen, hint, out)
}
