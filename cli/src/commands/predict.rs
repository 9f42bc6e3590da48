//! `offshoot predict`.

use std::path::Path;

use offshoot::{Answer, ClassId, Embedding, Extractor, Head, Image};
use offshoot_dataset::{Opener, Sample};
use serde_json::{Map, Value, json};

use super::events;
use super::find;
use super::shared::{check_no_cells, png, write_file};
use crate::args::PredictArgs;
use crate::draw::heatmap::{self, HeatMap};
use crate::error::CommandError;
use crate::learn::embeddings::{EmbedError, Input, Reader};

pub(super) fn run(args: &PredictArgs) -> Result<(), CommandError> {
    let mut extractor = args.tail.open(args.run, &args.package)?;
    if extractor.cells_layout().is_some() {
        return find::predict(args, extractor);
    }
    let of_cells = [(args.draw.is_some(), "--draw"), (args.template.is_some(), "--template")];
    check_no_cells(&args.package, &of_cells)?;
    let mut head = Head::load(&args.head, &extractor)?;
    if let (Some(path), [_, _, ..]) = (&args.heatmap, &args.images[..]) {
        let what = format!("--heatmap takes one image, {} were given", args.images.len());
        return Err(CommandError::Heatmap { path: path.clone(), what });
    }
    head.fit()?;
    let reader = Reader::of(&extractor)?;
    if args.every.is_some() && !matches!(reader, Reader::Sounds(_)) {
        let takes = reader.kind();
        let path = args.package.clone();
        return Err(CommandError::OtherKind { path, takes, option: "--every" });
    }
    let mut opener = Opener::new(args.care.into());
    let mut fault: Option<EmbedError> = None;
    for path in &args.images {
        let input = match reader.read(&Sample::of_file(path.clone()), &mut opener) {
            Ok(input) => input,
            Err(error) if args.care.strict => return Err(error.into()),
            // Continue with the other images; the command still fails at the end.
            Err(error) => {
                if let Some(before) = fault.replace(error) {
                    eprintln!("{before}");
                }
                continue;
            }
        };
        if let (Some(every), Input::Sound(samples)) = (args.every, &input) {
            let found = events::events(&mut extractor, &head, samples, every)?;
            events::print(path, &found, args.json);
            continue;
        }
        let embedding = input.embed(&mut extractor)?;
        let seen = Seen::ask(&head, embedding)?;
        let why = seen.why.as_ref().zip(args.dimensions);
        if args.dimensions.is_some() && why.is_none() {
            let what = "k-NN heads and heads of one class have no weights per dimension";
            return Err(CommandError::Dimensions { path: args.head.clone(), what });
        }
        if args.json {
            println!("{}", seen.as_json(path, &head, why));
        } else {
            println!("{}  {}", path.display(), seen.in_words(&head));
            if let Some((why, count)) = why {
                why.print(count, &head);
            }
        }
        if let Some(out) = &args.heatmap {
            let image = opener.open(&Sample::of_file(path.clone()))?;
            draw(args, &extractor, &head, (&image, &seen), out)?;
        }
    }
    fault.map_or(Ok(()), |error| Err(error.into()))
}

fn draw(
    args: &PredictArgs,
    extractor: &Extractor,
    head: &Head,
    (image, seen): (&Image, &Seen),
    out: &Path,
) -> Result<(), CommandError> {
    let Some(found) = extractor.activations(head, seen.answer.class())? else {
        let what =
            "the embedding is not the average of an int8 feature map, so there is no heat map";
        return Err(CommandError::Heatmap { path: args.package.clone(), what: what.to_string() });
    };
    let class = name(head, seen.answer.class());
    let (title, below) = match seen.answer {
        Answer::Unknown { score, .. } => {
            ("unknown", format!("nearest is {class}, similarity {:.3}", score.get()))
        }
        known => {
            let sure = 100.0 * known.confidence().get();
            (class, format!("confidence {sure:.1} %, margin {:.3}", known.margin()))
        }
    };
    let drawing = heatmap::draw(&HeatMap {
        package: extractor.package(),
        image,
        found: &found,
        class,
        title,
        below: &below,
    });
    write_file(out, &png(&drawing, out)?)
}

