//! `offshoot check`.

use offshoot::{Depths, Extractor, Maps, Package, Tuning, Verdict};
use offshoot_core::graph::Graph;
use offshoot_core::package::{DepthSamples, Measured, with_domain};
use offshoot_core::preprocess::{Channels, Preprocess};
use offshoot_core::statistics::Appearance;
use offshoot_dataset::{Dataset, LeftOut, Opener};
use serde_json::{Value, json};

use super::progress::Progress;
use super::shared::{check_classes, tell, write_file};
use crate::args::CheckArgs;
use crate::draw::check_html;
use crate::error::CommandError;
use crate::learn::embeddings::{EmbedError, Input, Reader};
use crate::measure::checkup::advice::{Advice, Subject, advice};
use crate::measure::checkup::{Checkup, DepthValues, Seen};

/// Max number of samples that are measured, spread over all.
const MOST: usize = 600;

/// Number of samples that stand for what the backbone knows, with `--known`.
const KNOWN: usize = 128;

pub(super) fn run(args: &CheckArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let takes_images = extractor.token_limit().is_none() && extractor.sensor().is_none();
    let mut data = Dataset::open_as(&args.data, &args.selection.selection())?;
    check_classes(&args.data, &data.classes)?;
    thin(&mut data);
    let (seen, maps) = read(args, &mut extractor, &mut data)?;
    let known = args.known.as_ref().map(|_| known(args, &mut extractor)).transpose()?;
    let package = match &known {
        Some(bytes) => Package::open(bytes).map_err(offshoot::Error::from)?,
        None => extractor.package(),
    };
    let domain = package.domain();
    let shape = package.graph().tensor(Graph::INPUT).shape;
    let bar = Progress::new(Checkup::steps(&seen), "measure");
    let input = if takes_images { [shape.w() as u32, shape.h() as u32] } else { [0, 0] };
    let checkup = Checkup::of(&seen, domain.as_ref(), input, || bar.step());
    bar.finish();
    let checkup = checkup?;
    let tuning = maps.map(|maps| tune(&maps, &extractor)).transpose()?;
    let manifest = package.manifest();
    let subject = Subject {
        package: args.package.display().to_string(),
        data: args.data.display().to_string(),
        source: manifest.source.to_string(),
        macs: package.graph().macs(),
        has_parts: seen.has_parts(),
    };
    let advice = advice(&checkup, &subject, tuning);
    if let Some(path) = &args.report {
        let page = check_html::page(&subject, &seen, &checkup, &advice);
        write_file(path, page.as_bytes())?;
    }
    if args.json {
        println!("{:#}", as_json(&seen, &checkup, &advice));
    } else {
        print(args, &seen, &checkup, &advice);
    }
    Ok(())
}

/// Keeps at most [`MOST`] samples, as many of each class as far as they go.
fn thin(data: &mut Dataset) {
    let quota = (MOST / data.classes.len().max(1)).max(2);
    let mut counts = vec![0; data.classes.len()];
    data.train.iter().for_each(|sample| counts[sample.class] += 1);
    let mut met = vec![0; data.classes.len()];
    data.train.retain(|sample| {
        let own = met[sample.class];
        met[sample.class] += 1;
        let count: usize = counts[sample.class];
        // Evenly spread: one where the share of those kept passes a whole number.
        let kept = quota.min(count);
        (own + 1) * kept / count > own * kept / count
    });
}

/// Reads all samples at all depths, and their maps unless tuning is left out.
fn read(
    args: &CheckArgs,
    extractor: &mut Extractor,
    data: &mut Dataset,
) -> Result<(Seen, Option<Maps>), CommandError> {
    let classes = data.classes.len();
    let is_tunable = !args.quick && extractor.map_len().is_some();
    let most = u16::try_from(classes).unwrap_or(u16::MAX);
    let mut maps = is_tunable.then(|| Maps::new(extractor, most)).transpose()?;
    let mut eyes = Eyes::new(extractor)?;
    let bar = Progress::new(data.train.len(), "read");
    let reader = Reader::of(extractor)?;
    let mut seen = Seen { classes, parts: eyes.parts.clone(), ..Seen::default() };
    let Dataset { train, left_out, .. } = &mut *data;
    let mut opener = Opener::new(left_out.care());
    for sample in train.iter() {
        bar.step();
        match reader.read(sample, &mut opener) {
            Ok(input) => {
                eyes.see(extractor, &input)?;
                seen.labels.push(sample.class);
                if let Some(maps) = &mut maps {
                    maps.add(sample.class, extractor.map().unwrap_or_default())?;
                }
            }
            Err(EmbedError::Data(fault)) => left_out.pass(fault)?,
            Err(other) => return Err(other.into()),
        }
    }
    bar.finish();
    tell(&args.data, left_out);
    left_out.check_some(&args.data, seen.labels.len(), reader.kind())?;
    (seen.images, seen.sizes, seen.depths) = (eyes.images, eyes.sizes, eyes.depths);
    Ok((seen, maps))
}

