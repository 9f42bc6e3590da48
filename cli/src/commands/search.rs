//! `offshoot search`.

use offshoot_dataset::{Opener, Sample};

use super::shared::{described, embed_all};
use crate::args::SearchArgs;
use crate::error::CommandError;
use crate::learn::embeddings::Reader;

pub(super) fn run(args: &SearchArgs) -> Result<(), CommandError> {
    let mut extractor = args.tail.open(args.run, &args.package)?;
    let reader = Reader::of(&extractor)?;
    let (samples, all) = embed_all(&mut extractor, &reader, &args.folder, args.care.into())?;
    let mut opener = Opener::new(args.care.into());
    for path in &args.images {
        let input = reader.read(&Sample::of_file(path.clone()), &mut opener)?;
        let query = input.embed(&mut extractor)?;
        let mut found: Vec<(f32, usize)> =
            (0..all.len()).filter_map(|i| Some((query.cosine(&all.get(i))?.get(), i))).collect();
        // Ties are resolved by name.
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        println!("{}", path.display());
        for (similarity, i) in found.into_iter().take(args.top.get()) {
            println!("  {similarity:.3}  {}", described(&samples[i], &reader)?);
        }
    }
    Ok(())
}
