//! Subgraph of a model: as in the file, and analysed up to its cut.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto};
use tract_onnx::prelude::*;

use super::data_flow::{self, reads};
use super::ends::{self, Cut, Shapes};
use super::{ImportError, Prepare, Source, unsupported, walk};
use crate::ir::pooling::Pool;

/// Returns a model with only the nodes that some tensors need, which become its outputs.
pub(super) fn pruned(model: &ModelProto, tensors: &[&str]) -> ModelProto {
    let Some(graph) = &model.graph else { return ModelProto::default() };
    let needed = data_flow::needed(graph, &data_flow::givers(graph), tensors.iter().copied());
    let node: Vec<NodeProto> =
        graph.node.iter().zip(needed).filter(|(_, n)| *n).map(|(n, _)| n.clone()).collect();
    let read: HashSet<&str> = node.iter().flat_map(reads).collect();
    let given: HashSet<&str> = node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    let output =
        |name: &&str| ValueInfoProto { name: name.to_string(), ..ValueInfoProto::default() };
    let graph = GraphProto {
        name: graph.name.clone(),
        initializer: graph
            .initializer
            .iter()
            .filter(|t| read.contains(t.name.as_str()))
            .cloned()
            .collect(),
        input: graph.input.clone(),
        output: tensors.iter().map(output).collect(),
        value_info: graph
            .value_info
            .iter()
            .filter(|v| given.contains(v.name.as_str()))
            .cloned()
            .collect(),
        node: node.clone(),
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// Model up to its cut, and all of it if that could be analysed.
pub(super) struct Analysed {
    pub reference: TypedModel,
    pub full: Option<TypedModel>,
    pub cut: Cut,
}

impl Source {
    /// Returns the model up to tensors stated by the user.
    pub(super) fn asked(
        &self,
        cuts: &[&str],
        prepare: Prepare<'_>,
    ) -> Result<Analysed, ImportError> {
        let tensors = cuts.iter().map(|name| self.tensor(name)).collect::<Result<Vec<_>, _>>()?;
        let typed = self.typed_at(&tensors, prepare)?;
        let cut = Cut::given(self.graph(), &tensors, cuts, &Shapes::of(&typed));
        Ok(Analysed { reference: self.up_to(typed, &cut.tensors, prepare)?, full: None, cut })
    }

    /// Returns the model up to the cut that is chosen automatically.
    pub(super) fn found(&self, prepare: Prepare<'_>) -> Result<Analysed, ImportError> {
        let whole = self.typed_at(&[], prepare);
        let shapes = match &whole {
            Ok(typed) => Shapes::of(typed),
            Err(_) => self
                .typed_before_choices(prepare)
                .map(|typed| Shapes::of(&typed))
                .unwrap_or_default(),
        };
        let cut = ends::find(self.graph(), &shapes);
        match whole {
            Ok(typed) => {
                let reference = self.up_to(typed.clone(), &cut.tensors, prepare)?;
                Ok(Analysed { reference, full: Some(typed), cut })
            }
            // Nodes after the features, such as a detector's choice of boxes, may not be supported
            // by tract or by us.
            Err(error) => {
                let strange = matches!(error, ImportError::Unsupported { .. })
                    || !unsupported::before_choices(self.graph()).is_empty();
                if !strange {
                    return Err(error);
                }
                let tensors: Vec<&str> = cut.tensors.iter().map(String::as_str).collect();
                let reference = self.typed_at(&tensors, prepare).map_err(|_| error)?;
                Ok(Analysed { reference, full: None, cut })
            }
        }
    }

    /// Returns the analysed part before such choices, for a model that cannot be analysed as a
    /// whole.
    fn typed_before_choices(&self, prepare: Prepare<'_>) -> Option<TypedModel> {
        let tensors = unsupported::before_choices(self.graph());
        if tensors.is_empty() { None } else { self.typed_at(&tensors, prepare).ok() }
    }

    /// Returns an analysed model up to some of its tensors.
    pub(super) fn up_to(
        &self,
        mut typed: TypedModel,
        tensors: &[String],
        prepare: Prepare<'_>,
    ) -> Result<TypedModel, ImportError> {
        let outlets = tensors.iter().map(|name| {
            let labels = &typed.outlet_labels;
            labels.iter().find(|(_, label)| *label == name).map(|(outlet, _)| *outlet)
        });
        let Some(outlets) = outlets.collect::<Option<Vec<OutletId>>>() else {
            // tract removes some nodes, and their names with them.
            let tensors: Vec<&str> = tensors.iter().map(String::as_str).collect();
            return self.typed_at(&tensors, prepare);
        };
        typed.select_output_outlets(&outlets).map_err(|e| self.tract(&e))?;
        typed.into_compact().map_err(|e| self.tract(&e))
    }

    /// Returns the kind of the input, for the walk.
    pub(super) fn kind(&self) -> walk::Kind<'static> {
        self.signal.map_or(walk::Kind::Image, walk::Kind::Signal)
    }

    pub(super) fn walked(&self, typed: &TypedModel) -> Result<walk::Walked, ImportError> {
        walk::walk(typed, self.kind())
            .map_err(|found| self.unsupported(unsupported::by_walk(self.graph(), &found)))
    }

    /// Returns the number of values of an embedding cut at a tensor.
    pub(super) fn features_at(
        &self,
        tensor: &str,
        prepare: Prepare<'_>,
    ) -> Result<usize, ImportError> {
        let Analysed { reference, .. } = self.asked(&[tensor], prepare)?;
        let outputs = self.walked(&reference)?.outputs;
        Ok(outputs.iter().map(|(_, output)| output.values(Pool::Avg)).sum())
    }
}
