//! Cuts of models without a vector at their end: detectors, segmentation, backbones with feature
//! maps as output.

use super::kinds::{self, Kind};
use super::network::Structure;
use super::{Cut, Ends, Head, Tail};

/// Operations that enlarge a feature map.
const ENLARGES: [&str; 3] = ["Resize", "Upsample", "ConvTranspose"];

impl<'g> Ends<'g> {
    /// Returns a cut of a detector or a mask at the deepest feature map before the first enlargement,
    /// of a backbone with several maps out at the one with the fewest places; else at the common
    /// source of all outputs, unless most of the network follows it; else at the deepest output.
    pub(super) fn of_maps(&self, tails: &[Tail<'g>], structure: Structure) -> Cut {
        let outputs: Vec<&'g str> = tails.iter().map(|tail| tail.output).collect();
        if structure == Structure::Backbone
            && let Some(cut) = self.coarsest(&outputs)
        {
            return cut;
        }
        if structure != Structure::Backbone
            && let Some(map) = self.before_enlarging(tails)
        {
            return self.guessed(
                map,
                "it is the last feature map before an enlargement, as for a detector or a mask",
            );
        }
        if let [tail] = tails {
            // Parts of a feature map that differ in size are gates; those of rows of boxes are
            // scales.
            let scales = if self.is_map(tail.output) { 1 } else { self.scales(tail) };
            return match &self.heads(tail).unwrap_or_default()[..] {
                [head] => self.before_places(head),
                _ if scales > 1 => self.trunk(tails).unwrap_or_else(|| self.whole(tail.output)),
                _ => self.whole(tail.output),
            };
        }
        let last: Vec<&'g str> =
            outputs.iter().copied().filter(|output| !self.is_inner(output, &outputs)).collect();
        if let [last] = last[..] {
            return self.guessed(
                last,
                "it is the deepest of the model's outputs, the others are on the way to it",
            );
        }
        let deepest =
            last.into_iter().max_by_key(|output| self.layers(output)).unwrap_or(outputs[0]);
        if let Some(trunk) = self.trunk(tails) {
            // Boxes of several scales are joined or chosen from, so no output belongs to one scale.
            let joined = tails.iter().any(|tail| self.scales(tail) > 1 || self.chooses(tail));
            if joined || 2 * self.layers(&trunk.name) >= self.layers(deepest) {
                return trunk;
            }
        }
        let map =
            self.flow.giver(deepest).filter(|&at| kinds::has_weights(&self.flow.node(at).op_type));
        let map = map.and_then(|at| self.flow.data_input(at)).unwrap_or(deepest);
        self.guessed(map, "it is, or feeds, the deepest of the model's outputs")
    }

    /// Returns a cut at the feature map with the fewest places, if several come out of a network that
    /// enlarges maps on its way: all of them are made of all.
    fn coarsest(&self, outputs: &[&'g str]) -> Option<Cut> {
        let needed = self.flow.needed(outputs.iter().copied());
        let is_fused = (0..needed.len()).any(|at| needed[at] && self.enlarges(at));
        if outputs.len() < 2 || !is_fused || !outputs.iter().all(|output| self.is_map(output)) {
            return None;
        }
        let map = outputs.iter().min_by_key(|output| self.places(output).unwrap_or(usize::MAX))?;
        let mut cut = self.guessed(map, "it has the fewest places of the model's feature maps");
        cut.unsure.push(format!("--cut {} joins all of them", outputs.join(",")));
        Some(cut)
    }

    /// True if an output has more places than the first feature map that is enlarged before it, so
    /// that it is a mask, and not what a network looks at on several scales.
    pub(super) fn is_enlarged(&self, tail: &Tail<'g>) -> bool {
        let needed = self.flow.needed([tail.output]);
        let Some(at) = (0..needed.len()).find(|&at| needed[at] && self.enlarges(at)) else {
            return false;
        };
        let map = self.flow.data_inputs(at)[0];
        self.places(tail.output).zip(self.places(map)).is_none_or(|(all, map)| all > map)
    }

    /// True if another one of the outputs depends on an output.
    fn is_inner(&self, output: &str, outputs: &[&'g str]) -> bool {
        let Some(at) = self.flow.giver(output) else { return false };
        let mut others = outputs.iter().filter(|other| **other != output);
        others.any(|other| self.flow.needed([*other])[at])
    }

    fn guessed(&self, map: &str, why: &str) -> Cut {
        let mut cut = self.at(&[map], why.to_string());
        cut.unsure.push(
            "the model has no classifier of whole images; `offshoot cuts` compares places"
                .to_string(),
        );
        cut
    }

    /// Returns a cut before a classifier of each place of a feature map.
    fn before_places(&self, head: &Head<'g>) -> Cut {
        let why = format!(
            "it feeds `{}`, which classifies each place of a feature map",
            self.name(head.at)
        );
        Cut { has_classifier: true, ..self.guessed(head.input, &why) }
    }

    /// Returns the input of the first node that enlarges a feature map, other than the image.
    fn before_enlarging(&self, tails: &[Tail<'g>]) -> Option<&'g str> {
        let needed = self.flow.needed(tails.iter().map(|tail| tail.output));
        let at = (0..needed.len()).find(|&at| needed[at] && self.enlarges(at))?;
        let map = self.flow.data_inputs(at)[0];
        // Scores per place that are enlarged to the size of the image are not features.
        let scores = tails.iter().all(|tail| tail.begins == [map]);
        let layer = self.flow.giver(map).filter(|&at| scores && self.kind(at) == Kind::Layer);
        Some(layer.and_then(|at| self.flow.data_input(at)).unwrap_or(map))
    }

    /// True if a node enlarges a feature map.
    fn enlarges(&self, at: usize) -> bool {
        let map = self.flow.data_inputs(at).first().copied();
        ENLARGES.contains(&self.flow.node(at).op_type.as_str())
            && map.is_some_and(|map| self.layers(map) > 0 && self.is_as_large(at, map))
    }

    /// True if a node's result has no fewer places than a feature map, as far as known.
    fn is_as_large(&self, at: usize, map: &str) -> bool {
        let result = self.flow.node(at).output.first().and_then(|output| self.places(output));
        result.zip(self.places(map)).is_none_or(|(result, map)| result >= map)
    }

    /// Returns the number of places of a feature map, as far as known.
    fn places(&self, tensor: &str) -> Option<usize> {
        self.shapes.get(tensor).map(|shape| shape.iter().skip(2).product())
    }

    /// True if a tensor is a feature map, or its shape is not known.
    fn is_map(&self, tensor: &str) -> bool {
        self.shapes.get(tensor).is_none_or(|shape| shape.len() == 4)
    }

    /// Returns the number of different resolutions among the layers joined in an output.
    fn scales(&self, tail: &Tail<'g>) -> usize {
        let shapes = tail.begins.iter().filter_map(|tensor| self.shapes.get(tensor));
        let mut scales: Vec<_> = shapes.map(|shape| shape.get(2..).unwrap_or_default()).collect();
        scales.sort_unstable();
        scales.dedup();
        scales.len()
    }

    /// True if an output is chosen from others.
    pub(super) fn chooses(&self, tail: &Tail<'g>) -> bool {
        let mut givers = tail.begins.iter().filter_map(|tensor| self.flow.giver(tensor));
        givers
            .any(|at| matches!(self.flow.node(at).op_type.as_str(), op if op == "If" || kinds::is_choice(op)))
    }

    /// Returns a cut at the last feature map that all outputs depend on.
    fn trunk(&self, tails: &[Tail<'g>]) -> Option<Cut> {
        let begins: Vec<_> =
            tails.iter().flat_map(|tail| &tail.begins).map(|t| self.flow.giver(t)).collect();
        let common = self.flow.common(begins.iter().copied())?;
        // A layer of one of the heads is not shared by all.
        let common =
            if begins.contains(&Some(common)) { self.flow.through(common)? } else { common };
        let mut results = self.flow.chain(Some(common)).filter_map(|at| self.flow.result(at));
        let map = results.find(|tensor| self.is_map(tensor))?;
        Some(self.guessed(map, "all of the model's outputs depend on it"))
    }

    /// Returns the number of layers with weights that a tensor depends on.
    pub(super) fn layers(&self, tensor: &str) -> usize {
        let needed = self.flow.needed([tensor]);
        let nodes = (0..needed.len()).filter(|&at| needed[at] && self.flow.depends(at));
        nodes.filter(|&at| kinds::has_weights(&self.flow.node(at).op_type)).count()
    }
}
