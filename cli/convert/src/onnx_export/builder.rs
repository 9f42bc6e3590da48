//! Builder of ONNX's protobuf, node by node.

use std::collections::BTreeSet;

use offshoot_core::Quant;
use offshoot_core::graph::Window;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::{Tensor, Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto,
};

use super::window_lists;

/// Nodes and constants so far.
#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Names of all values.
    names: BTreeSet<String>,
}

impl Builder {
    /// True if a value of this name exists.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds a node without attributes.
    pub fn node(&mut self, op: &str, inputs: &[&str], output: &str) {
        self.with(op, inputs, output, Vec::new());
    }

    fn with(&mut self, op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        self.names.insert(output.to_string());
        self.nodes.push(NodeProto {
            name: output.to_string(),
            op_type: op.to_string(),
            input: inputs.iter().map(|i| i.to_string()).collect(),
            output: vec![output.to_string()],
            attribute,
            ..NodeProto::default()
        });
    }

    /// Converts bytes to 32-bit integers.
    pub fn cast(&mut self, input: &str, output: &str) -> String {
        self.with("Cast", &[input], output, vec![int("to", DataType::Int32 as i64)]);
        output.to_string()
    }

    pub fn transpose(&mut self, input: &str, output: &str, order: &[i64]) {
        self.with("Transpose", &[input], output, vec![ints("perm", order.to_vec())]);
    }

    pub fn concat(&mut self, inputs: &[&str], output: &str) {
        self.with("Concat", inputs, output, vec![int("axis", 1)]);
    }

    pub fn softmax(&mut self, input: &str, output: &str) {
        self.with("Softmax", &[input], output, vec![int("axis", 1)]);
    }

    /// Adds the difference of the two greatest values of each row.
    pub fn two_greatest_differ(&mut self, input: &str, output: &str) {
        let values = format!("{output}.values");
        let count = self.longs(&format!("{output}.count"), &[2]);
        let axis = vec![int("axis", 1)];
        self.with("TopK", &[input, &count], &values, axis.clone());
        if let Some(node) = self.nodes.last_mut() {
            node.output.push(format!("{output}.places"));
        }
        let [first, second] = [0, 1].map(|place| {
            let name = format!("{output}.{place}");
            let at = self.longs(&format!("{name}.at"), &[place]);
            self.with("Gather", &[&values, &at], &name, axis.clone());
            name
        });
        self.node("Sub", &[&first, &second], output);
    }

    /// Adds the maximum of each row.
    pub fn greatest(&mut self, input: &str, output: &str) {
        self.with("ReduceMax", &[input], output, vec![ints("axes", vec![1]), int("keepdims", 1)]);
    }

    pub fn conv(&mut self, inputs: &[&str], output: &str, window: Window, groups: u16) {
        let mut attributes: Vec<_> =
            window_lists(window).map(|(name, list)| ints(name, list)).into();
        attributes.push(ints("dilations", window.dilation.map(i64::from).to_vec()));
        attributes.push(int("group", i64::from(groups)));
        self.with("Conv", inputs, output, attributes);
    }

    pub fn pool(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        window: Window,
        include_pad: bool,
    ) {
        let mut attributes: Vec<_> =
            window_lists(window).map(|(name, list)| ints(name, list)).into();
        if op == "AveragePool" {
            attributes.push(int("count_include_pad", i64::from(include_pad)));
        }
        self.with(op, inputs, output, attributes);
    }

    /// Dequantizes int8 values or biases with one scale per channel.
    pub fn per_channel(&mut self, name: &str, steps: &[f32], zeros: bool) -> String {
        let count = steps.len() as i64;
        let scales = self.floats(&format!("{name}.scales"), &[count], steps);
        let zeros = match zeros {
            true => self.codes(&format!("{name}.zeros"), &[count], &vec![0; steps.len()]),
            false => self.words(&format!("{name}.zeros"), &[count], &vec![0; steps.len()]),
        };
        let real = format!("{name}.real");
        self.with("DequantizeLinear", &[name, &scales, &zeros], &real, vec![int("axis", 0)]);
        real
    }

    /// Adds the scale and zero point of a feature map.
    pub fn quant(&mut self, name: &str, quant: Quant) -> (String, String) {
        let scale = format!("{name}.scale");
        let zero = format!("{name}.zero");
        if !self.has(&scale) {
            self.float(&scale, quant.scale.get());
            self.codes(&zero, &[], &[quant.zero_point]);
        }
        (scale, zero)
    }

    pub fn float(&mut self, name: &str, value: f32) -> String {
        self.floats(name, &[], &[value])
    }

    pub fn floats(&mut self, name: &str, dims: &[i64], values: &[f32]) -> String {
        self.constant(
            name,
            dims,
            DataType::Float,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        )
    }

    pub fn codes(&mut self, name: &str, dims: &[i64], values: &[i8]) -> String {
        self.constant(name, dims, DataType::Int8, values.iter().map(|&v| v as u8).collect())
    }

    pub fn words(&mut self, name: &str, dims: &[i64], values: &[i32]) -> String {
        self.constant(
            name,
            dims,
            DataType::Int32,
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        )
    }

    pub fn longs(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, &[values.len() as i64], DataType::Int64, bytes)
    }

    fn constant(&mut self, name: &str, dims: &[i64], kind: DataType, bytes: Vec<u8>) -> String {
        self.names.insert(name.to_string());
        self.constants.push(TensorProto {
            name: name.to_string(),
            dims: dims.to_vec(),
            data_type: kind as i32,
            raw_data: bytes,
            ..TensorProto::default()
        });
        name.to_string()
    }

    /// Returns the graph from `image` to rows of floats.
    pub fn graph(self, image: [i64; 4], outputs: &[(&str, i64)]) -> GraphProto {
        let outputs =
            outputs.iter().map(|&(name, width)| value(name, DataType::Float, &[1, width]));
        GraphProto {
            name: "offshoot".to_string(),
            node: self.nodes,
            initializer: self.constants,
            input: vec![value("picture", DataType::Uint8, &image)],
            output: outputs.collect(),
            ..GraphProto::default()
        }
    }
}

fn value(name: &str, kind: DataType, dims: &[i64]) -> ValueInfoProto {
    let side =
        |&n: &i64| Dimension { value: Some(dimension::Value::DimValue(n)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(side).collect() });
    let tensor = Tensor { elem_type: kind as i32, shape };
    let r#type = TypeProto { value: Some(Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_string(), r#type: Some(r#type), ..ValueInfoProto::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    let r#type = attribute_proto::AttributeType::Int as i32;
    AttributeProto { name: name.to_string(), r#type, i, ..AttributeProto::default() }
}

fn ints(name: &str, ints: Vec<i64>) -> AttributeProto {
    let r#type = attribute_proto::AttributeType::Ints as i32;
    AttributeProto { name: name.to_string(), r#type, ints, ..AttributeProto::default() }
}
