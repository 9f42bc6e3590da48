//! `offshoot inspect`.

use offshoot::{Extractor, Package, Tokens};
use offshoot_convert::calibrate::input::kind_of;
use offshoot_convert::catch_panic::quietly;
use offshoot_convert::import::{
    Belief, Coverage, Cut, FloatNode, ImportError, Imported, Source, UnsupportedTable,
};
use offshoot_convert::ir::cut_points::{
    Candidate, candidates, last_of_each_cost, last_of_each_shape,
};
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::report::{CellsTable, bytes, millions};
use offshoot_core::Shape;
use offshoot_core::graph::{Element, Graph};
use offshoot_core::preprocess::Resize;
use serde_json::{Value, json};

use super::hex;
use crate::args::InspectArgs;
use crate::error::CommandError;

/// Number of float nodes that are listed without --layers.
const FLOATS: usize = 8;

pub(super) fn run(args: &InspectArgs) -> Result<(), CommandError> {
    if args.is_model() {
        return model(args);
    }
    let extractor = Extractor::open(&args.package)?;
    match args.json {
        true => package_json(&extractor),
        false => package_table(args, &extractor),
    }
    Ok(())
}

/// Prints what a package states as a table.
fn package_table(args: &InspectArgs, extractor: &Extractor) {
    let package = extractor.package();
    let manifest = package.manifest();
    let graph = package.graph();
    println!("{}", args.package.display());
    println!("  source         {}  sha256:{}", manifest.source, hex(&manifest.source_sha256));
    println!("  cut            {}", manifest.cut);
    println!("  written by     {}", manifest.tool);
    println!("  id             {}", manifest.id);
    println!("  precision      {}", manifest.precision.name());
    input(&package);
    output(&package);
    println!("  layers         {}", graph.node_count());
    println!("  MACs           {}", millions(graph.macs()));
    let memory = extractor.memory();
    if memory.arena > 0 {
        println!(
            "  arena          {} (largest live set {})",
            bytes(memory.arena),
            bytes(memory.live_set)
        );
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
            let shape = tensor.shape.to_string();
            let macs = millions(graph.node_macs(id, &node));
            println!(
                "  {id:>4}  {:<18} {shape:>14} {macs:>10} {scale:>12} {zero:>5}  {}",
                node.op.name(),
                node.name
            );
        }
    }
}

/// Prints what a package states as JSON.
fn package_json(extractor: &Extractor) {
    let package = extractor.package();
    let manifest = package.manifest();
    let sections: serde_json::Map<String, Value> =
        package.sections().map(|(section, len)| (section.name().to_string(), len.into())).collect();
    let said = json!({
        "source": manifest.source,
        "source_sha256": hex(&manifest.source_sha256),
        "cut": manifest.cut,
        "tool": manifest.tool,
        "id": manifest.id.to_string(),
        "precision": manifest.precision.name(),
        "takes": kind_of(&package),
        "input": package.graph().tensor(Graph::INPUT).shape.dims(),
        "embedding": package.embedding_dim(),
        "layers": package.graph().node_count(),
        "macs": package.graph().macs(),
        "arena": extractor.memory().arena,
        "bytes": extractor.memory().package,
        "sections": sections,
        "goldens": manifest.goldens,
    });
    println!("{said:#}");
}

/// Number of channels whose normalization is printed.
const SHOWN: usize = 8;

/// Prints the output of a package.
fn output(package: &Package<'_>) {
    let manifest = package.manifest();
    let unit = if manifest.extras.unit_length { ", brought to length 1" } else { "" };
    match package.cells() {
        None => println!("  embedding      {} values{unit}", package.embedding_dim()),
        Some(cells) => print!("{}", CellsTable(cells)),
    }
    let starts = manifest.extras.parts;
    if !starts.is_empty() {
        let starts: Vec<String> = starts.iter().map(|start| start.to_string()).collect();
        println!("  parts          {}, from value {}", starts.len(), starts.join(", "));
    }
}

