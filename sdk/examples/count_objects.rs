//! Counts objects in a picture with a head of cells: `count_objects PACKAGE HEAD IMAGE`.

use offshoot::{Extractor, Image, SpatialHead};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1);
    let mut next = || paths.next().ok_or("PACKAGE HEAD IMAGE");
    let mut extractor = Extractor::open(next()?)?;
    let mut head = SpatialHead::load(next()?, &extractor)?;
    let image = Image::open(next()?)?;
    let found = head.find(&extractor.cells(&image.frame())?)?.to_vec();
    for own in &found {
        let name = head.class_name(own.class).unwrap_or_default();
        let [left, top, width, height] = own.area(head.unknown_size());
        println!("{name} {:.2}: {left:.2} {top:.2} {width:.2} {height:.2}", own.score);
    }
    println!("{} objects", found.len());
    Ok(())
}
