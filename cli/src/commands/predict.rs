//! `offshoot predict`.

use offshoot::{Answer, Head, Picture};

use super::CommandError;
use crate::args::PredictArgs;

pub(super) fn run(args: &PredictArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let mut head = Head::load(&args.head, &extractor)?;
    for path in &args.images {
        let picture = Picture::open(path)?;
        let embedding = extractor.embed(&picture.frame())?;
        let answer = head.classify(embedding).map_err(offshoot::Error::from)?;
        let name = head.class_name(answer.class()).unwrap_or_default();
        match answer {
            Answer::Unknown { score, .. } => {
                println!("{}  unknown  nearest {name}, similarity {:.3}", path.display(), score.get());
            }
            known => println!(
                "{}  {name}  {:.3}  margin {:.3}",
                path.display(),
                known.confidence().get(),
                known.margin()
            ),
        }
    }
    Ok(())
}