/// Reader of all depths of a package.
struct Eyes {
    network: Option<Depths>,
    /// Preprocessing to red, green and blue; none for texts.
    rgb: Option<Preprocess>,
    pixels: Vec<u8>,
    images: Vec<Appearance>,
    sizes: Vec<[u32; 2]>,
    depths: Vec<DepthValues>,
    parts: Vec<usize>,
}

impl Eyes {
    fn new(extractor: &Extractor) -> Result<Self, CommandError> {
        let package = extractor.package();
        let network = Depths::new(&package)?;
        let depths = match &network {
            Some(network) => network
                .all()
                .map(|depth| DepthValues {
                    tensor: depth.tensor(),
                    name: depth.name().to_string(),
                    rows: depth.rows(),
                    len: depth.len(),
                    values: Vec::new(),
                })
                .collect(),
            None => vec![DepthValues {
                tensor: package.graph().output(),
                name: "embedding".to_string(),
                rows: 1,
                len: package.embedding_dim(),
                values: Vec::new(),
            }],
        };
        let rgb = Preprocess { channels: Channels::Rgb, ..package.manifest().preprocess };
        let rgb = Some(rgb).filter(|_| package.text().is_none());
        let pixels = vec![0; rgb.and_then(|rgb| rgb.shape()).map_or(0, |shape| shape.elements())];
        let parts = package.manifest().extras.parts.iter().collect();
        let images = Vec::new();
        Ok(Self { network, rgb, pixels, images, sizes: Vec::new(), depths, parts })
    }

    /// Reads a sample; the extractor has run it then, too.
    fn see(&mut self, extractor: &mut Extractor, input: &Input) -> Result<(), CommandError> {
        let embedding: Vec<f32> = input.embed(extractor)?.iter().collect();
        let mut rest = embedding.as_slice();
        if let Input::Image(image) = input {
            let frame = image.frame();
            self.sizes.push([image.width(), image.height()]);
            if let Some(rgb) = &self.rgb {
                rgb.pixels_into(&frame, &mut self.pixels).map_err(offshoot::Error::from)?;
                self.images.extend(Appearance::of(rgb.width.into(), &self.pixels, 1));
            }
            if let Some(network) = &mut self.network {
                rest = network.read(&frame)?;
            }
        }
        for depth in &mut self.depths {
            let (own, others) = rest.split_at(depth.len);
            depth.values.extend_from_slice(own);
            rest = others;
        }
        Ok(())
    }
}

/// Returns the package with the statistics of the images of `--known`.
fn known(args: &CheckArgs, extractor: &mut Extractor) -> Result<Vec<u8>, CommandError> {
    let Some(folder) = &args.known else { return Ok(Vec::new()) };
    let mut left_out = LeftOut::new(args.selection.care.into());
    let files = offshoot_dataset::unlabelled(folder, None, KNOWN, &mut left_out)?;
    let reader = Reader::of(extractor)?;
    let mut eyes = Eyes::new(extractor)?;
    let mut opener = Opener::new(left_out.care());
    let bar = Progress::new(files.len(), "known images");
    for file in &files {
        bar.step();
        match reader.read(file, &mut opener) {
            Ok(input) => eyes.see(extractor, &input)?,
            Err(EmbedError::Data(fault)) => left_out.pass(fault)?,
            Err(other) => return Err(other.into()),
        }
    }
    bar.finish();
    tell(folder, &left_out);
    let depths: Vec<DepthSamples<'_>> = eyes
        .depths
        .iter()
        .map(|depth| DepthSamples { tensor: depth.tensor, len: depth.len, values: &depth.values })
        .collect();
    let measured = Measured::of(&eyes.images, &depths).ok_or_else(|| CommandError::TooFew {
        path: folder.clone(),
        what: format!("{} samples can be read, 16 are needed", eyes.images.len()),
    })?;
    let bytes = std::fs::read(&args.package)
        .map_err(|source| CommandError::write(&args.package, source))?;
    with_domain(&bytes, &measured).map_err(|error| CommandError::Convert(error.into()))
}

