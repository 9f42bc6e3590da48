//! A head that survives a power cut: two slots of a file of fixed size, as a partition or a flash
//! chip would hold it: `cargo run --example heads_in_flash models/sprout/sprout.offshoot
//! head.store`.

use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
use offshoot_store::{FILE_SECTOR, FileMedium, Store, medium_size};

const LIMITS: Limits = Limits { classes: 4, samples: 40 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let package = arguments.next().unwrap_or("sprout.offshoot".to_string());
    let path = arguments.next().unwrap_or("head.store".to_string());
    let mut extractor = Extractor::open(package)?;

    let most = u32::try_from(LIMITS.most_encoded_for(extractor.parts()))?;
    let size = medium_size(most, FILE_SECTOR).ok_or("the head is too large for a store")?;
    let mut store = Store::open(FileMedium::open(path, size)?)?;
    let mut bytes = vec![0; store.capacity()];
    let mut head = match store.load(&mut bytes)? {
        Some(record) => Head::from_bytes(record, &extractor)?,
        None => Head::new(HeadKind::Auto, &extractor, LIMITS)?,
    };
    println!("{} samples from earlier runs", head.sample_count());

    let class = match head.class_named("grey") {
        Some(class) => class,
        None => head.add_class("grey")?,
    };
    let shade = 20 * head.sample_count() as u8;
    head.add_sample(class, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;

    // The sample counts once this returns; a power cut before leaves the head of the last run.
    let length = head.encode(&mut bytes)?;
    store.save(&bytes[..length])?;
    println!("{} samples kept", head.sample_count());
    Ok(())
}
