//! `offshoot cluster`.

use csv_core::{WriteResult, Writer};
use image::RgbImage;
use offshoot_dataset::{Opener, Sample, Wanted};

use super::shared::{beginning, described, embed_all, has_ending, png, write_file};
use crate::args::ClusterArgs;
use crate::draw::contact_sheet::{Group, SHOWN, draw, thumbnail};
use crate::error::CommandError;
use crate::learn::embeddings::Reader;
use crate::learn::k_means::k_means;

pub(super) fn run(args: &ClusterArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let reader = Reader::of(&extractor)?;
    let has_images = reader.wanted() == Wanted::Images;
    let own = if has_images { "clusters.png" } else { "clusters.csv" };
    let output = args.output.clone().unwrap_or_else(|| own.into());
    let is_csv = has_ending(&output, "csv");
    let is_png = has_images && has_ending(&output, "png");
    if !is_csv && !is_png {
        let what = "-o must end in .csv, or for images in .png";
        return Err(CommandError::Form { path: output, what });
    }
    let (samples, all) = embed_all(&mut extractor, &reader, &args.folder, args.care.into())?;
    if args.groups == 0 || args.groups > samples.len() {
        let count = samples.len();
        let kind = reader.kind();
        let what = format!("-k {} groups for {count} {kind}; 1 to {count} allowed", args.groups);
        return Err(CommandError::TooFew { path: args.folder.clone(), what });
    }
    let groups = k_means(&all, args.groups, args.seed);
    // Write the sheet first: the reader of the list may stop early.
    let sheet = if is_csv {
        table(&samples, &groups, &reader)?
    } else {
        png(&sheet(&samples, &groups, &mut Opener::new(args.care.into()))?, &output)?
    };
    write_file(&output, &sheet)?;
    for (row, group) in groups.iter().enumerate() {
        println!("{}", label(row, group, reader.kind()));
        for &i in group {
            println!("  {}", described(&samples[i], &reader)?);
        }
    }
    println!("{}: the {} nearest to each group's centre first", output.display(), reader.kind());
    Ok(())
}

/// Returns the table: a line per sample with its cluster, its rank by distance from the centre, its
/// name and, for a text, the first words.
fn table(
    samples: &[Sample],
    groups: &[Vec<usize>],
    reader: &Reader,
) -> Result<Vec<u8>, CommandError> {
    let mut csv = Csv::default();
    let columns = ["group", "place", "name", "text"];
    let shown = if reader.takes_text() { 4 } else { 3 };
    csv.line(&columns[..shown]);
    for (row, group) in groups.iter().enumerate() {
        for (place, &i) in group.iter().enumerate() {
            let text =
                if reader.takes_text() { beginning(&samples[i].text()?) } else { String::new() };
            let cells = [(row + 1).to_string(), (place + 1).to_string(), samples[i].name(), text];
            csv.line(&cells[..shown]);
        }
    }
    Ok(csv.bytes)
}

/// CSV table under construction.
#[derive(Default)]
struct Csv {
    writer: Writer,
    bytes: Vec<u8>,
}

impl Csv {
    fn line(&mut self, cells: &[impl AsRef<str>]) {
        for (i, cell) in cells.iter().map(AsRef::as_ref).enumerate() {
            if i > 0 {
                self.put(1, |writer, out| writer.delimiter(out));
            }
            // A quote may be doubled, and two enclose the field.
            self.put(2 * cell.len() + 2, |writer, out| {
                let (result, _, written) = writer.field(cell.as_bytes(), out);
                (result, written)
            });
        }
        self.put(3, |writer, out| writer.terminator(out));
    }

    fn put(
        &mut self,
        room: usize,
        write: impl FnOnce(&mut Writer, &mut [u8]) -> (WriteResult, usize),
    ) {
        let from = self.bytes.len();
        self.bytes.resize(from + room, 0);
        let (_, written) = write(&mut self.writer, &mut self.bytes[from..]);
        self.bytes.truncate(from + written);
    }
}

fn label(row: usize, group: &[usize], kind: &str) -> String {
    let kind = if group.len() == 1 { kind.trim_end_matches('s') } else { kind };
    format!("group {}: {} {kind}", row + 1, group.len())
}

/// Draws the contact sheet: a row of images per group, the nearest to its centre first.
fn sheet(
    samples: &[Sample],
    groups: &[Vec<usize>],
    opener: &mut Opener,
) -> Result<RgbImage, CommandError> {
    let mut shown = Vec::new();
    for (row, group) in groups.iter().enumerate() {
        let images: Result<Vec<_>, CommandError> = group
            .iter()
            .take(SHOWN)
            .map(|&i| Ok(thumbnail(&opener.open(&samples[i])?.into())))
            .collect();
        let name = format!("group {}", row + 1);
        shown.push(Group { name, count: group.len(), images: images? });
    }
    let title = format!("{} images in {} groups", samples.len(), groups.len());
    Ok(draw(&title, "nearest to the centre of its group first", &shown))
}
