//! Small ONNX graphs, made by hand.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// A graph under construction; a node's output has the node's name.
#[derive(Default)]
pub struct Graph(pub GraphProto);

impl Graph {
    pub fn new(dims: &[i64]) -> Self {
        let dim =
            |&d: &i64| Dimension { denotation: String::new(), value: Some(Value::DimValue(d)) };
        let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
        let tensor = type_proto::Tensor { elem_type: 1, shape: Some(shape) };
        let mut graph = Self::default();
        let r#type = TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        };
        graph.0.input.push(ValueInfoProto {
            name: "x".to_string(),
            r#type: Some(r#type),
            ..Default::default()
        });
        graph
    }

    pub fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        attributes: &[(&str, &[i64])],
    ) -> &mut Self {
        let attribute = |(name, ints): &(&str, &[i64])| AttributeProto {
            name: name.to_string(),
            r#type: AttributeType::Ints.into(),
            ints: ints.to_vec(),
            ..AttributeProto::default()
        };
        self.0.node.push(NodeProto {
            op_type: op.to_string(),
            name: name.to_string(),
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: vec![name.to_string()],
            attribute: attributes.iter().map(attribute).collect(),
            ..NodeProto::default()
        });
        self
    }

    /// A number instead of a list as the last node's attribute.
    pub fn number(&mut self, name: &str, value: i64) -> &mut Self {
        self.0.node.last_mut().unwrap().attribute.push(AttributeProto {
            name: name.to_string(),
            r#type: AttributeType::Int.into(),
            i: value,
            ..AttributeProto::default()
        });
        self
    }

    pub fn weights(&mut self, name: &str, dims: &[i64]) -> &mut Self {
        let n = dims.iter().product::<i64>();
        let values = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 100.0);
        self.initializer(name, dims, 1, values.flat_map(f32::to_le_bytes).collect())
    }

    pub fn whole(&mut self, name: &str, values: &[i64]) -> &mut Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, &[values.len() as i64], 7, raw)
    }

    pub fn floats(&mut self, name: &str, values: &[f32]) -> &mut Self {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, &[values.len() as i64], 1, raw)
    }

    fn initializer(
        &mut self,
        name: &str,
        dims: &[i64],
        data_type: i32,
        raw_data: Vec<u8>,
    ) -> &mut Self {
        let name = name.to_string();
        let dims = dims.to_vec();
        let tensor = TensorProto { name, dims, data_type, raw_data, ..TensorProto::default() };
        self.0.initializer.push(tensor);
        self
    }

    /// A node with a tensor as its result.
    pub fn constant(name: &str, tensor: TensorProto) -> NodeProto {
        let value = AttributeProto {
            name: "value".to_string(),
            r#type: AttributeType::Tensor.into(),
            t: Some(tensor),
            ..AttributeProto::default()
        };
        NodeProto {
            op_type: "Constant".to_string(),
            output: vec![name.to_string()],
            attribute: vec![value],
            ..NodeProto::default()
        }
    }

    /// A graph as the last node's attribute.
    pub fn branch(&mut self, name: &str, graph: GraphProto) -> &mut Self {
        self.0.node.last_mut().unwrap().attribute.push(AttributeProto {
            name: name.to_string(),
            r#type: AttributeType::Graph.into(),
            g: Some(graph),
            ..AttributeProto::default()
        });
        self
    }

    pub fn model(&mut self, opset: i64) -> ModelProto {
        let mut graph = std::mem::take(&mut self.0);
        let output = graph.node.last().unwrap().output[0].clone();
        graph.output.push(ValueInfoProto { name: output, ..ValueInfoProto::default() });
        ModelProto {
            ir_version: 7,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
            graph: Some(graph),
            ..ModelProto::default()
        }
    }
}
