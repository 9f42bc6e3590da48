//! Conversion report as JSON.

use offshoot_convert::quantize::noise::decibels;
use offshoot_convert::report::{Fix, LayerReport, Place, Report};
use serde_json::{Value, json};

/// Returns the content of the HTML report as JSON.
pub fn value(report: &Report, command: &str) -> Value {
    let memory = report.memory.as_ref().map(|plan| {
        let places: Vec<Value> = plan.places.iter().map(place).collect();
        json!({ "arena": plan.arena, "least": plan.least, "whole_maps": plan.bound, "nodes": plan.nodes, "places": places })
    });
    let task = report.task.as_ref().map(|t| {
        json!({ "data": t.data, "int8": t.own, "float": t.float, "drop_points": t.drop, "within_points": t.half })
    });
    json!({
        "verdict": report.verdict(),
        "cut": report.cut,
        "cut_why": report.cut_why,
        "cut_unsure": report.cut_unsure,
        "values": report.dim,
        "parts": report.parts,
        "unit_length": report.unit_length,
        "precision": report.precision.name(),
        "package_bytes": report.package,
        "macs": report.macs,
        "pictures": report.images,
        "cosine_mean": report.cosine_mean,
        "cosine_min": report.cosine_min,
        "noise": report.noise,
        "decibels": decibels(report.noise),
        "judged_decibels": decibels(report.judged),
        "done": report.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "few_shot": task,
        "layers": report.layers.iter().map(layer).collect::<Vec<_>>(),
        "memory": memory,
        "fixes": report.fixes().iter().map(|it| fix(it, command)).collect::<Vec<_>>(),
    })
}

fn place(place: &Place) -> Value {
    json!({
        "tensor": place.name,
        "scratch": place.scratch,
        "bytes": [place.bytes.start, place.bytes.end],
        "nodes": [place.nodes.start(), place.nodes.end()],
    })
}

fn fix(fix: &Fix, command: &str) -> Value {
    let command = format!("{command} {}", fix.options);
    json!({ "what": fix.what, "gain_decibels": fix.gain, "command": command })
}

fn layer(layer: &LayerReport) -> Value {
    json!({
        "name": layer.name,
        "operation": layer.op,
        "shape": layer.shape.dims(),
        "macs": layer.macs,
        "weight_bytes": layer.weights,
        "in_codes": layer.in_codes,
        "equalized": layer.equalized,
        "noise_alone": layer.alone,
        "noise_together": layer.together,
        "cosine": layer.cosine,
        "seen": [layer.seen.min, layer.seen.max],
        "covered": layer.covered,
        "histogram": layer.curve.0,
    })
}
