//! Description of a model's input, and the shape that it is given.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{GraphProto, TensorShapeProto, ValueInfoProto, type_proto};

use super::{ImportError, Imported, Source, channels_last, data_flow};
use crate::ir::fold;

impl Imported {
    /// Simplifies the network; `anew` forgets the integers of a quantized file.
    pub(crate) fn fold(&mut self, anew: bool) {
        if anew {
            self.requantized = self.model.forget_stated();
        }
        fold::fold(&mut self.model);
    }

    /// Describes the parts of the model's own image preparation that the preprocessing takes over.
    pub(crate) fn taken_in(&self) -> impl Iterator<Item = String> {
        let shape = self.model.layers[0].shape;
        let resize = self.unresized.as_ref().map(|_| {
            format!(
                "the model's own resizing to {}x{} is left to the preprocessing",
                shape.h(),
                shape.w()
            )
        });
        self.front.told().map(str::to_string).into_iter().chain(resize)
    }
}

/// Input as stated in the file.
pub(super) struct Stated<'g> {
    pub kind: Option<DataType>,
    pub shape: Option<&'g TensorShapeProto>,
}

impl<'g> Stated<'g> {
    pub(super) fn of(info: &'g ValueInfoProto) -> Self {
        match info.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            Some(type_proto::Value::TensorType(tensor)) => Self {
                kind: DataType::try_from(tensor.elem_type).ok(),
                shape: tensor.shape.as_ref(),
            },
            _ => Self { kind: None, shape: None },
        }
    }

    /// Returns the lengths of its dimensions; `None` for open ones, which exporters also write as 0
    /// or -1.
    pub(super) fn dims(&self) -> Option<Vec<Option<usize>>> {
        let lengths = self.shape?.dim.iter().map(|d| match d.value {
            Some(Value::DimValue(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
            _ => None,
        });
        Some(lengths.collect())
    }

    pub(super) fn words(&self) -> String {
        let kind = match self.kind {
            Some(DataType::Float) => "float32".to_string(),
            Some(DataType::Double) => "float64".to_string(),
            Some(kind) => kind.as_str_name().to_ascii_lowercase(),
            None => "of no stated type".to_string(),
        };
        match self.dims() {
            None => format!("{kind} of no stated shape"),
            Some(dims) if dims.is_empty() => format!("{kind} without dimensions"),
            Some(dims) => {
                let dims: Vec<String> = dims
                    .iter()
                    .map(|d| d.map_or_else(|| "?".to_string(), |d| d.to_string()))
                    .collect();
                format!("{kind} {}", dims.join(" x "))
            }
        }
    }
}

impl Source {
    pub(super) fn stated(&self, input: &str) -> Option<Stated<'_>> {
        self.graph().input.iter().find(|info| info.name == input).map(Stated::of)
    }

    /// Returns the input shape of an image model; `size` is the width and height stated by the
    /// user.
    pub(super) fn input_shape(
        &self,
        input: &str,
        size: Option<(u32, u32)>,
    ) -> Result<Vec<usize>, ImportError> {
        let mut dims = self.stated(input).and_then(|stated| stated.dims());
        // The weights of the first convolution show the number of channels.
        if dims.is_none() && size.is_some() {
            dims = Some(vec![Some(1), first_channels(self.graph(), input), None, None]);
        }
        let Some(dims) = dims else {
            return Err(self
                .input_error(input, "Give its size: --input-size HEIGHTxWIDTH, such as 224x224."));
        };
        let rank = dims.len();
        if !(3..=4).contains(&rank) {
            return Err(self.input_error(input, ""));
        }
        // An open dimension cannot be the channels, which exporters always write.
        let lengths: Vec<usize> = dims.iter().map(|d| d.unwrap_or(0)).collect();
        let [channels, rows, columns] =
            if channels_last(&lengths) { [2, 0, 1] } else { [0, 1, 2] }.map(|i| rank - 3 + i);
        let (width, height) = match (dims[columns], dims[rows], size) {
            (_, _, Some((w, h))) => (w as usize, h as usize),
            (Some(w), Some(h), None) => (w, h),
            _ => {
                let hint = "Its size is open: give --input-size HEIGHTxWIDTH, such as 224x224.";
                return Err(self.input_error(input, hint));
            }
        };
        let depth = dims[channels].unwrap_or(3);
        if depth != 1 && depth != 3 {
            return Err(self.input_error(input, "Channels must be 1 or 3, and second or last."));
        }
        let mut shape = vec![1; rank];
        (shape[channels], shape[rows], shape[columns]) = (depth, height, width);
        Ok(shape)
    }

    pub(super) fn input_error(&self, input: &str, hint: &str) -> ImportError {
        let found =
            self.stated(input).map_or_else(|| "not described".to_string(), |stated| stated.words());
        ImportError::Input {
            path: self.path.clone(),
            input: input.to_string(),
            found,
            hint: hint.to_string(),
        }
    }

    /// Returns width and height, if the file fixes both.
    pub(super) fn fixed_size(&self) -> Option<(u32, u32)> {
        let mut inputs = data_flow::inputs(self.graph());
        let input = inputs.next()?;
        if inputs.next().is_some() {
            return None;
        }
        let dims: Vec<u32> =
            self.stated(input)?.dims()?.into_iter().map(|d| d.map_or(0, |d| d as u32)).collect();
        let lengths: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
        let rank = dims.len();
        let first = rank.checked_sub(3)?;
        let [rows, columns] =
            if channels_last(&lengths) { [0, 1] } else { [1, 2] }.map(|i| first + i);
        (dims[rows] > 0 && dims[columns] > 0).then_some((dims[columns], dims[rows]))
    }

    /// True if the model takes the unchanged bytes of an image, by the type of its input.
    pub fn takes_bytes(&self) -> bool {
        let input = data_flow::inputs(self.graph()).next().and_then(|name| self.stated(name));
        input.is_some_and(|stated| stated.kind == Some(DataType::Uint8))
    }
}

/// Returns the number of channels that the first convolution of an input has weights for.
fn first_channels(graph: &GraphProto, input: &str) -> Option<usize> {
    let conv = graph
        .node
        .iter()
        .find(|n| n.op_type == "Conv" && n.input.first().is_some_and(|i| i == input))?;
    let weights = graph.initializer.iter().find(|t| Some(&t.name) == conv.input.get(1))?;
    usize::try_from(*weights.dims.get(1)?).ok()
}