/// Prediction for one sample.
struct Seen {
    answer: Answer,
    probabilities: Vec<f32>,
    similarity: f32,
    /// Similarity below which the sample is unknown.
    least: Option<f32>,
    why: Option<Why>,
}

fn name(head: &Head, class: ClassId) -> &str {
    head.class_name(class).unwrap_or_default()
}

/// Explanation of one class against the runner-up: contributions to the log odds.
struct Why {
    against: ClassId,
    bias: f32,
    dimensions: Vec<f32>,
}

impl Seen {
    fn ask(head: &Head, embedding: Embedding<'_>) -> Result<Self, offshoot::Error> {
        let mut probabilities = vec![0.0; head.class_count()];
        let answer = head.probabilities(embedding, &mut probabilities)?;
        let (similarity, least) = head.similarity(embedding)?;
        let why = Why::ask(head, embedding, answer.class(), &probabilities)?;
        let least = least.map(|least| least.get());
        Ok(Self { answer, probabilities, similarity: similarity.get(), least, why })
    }

    fn in_words(&self, head: &Head) -> String {
        let name = head.class_name(self.answer.class()).unwrap_or_default();
        match self.answer {
            Answer::Unknown { score, .. } => {
                format!("unknown  nearest {name}, similarity {:.3}", score.get())
            }
            known => {
                format!("{name}  {:.3}  margin {:.3}", known.confidence().get(), known.margin())
            }
        }
    }

    /// Returns the prediction as JSON, with the explanation if requested.
    fn as_json(&self, path: &Path, head: &Head, why: Option<(&Why, usize)>) -> Value {
        let names = head.classes().map(|(_, name)| name.to_string());
        let probabilities: Map<String, Value> =
            names.zip(self.probabilities.iter().map(|&p| json!(p))).collect();
        let mut said = json!({
            "picture": path.display().to_string(),
            "class": self.answer.known().map(|class| name(head, class)),
            "nearest": name(head, self.answer.class()),
            "confidence": self.answer.confidence().get(),
            "margin": self.answer.margin(),
            "similarity": self.similarity,
            "unknown_below": self.least,
            "probabilities": probabilities,
        });
        if let Some((why, count)) = why {
            let dimensions = why.most(count).into_iter();
            said["against"] = name(head, why.against).into();
            said["log_odds"] = why.sum().into();
            said["bias"] = why.bias.into();
            said["dimensions"] = dimensions
                .map(|at| json!({ "dimension": at, "log_odds": why.dimensions[at] }))
                .collect();
        }
        said
    }
}

impl Why {
    /// Returns the dimensions with the largest contributions, of either sign.
    fn most(&self, count: usize) -> Vec<usize> {
        let sizes: Vec<f32> = self.dimensions.iter().map(|log_odds| log_odds.abs()).collect();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]).then(a.cmp(&b)));
        order.truncate(count);
        order
    }

    fn sum(&self) -> f32 {
        self.dimensions.iter().sum::<f32>() + self.bias
    }

    fn print(&self, count: usize, head: &Head) {
        let against = head.class_name(self.against).unwrap_or_default();
        println!(
            "  log odds against {against}: {:+.3}, including bias {:+.3}",
            self.sum(),
            self.bias
        );
        for dimension in self.most(count) {
            println!("  dimension {dimension:>5} {:+.3}", self.dimensions[dimension]);
        }
    }

    /// Returns `None` if there is no other class, or the head has no weights.
    fn ask(
        head: &Head,
        embedding: Embedding<'_>,
        class: ClassId,
        probabilities: &[f32],
    ) -> Result<Option<Self>, offshoot::Error> {
        let others = head.classes().map(|(id, _)| id).zip(probabilities);
        let taught = others.filter(|(id, _)| *id != class && head.samples_of(*id) > 0);
        let next = taught.max_by(|a, b| a.1.total_cmp(b.1)).map(|(id, _)| id);
        let Some(against) = next.filter(|_| head.samples_of(class) > 0) else { return Ok(None) };
        if !head.chosen()?.kind.is_linear() {
            return Ok(None);
        }
        let mut dimensions = vec![0.0; head.dim()];
        let bias = head.contributions(embedding, class, against, &mut dimensions)?;
        Ok(Some(Self { against, bias, dimensions }))
    }
}
