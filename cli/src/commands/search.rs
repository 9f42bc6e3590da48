//! `offshoot search`.

use offshoot::Picture;

use super::{CommandError, embed_pictures};
use crate::args::SearchArgs;
use crate::data::pictures;

pub(super) fn run(args: &SearchArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let files = pictures(&args.folder, usize::MAX)?;
    let all = embed_pictures(&mut extractor, &files)?;
    for path in &args.images {
        let picture = Picture::open(path)?;
        let query = extractor.embed(&picture.frame())?;
        let mut found: Vec<(f32, usize)> =
            (0..all.len()).filter_map(|i| Some((query.cosine(&all.get(i))?.get(), i))).collect();
        // Of two alike, the first by name.
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        println!("{}", path.display());
        for (similarity, i) in found.into_iter().take(args.top.get()) {
            println!("  {similarity:.3}  {}", files[i].display());
        }
    }
    Ok(())
}
