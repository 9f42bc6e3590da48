//! `offshoot embed`.

use std::io::{self, Cursor, Write};

use npyz::{AutoSerialize, DType, TypeStr, WriteOptions, WriterBuilder};
use offshoot::Extractor;
use offshoot_dataset::{Dataset, LeftOut, Sample};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::progress::Progress;
use super::shared::{tell, write_file};
use crate::args::EmbedArgs;
use crate::error::CommandError;
use crate::learn::embeddings::{EmbedError, Embeddings, Reader};

/// Extracts the embeddings of whole samples, or of the requested view.
fn extract(
    extractor: &mut Extractor,
    samples: &mut Vec<Sample>,
    args: &EmbedArgs,
    left_out: &mut LeftOut,
    bar: &Progress,
) -> Result<Embeddings, EmbedError> {
    match args.view {
        Some(view) => {
            Embeddings::extract_view(extractor, samples, view.into(), left_out, || bar.step())
        }
        None => Embeddings::extract(extractor, samples, left_out, || bar.step()),
    }
}

/// Writes the arrays `embeddings` (samples x dimensions, float32), `labels` (index into `classes`;
/// -1 in a folder without classes), `split` (0 train, 1 val), `classes` and `files` (text).
pub(super) fn run(args: &EmbedArgs) -> Result<(), CommandError> {
    let mut extractor = args.tail.open(args.run, &args.package)?;
    let reader = Reader::of(&extractor)?;
    let mut data = Dataset::of_any(&args.data, &args.selection.selection(), reader.wanted())?;
    let bar = Progress::new(data.train.len() + data.val.len(), "embed");
    let Dataset { train, val, left_out, .. } = &mut data;
    let mut embeddings = extract(&mut extractor, train, args, left_out, &bar)?;
    let tested = extract(&mut extractor, val, args, left_out, &bar)?;
    bar.finish();
    tell(&args.data, &data.left_out);
    let samples: Vec<Sample> = data.train.iter().chain(&data.val).cloned().collect();
    data.left_out.check_some(&args.data, samples.len(), reader.kind())?;
    embeddings.values.extend(tested.values);
    embeddings.labels.extend(tested.labels);
    if args.l2 {
        embeddings.to_unit_length();
    }
    let split: Vec<i64> = (0..samples.len()).map(|i| i64::from(i >= data.train.len())).collect();
    if let Some(path) = &args.output {
        let bytes = npz(&data, &samples, &embeddings, &split)
            .map_err(|source| CommandError::write(path, source))?;
        write_file(path, &bytes)?;
    }
    if let Some(path) = &args.json {
        write_file(path, json(&data, &samples, &embeddings, &split).to_string().as_bytes())?;
    }
    let n = embeddings.len();
    let dim = embeddings.dim;
    for path in args.output.iter().chain(&args.json) {
        println!(
            "{}: {n} embeddings of {dim} values, {} classes",
            path.display(),
            data.classes.len()
        );
    }
    Ok(())
}

/// Returns the arrays of the archive as JSON, under the same names.
fn json(data: &Dataset, samples: &[Sample], e: &Embeddings, split: &[i64]) -> serde_json::Value {
    let rows: Vec<&[f32]> = e.values.chunks_exact(e.dim).collect();
    let files: Vec<String> = samples.iter().map(Sample::name).collect();
    serde_json::json!({
        "embeddings": rows, "labels": labels(data, e), "split": split, "classes": data.classes, "files": files,
    })
}

/// Returns the class of each sample; -1 if there are no classes.
fn labels(data: &Dataset, e: &Embeddings) -> Vec<i64> {
    let has_classes = !data.classes.is_empty();
    e.labels.iter().map(|&label| if has_classes { label as i64 } else { -1 }).collect()
}

fn npz(data: &Dataset, samples: &[Sample], e: &Embeddings, split: &[i64]) -> io::Result<Vec<u8>> {
    let rows = e.len() as u64;
    let labels = labels(data, e);
    let files: Vec<String> = samples.iter().map(Sample::name).collect();
    let arrays = [
        ("embeddings", npy(&e.values, &[rows, e.dim as u64])?),
        ("labels", npy(&labels, &[rows])?),
        ("split", npy(split, &[rows])?),
        ("classes", npy_text(&data.classes)?),
        ("files", npy_text(&files)?),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        // Stored uncompressed, like numpy does: floats hardly compress.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(npyz::npz::file_name_from_array_name(name), options)?;
        zip.write_all(&bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn npy<T: AutoSerialize + Copy>(values: &[T], shape: &[u64]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer =
        WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}

/// Encodes strings as numpy's fixed-width unicode.
fn npy_text(lines: &[String]) -> io::Result<Vec<u8>> {
    let width = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0).max(1);
    let kind: TypeStr = format!("<U{width}").parse().map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    let options = WriteOptions::<str>::new().dtype(DType::Plain(kind)).shape(&[lines.len() as u64]);
    let mut writer = options.writer(&mut bytes).begin_nd()?;
    for line in lines {
        writer.push(line.as_str())?;
    }
    writer.finish()?;
    Ok(bytes)
}
