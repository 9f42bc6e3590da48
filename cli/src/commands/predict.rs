//! `offshoot predict`.

use offshoot::{Answer, Embedding, Head, Picture};

use super::{CommandError, png, write_file};
use crate::args::PredictArgs;
use crate::data::{Place, Sample};
use crate::embeddings::{of_text, tokenizer};
use crate::heatmap;

pub(super) fn run(args: &PredictArgs) -> Result<(), CommandError> {
    let mut extractor = args.run.open(&args.package)?;
    let mut head = Head::load(&args.head, &extractor)?;
    if let (Some(path), [_, _, ..]) = (&args.heatmap, &args.images[..]) {
        let what = format!("--heatmap draws one picture, {} were given", args.images.len());
        return Err(CommandError::Heatmap { path: path.clone(), what });
    }
    let tokenizer = tokenizer(&extractor)?;
    for path in &args.images {
        let sample = Sample { place: Place::File(path.clone()), class: 0 };
        let values: Vec<f32> = match &tokenizer {
            Some(tokenizer) => of_text(&mut extractor, tokenizer, &sample.text()?, || sample.name())?,
            None => extractor.embed(&sample.open()?.frame())?.iter().collect(),
        };
        let answer = head.classify(Embedding::Float(&values)).map_err(offshoot::Error::from)?;
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
        if let Some(out) = &args.heatmap {
            let Some(found) = extractor.activations(&mut head, answer.class())? else {
                let what = "the embedding is not the mean of an int8 map: there is nothing to draw from";
                return Err(CommandError::Heatmap { path: args.package.clone(), what: what.to_string() });
            };
            let picture = Picture::open(path)?;
            write_file(out, &png(&heatmap::draw(&extractor.package(), &picture, &found), out)?)?;
        }
    }
    Ok(())
}