/// Tries to tune the package's tail.
fn tune(maps: &Maps, extractor: &Extractor) -> Result<Verdict, CommandError> {
    let mut bar = None;
    let tuned = maps.finetune(extractor, &Tuning::default(), |progress| {
        let bar = bar.get_or_insert_with(|| Progress::new(progress.of as usize, "tune"));
        bar.set(progress.done.into());
    })?;
    if let Some(bar) = bar {
        bar.finish();
    }
    Ok(tuned.verdict)
}

fn print(args: &CheckArgs, seen: &Seen, checkup: &Checkup, advice: &[Advice]) {
    println!(
        "{}: {} samples of {} classes, by {}",
        args.data.display(),
        seen.labels.len(),
        seen.classes,
        args.package.display()
    );
    match checkup.distances.last() {
        Some(own) => {
            println!("  distance from the calibration set, of the middle image");
            for distance in &checkup.distances {
                let is_own = std::ptr::eq(distance, own);
                let name = if is_own { "embedding" } else { distance.name.as_str() };
                println!(
                    "    {name:<32} percentile {:>5.1}, {:.2} times the usual",
                    distance.percentile, distance.ratio
                );
            }
        }
        None => println!(
            "  the package states no statistics of its calibration set, so it is not known how foreign these \
             images are: convert it again, or give images like those that its backbone was trained on (--known IMAGES)"
        ),
    }
    println!("  right on held-out samples, ridge regression");
    for (place, depth) in checkup.depths.iter().enumerate() {
        let is_last = place + 1 == checkup.depths.len();
        let name = if is_last && !seen.has_parts() { "embedding" } else { depth.name.as_str() };
        let [low, high] = depth.interval;
        println!(
            "    {name:<32} {:>5} values  {:.3}, 95 %: {low:.3} to {high:.3}",
            depth.len,
            depth.accuracy()
        );
    }
    if let Some(gate) = &checkup.gate {
        let [low, high] = gate.all.interval;
        println!(
            "    {:<32} {:>5} values  {:.3}, 95 %: {low:.3} to {high:.3}",
            "all of these",
            gate.all.len,
            gate.all.accuracy()
        );
    }
    for one in advice {
        let word = if one.is_advised { "yes" } else { "no" };
        println!("  {:<9} {word:<4} {}", one.change.name(), one.why);
        if let Some(command) = &one.command {
            println!("                 {command}");
        }
    }
}

fn as_json(seen: &Seen, checkup: &Checkup, advice: &[Advice]) -> Value {
    let distances = checkup.distances.iter().map(|distance| {
        json!({ "depth": distance.name, "percentile": distance.percentile, "ratio": distance.ratio })
    });
    let faults = checkup.faults.iter().map(|fault| {
        json!({
            "measure": fault.name, "value": fault.value, "percentile": fault.percentile,
            "what": fault.what, "remedy": fault.remedy,
        })
    });
    let depths = checkup.depths.iter().map(|depth| {
        json!({
            "depth": depth.name, "rows": depth.rows, "values": depth.len,
            "accuracy": depth.accuracy(), "interval": depth.interval,
        })
    });
    let points = checkup.curve.points.iter().map(
        |point| json!({ "samples": point.shots, "accuracy": point.accuracy, "error": point.error }),
    );
    let doubled = checkup.curve.doubled.map(|doubled| {
        json!({
            "samples": doubled.shots, "accuracy": doubled.accuracy, "gain": doubled.gain,
            "error": doubled.error,
        })
    });
    let gate = checkup.gate.as_ref().map(|gate| {
        json!({
            "values": gate.all.len, "accuracy": gate.all.accuracy(), "interval": gate.all.interval,
            "reads_all": gate.reads_all, "last_error": gate.errors.map(|errors| errors.last),
            "all_error": gate.errors.map(|errors| errors.all), "t": gate.errors.map(|errors| errors.t),
        })
    });
    let advice = advice.iter().map(|one| {
        json!({
            "change": one.change.name(), "advised": one.is_advised, "why": one.why,
            "command": one.command,
        })
    });
    json!({
        "samples": seen.labels.len(),
        "classes": seen.classes,
        "distances": distances.collect::<Vec<_>>(),
        "images": faults.collect::<Vec<_>>(),
        "depths": depths.collect::<Vec<_>>(),
        "all_depths": gate,
        "curve": points.collect::<Vec<_>>(),
        "doubled": doubled,
        "advice": advice.collect::<Vec<_>>(),
    })
}
