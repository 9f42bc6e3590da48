//! `offshoot cluster`.

use std::path::PathBuf;

use image::RgbImage;
use image::imageops::{FilterType, overlay, resize};
use offshoot::Picture;

use super::{CommandError, embed_pictures, png, write_file};
use crate::args::ClusterArgs;
use crate::canvas::{Canvas, LINE};
use crate::cluster::k_means;
use crate::data::pictures;

/// Sides of a picture on the sheet, and of the gap between two.
const SIDE: u32 = 96;
const GAP: u32 = 4;

/// Room for a label.
const LEAST_WIDTH: u32 = 256;

/// Pictures of a group on the sheet, those nearest to its centre.
const SHOWN: usize = 10;

pub(super) fn run(args: &ClusterArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let files = pictures(&args.folder, usize::MAX)?;
    if args.groups == 0 || args.groups > files.len() {
        let what = format!(
            "{} pictures, -k {} groups; allowed are 1 to as many as pictures",
            files.len(),
            args.groups
        );
        return Err(CommandError::TooFew { path: args.folder.clone(), what });
    }
    let all = embed_pictures(&mut extractor, &files)?;
    let groups = k_means(&all, args.groups, args.seed);
    // The sheet first: whoever reads the list may stop early.
    write_file(&args.output, &png(&sheet(&files, &groups)?, &args.output)?)?;
    for (row, group) in groups.iter().enumerate() {
        println!("{}", label(row, group));
        for &i in group {
            println!("  {}", files[i].display());
        }
    }
    println!("{}: the pictures nearest to each group's centre", args.output.display());
    Ok(())
}

fn label(row: usize, group: &[usize]) -> String {
    let many = if group.len() == 1 { "" } else { "s" };
    format!("group {}: {} picture{many}", row + 1, group.len())
}

/// A line and a row of pictures for each group.
fn sheet(files: &[PathBuf], groups: &[Vec<usize>]) -> Result<RgbImage, CommandError> {
    let row_height = LINE + SIDE + GAP;
    let columns = groups.iter().map(Vec::len).max().unwrap_or(0).min(SHOWN) as u32;
    let mut sheet = Canvas::white(
        (GAP + columns * (SIDE + GAP)).max(LEAST_WIDTH),
        GAP + groups.len() as u32 * row_height,
    );
    for (row, group) in groups.iter().enumerate() {
        let top = GAP + row as u32 * row_height;
        sheet.write(GAP, top, &label(row, group), [40; 3]);
        for (column, &i) in group.iter().take(SHOWN).enumerate() {
            let left = GAP + column as u32 * (SIDE + GAP);
            overlay(&mut sheet.0, &thumbnail(&files[i])?, left.into(), (top + LINE).into());
        }
    }
    Ok(sheet.0)
}

/// The middle of a picture.
fn thumbnail(path: &PathBuf) -> Result<RgbImage, CommandError> {
    let picture = Picture::open(path)?;
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    let full = RgbImage::from_raw(width, height, picture.rgb().to_vec()).unwrap_or_default();
    let middle = image::imageops::crop_imm(&full, (width - side) / 2, (height - side) / 2, side, side);
    Ok(resize(&middle.to_image(), SIDE, SIDE, FilterType::Triangle))
}
