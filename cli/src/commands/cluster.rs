//! `offshoot cluster`.

use std::path::PathBuf;

use image::RgbImage;
use image::imageops::{FilterType, overlay, resize};
use offshoot::Picture;

use super::{CommandError, embed_pictures, png, write_file};
use crate::args::ClusterArgs;
use crate::cluster::k_means;
use crate::data::pictures;

/// Sides of a picture on the sheet, and of the gap between two.
const SIDE: u32 = 96;
const GAP: u32 = 4;

/// Pictures of a group on the sheet, those nearest to its centre.
const SHOWN: usize = 10;

pub(super) fn run(args: &ClusterArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let files = pictures(&args.folder, usize::MAX)?;
    if args.groups == 0 || args.groups > files.len() {
        let what = format!("{} pictures, allowed are 1 to as many groups", files.len());
        return Err(CommandError::TooFew { path: args.folder.clone(), what });
    }
    let all = embed_pictures(&mut extractor, &files)?;
    let groups = k_means(&all, args.groups, args.seed);
    let mut sheet = RgbImage::from_pixel(
        GAP + SHOWN as u32 * (SIDE + GAP),
        GAP + groups.len() as u32 * (SIDE + GAP),
        image::Rgb([255; 3]),
    );
    for (row, group) in groups.iter().enumerate() {
        println!("group {}: {} pictures", row + 1, group.len());
        for &i in group {
            println!("  {}", files[i].display());
        }
        for (column, &i) in group.iter().take(SHOWN).enumerate() {
            let small = thumbnail(&files[i])?;
            let at = |n: usize| i64::from(GAP + n as u32 * (SIDE + GAP));
            overlay(&mut sheet, &small, at(column), at(row));
        }
    }
    write_file(&args.output, &png(&sheet, &args.output)?)?;
    println!("{}: the pictures nearest to each group's centre", args.output.display());
    Ok(())
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