/// Prints the input of a package.
fn input(package: &Package<'_>) {
    if let Some(text) = package.text() {
        let Tokens { vocabulary, pad, pooling } = text.tokens;
        let places = package.graph().tensor(Graph::INPUT).shape.w();
        println!("  input          text, up to {places} tokens of {vocabulary}, filled with {pad}");
        println!("  pooling        {}", pooling.name());
        println!("  tokenizer      {}", bytes(text.tokenizer.len()));
        return;
    }
    if let Some(sensor) = package.sensor() {
        let shape = package.graph().tensor(Graph::INPUT).shape;
        let rows = if shape.h() > 1 { format!("{} x ", shape.h()) } else { String::new() };
        let rate =
            if sensor.rate > 0.0 { format!(" at {} Hz", sensor.rate) } else { String::new() };
        println!(
            "  input          signal, {rows}{} places of {} channels{rate}",
            shape.w(),
            shape.c()
        );
        println!(
            "  stream         a window every {} places; 16-bit unit {}",
            sensor.step, sensor.unit
        );
        let pairs: Vec<String> = sensor
            .normalization()
            .take(SHOWN)
            .map(|[mean, std]| format!("(x - {mean}) / {std}"))
            .collect();
        let more = if shape.c() > SHOWN { ", .." } else { "" };
        println!("  normalization  {}{more}", pairs.join(", "));
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

/// Token count to import a language backbone with, if it leaves the length open.
const TOKENS: Option<usize> = Some(128);

fn import(source: &Source, args: &InspectArgs, cuts: &[&str]) -> Result<Imported, ImportError> {
    quietly(|| source.import(cuts, args.input_size, Pool::None))
        .unwrap_or_else(|panic| Err(source.analyse(panic)))
}

/// Prints the coverage of a model's nodes, and its cut points up to the default cut of `convert`.
///
/// If some nodes are not supported, they are listed, and the rest describes the part before them.
fn model(args: &InspectArgs) -> Result<(), CommandError> {
    let mut source = Source::open(&args.package)?.with_external_data(args.external_data)?;
    if source.takes_text() {
        return language_model(args, &source);
    }
    source.take_signals_by_shape();
    if args.json {
        return model_json(args, &source);
    }
    println!("{}", args.package.display());
    let (imported, unsupported) = match import(&source, args, &[]) {
        Err(ImportError::Unsupported { nodes, .. }) => {
            println!("  unsupported    {} nodes{}", nodes.len(), UnsupportedTable(&nodes));
            let Some(cut) = nodes.iter().find_map(|node| node.cut.clone()) else { return Ok(()) };
            (import(&source, args, &[&cut])?, nodes.len())
        }
        imported => (imported?, 0),
    };
    let input = imported.model.layers[0].shape;
    println!("  input          {input}");
    if let Some(Belief { kind, sure, why }) = source.belief(&imported.cut, input) {
        println!("  network        {}, {}: {why}", kind.name(), sure.name());
    }
    println!("  cut            {} ({})", imported.cut.name, imported.cut.why);
    for unsure in &imported.cut.unsure {
        println!("  unsure         {unsure}");
    }
    let coverage = Coverage::of(&source, &imported);
    let Coverage { int8, float, fused, constant, left_out } = &coverage;
    println!(
        "  nodes          {}: {int8} int8, {} float, {unsupported} unsupported; {fused} become part of others, \
         {constant} are constants, {} come after the cut",
        coverage.nodes(),
        float.len(),
        left_out - unsupported
    );
    let shown = if args.layers { float.len() } else { FLOATS };
    for FloatNode { name, operation } in float.iter().take(shown) {
        println!("    in float     {operation:<20} {name}");
    }
    if float.len() > shown {
        println!("    and {} more: --layers", float.len() - shown);
    }
    let mut found = candidates(&imported.model, |layer| source.tensor_of(layer));
    if !args.layers {
        found = last_of_each_shape(&found);
    }
    places(found);
    Ok(())
}

/// Prints what is known of a model as JSON.
fn model_json(args: &InspectArgs, source: &Source) -> Result<(), CommandError> {
    let imported = import(source, args, &[])?;
    let input = imported.model.layers[0].shape;
    let mut found = candidates(&imported.model, |layer| source.tensor_of(layer));
    if !args.layers {
        found = last_of_each_shape(&found);
    }
    print_json(source, &imported.cut, input, found);
    Ok(())
}

fn print_json(source: &Source, cut: &Cut, input: Shape, found: Vec<Candidate>) {
    let network = source.belief(cut, input).map(|Belief { kind, sure, why }| {
        json!({ "kind": kind.name(), "sure": sure.name(), "why": why })
    });
    let place = |c: Candidate| json!({ "cut": c.name, "map": c.shape.dims(), "macs": c.macs, "weight_bytes": c.bytes });
    let places: Vec<Value> = found.into_iter().map(place).collect();
    let said = json!({
        "input": input.dims(),
        "network": network,
        "cut": cut.name,
        "cut_why": cut.why,
        "cut_unsure": cut.unsure,
        "places": places,
    });
    println!("{said:#}");
}

/// Prints the input of a language backbone and the cut points that all data except the mask passes.
fn language_model(args: &InspectArgs, source: &Source) -> Result<(), CommandError> {
    let imported =
        quietly(|| source.import_text(&[], None).or_else(|_| source.import_text(&[], TOKENS)))
            .unwrap_or_else(|p| Err(source.analyse(p)))?;
    let all = candidates(&imported.model, |layer| source.tensor_of(layer));
    let found = if args.layers { all } else { last_of_each_cost(&all) };
    let input = imported.model.layers[0].shape;
    if args.json {
        print_json(source, &imported.cut, input, found);
        return Ok(());
    }
    println!("{}", args.package.display());
    println!("  input          text, {} tokens of {}", imported.length, imported.table.vocabulary);
    if let Some(Belief { kind, sure, why }) = source.belief(&imported.cut, input) {
        println!("  network        {}, {}: {why}", kind.name(), sure.name());
    }
    println!("  cut            {} ({})", imported.cut.name, imported.cut.why);
    places(found);
    Ok(())
}

fn places(found: Vec<Candidate>) {
    println!("\n  {:>14} {:>12} {:>24}  --cut", "map", "MACs", "int8 weights");
    for c in found {
        let shape = c.shape.to_string();
        let macs = millions(c.macs);
        let weights = bytes(c.bytes as usize);
        println!("  {shape:>14} {macs:>12} {weights:>24}  {}", c.name);
    }
}
