//! `offshoot inspect`.

use offshoot::{Extractor, Package, Tokens};
use offshoot_core::graph::{Element, Graph};
use offshoot_core::preprocess::Resize;

use super::{CommandError, hex};
use crate::args::InspectArgs;
use crate::cuts::{candidates, last_of_each_shape};
use crate::embedding::Pool;
use crate::guard::quietly;
use crate::import::Source;
use crate::report::{bytes, millions};

pub(super) fn run(args: &InspectArgs) -> Result<(), CommandError> {
    if args.package.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
        return model(args);
    }
    let extractor = Extractor::open(&args.package)?;
    let package = extractor.package();
    let (manifest, graph) = (package.manifest(), package.graph());
    println!("{}", args.package.display());
    println!("  source         {}  sha256:{}", manifest.source, hex(&manifest.source_sha256));
    println!("  cut            {}", manifest.cut);
    println!("  written by     {}", manifest.tool);
    println!("  id             {}", hex(&manifest.id));
    println!("  precision      {}", manifest.precision.name());
    input(&package);
    println!("  embedding      {} values", package.embedding_dim());
    println!("  layers         {}", graph.node_count());
    println!("  MACs           {}", millions(graph.macs()));
    let memory = extractor.memory();
    if memory.arena > 0 {
        println!("  arena          {} (largest live set {})", bytes(memory.arena), bytes(memory.live_set));
    }
    println!("  package        {}", bytes(memory.package));
    for (section, len) in package.sections() {
        println!("    {:<12} {}", section.name(), bytes(len));
    }
    println!("  golden vectors {}", manifest.goldens);
    if args.layers {
        println!(
            "\n  {:>4}  {:<18} {:>14} {:>10} {:>12} {:>5}  name",
            "id", "operation", "shape", "MACs", "scale", "zero"
        );
        for (id, node) in graph.nodes() {
            let tensor = graph.tensor(id);
            let (scale, zero) = match tensor.element {
                Element::Int8(q) => (format!("{:.6}", q.scale.get()), q.zero_point.to_string()),
                Element::Float => ("float".to_string(), String::new()),
            };
            let (shape, macs) = (tensor.shape.to_string(), millions(graph.node_macs(id, &node)));
            println!(
                "  {id:>4}  {:<18} {shape:>14} {macs:>10} {scale:>12} {zero:>5}  {}",
                node.op.name(),
                node.name
            );
        }
    }
    Ok(())
}

/// What a package takes.
fn input(package: &Package<'_>) {
    if let Some(text) = package.text() {
        let Tokens { vocabulary, pad, pooling } = text.tokens;
        let places = package.graph().tensor(Graph::INPUT).shape.w();
        println!("  input          text, up to {places} tokens of {vocabulary}, filled with {pad}");
        println!("  pooling        {}", pooling.name());
        println!("  tokenizer      {}", bytes(text.tokenizer.len()));
        return;
    }
    let p = &package.manifest().preprocess;
    let resize = match p.resize {
        Resize::Squash => "whole frame stretched".to_string(),
        Resize::Crop { short_side } => format!("short side to {short_side}, middle kept"),
    };
    println!("  input          {}x{} {:?}, {resize}", p.width, p.height, p.channels);
    let channels = p.channels.count();
    println!("  normalization  (byte - {:?}) / {:?}", &p.mean[..channels], &p.std[..channels]);
}

/// A model's places to cut, up to the one that `convert` would take.
fn model(args: &InspectArgs) -> Result<(), CommandError> {
    let source = Source::open(&args.package)?;
    let imported = quietly(|| source.import(&[], args.input_size, Pool::None))
        .unwrap_or_else(|p| Err(source.analyse(p)))?;
    println!("{}", args.package.display());
    println!("  input          {}", imported.model.layers[0].shape);
    println!("  cut            {} ({})", imported.cut.name, imported.cut.why);
    let mut found = candidates(&imported.model, |name| source.has_tensor(name));
    if !args.layers {
        found = last_of_each_shape(&found);
    }
    println!("\n  {:>14} {:>12} {:>24}  --cut", "map", "MACs", "int8 weights");
    for c in found {
        let (shape, macs, weights) = (c.shape.to_string(), millions(c.macs), bytes(c.bytes as usize));
        println!("  {shape:>14} {macs:>12} {weights:>24}  {}", c.name);
    }
    Ok(())
}
