//! The smallest network that takes text: the tokens' rows, pooled.

use offshoot_core::Shape;
use offshoot_core::graph::{Element, FloatOp, Op, Slice, Tensor};
use offshoot_core::package::{
    Extras, Golden, GoldenInput, GraphWriter, Manifest, Precision, Text, TokenIds, WriteError,
    write_text_package,
};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::tokens::{Pooling, Tokens};

/// Places for tokens.
pub const PLACES: u32 = 3;
/// Values of a row.
pub const WIDTH: u32 = 2;
/// Five rows: 0 and 1, 2 and 3, and so on.
pub const ROWS: u32 = 5;

/// Parts of a package of text, to be changed.
#[derive(Debug, Clone)]
pub struct Words {
    pub tokens: Tokens,
    pub tokenizer: &'static str,
    pub table: Vec<f32>,
    pub preprocess: Preprocess,
    /// Height and channels of the input.
    pub input: (u32, u32),
    /// Ids of a golden vector, and the embedding it must give.
    pub golden: (Vec<u32>, [f32; 2]),
    pub unit_length: bool,
    /// True if the engine runs it, on rows of int8 values.
    pub ordered: bool,
    /// True if a text is computed at its own length.
    pub own_length: bool,
}

/// One that is in order.
pub fn words() -> Words {
    Words {
        tokens: Tokens { vocabulary: ROWS, pad: 1, pooling: Pooling::Mean },
        tokenizer: "{}",
        table: (0..ROWS * WIDTH).map(|v| v as f32).collect(),
        preprocess: Preprocess::NONE,
        input: (1, 2 + WIDTH),
        golden: (vec![4, 0], [4.0, 5.0]),
        unit_length: false,
        ordered: false,
        own_length: false,
    }
}

impl Words {
    /// The table's rows in int8 with a step of 1.
    fn coded_table(&self) -> Vec<u8> {
        let rows = self.table.chunks(WIDTH as usize).flat_map(|row| {
            let step = 1f32.to_le_bytes();
            step.into_iter().chain(row.iter().map(|&v| v as i8 as u8)).collect::<Vec<u8>>()
        });
        rows.collect()
    }

    /// The package's bytes.
    pub fn written(&self) -> Result<Vec<u8>, WriteError> {
        let (height, channels) = self.input;
        let float =
            |h, w, c| Tensor { shape: Shape::new(h, w, c).unwrap(), element: Element::Float };
        let mut writer = GraphWriter::new(float(height, PLACES, channels));
        let op = |op| if self.ordered { Op::Ordered(op) } else { Op::Float(op) };
        let slice = |from| op(FloatOp::Slice(Slice { axis: 2, from }));
        let rows =
            writer.node("rows", slice(channels - WIDTH), &[0], float(height, PLACES, WIDTH))?;
        let weights = writer.node("weights", slice(1), &[0], float(height, PLACES, 1))?;
        let row = float(height, 1, PLACES);
        let row = writer.node("row", op(FloatOp::Reshape), &[weights], row)?;
        let product = op(FloatOp::MatMul { transposed: false });
        let output = writer.node("pool", product, &[row, rows], float(height, 1, WIDTH))?;
        let input_table = match self.ordered {
            true => writer.blob(&self.coded_table())?,
            false => writer.floats(&self.table)?,
        };
        let text = Text { tokens: self.tokens, tokenizer: self.tokenizer };
        let (ids, embedding) = &self.golden;
        let extras = Extras {
            unit_length: self.unit_length,
            own_length: self.own_length,
            ..Extras::default()
        };
        let manifest = Manifest {
            source: "words.onnx",
            source_sha256: [7; 32],
            cut: "pool",
            tool: "by hand",
            id: writer.text_id(&text, output, &extras),
            precision: if self.ordered { Precision::Dynamic } else { Precision::Float },
            preprocess: self.preprocess,
            input_table,
            tensors: output + 1,
            output,
            goldens: 1,
            extras,
        };
        let ids = TokenIds::pack(ids);
        let bytes: Vec<u8> = embedding.iter().flat_map(|v| v.to_le_bytes()).collect();
        let golden = Golden { input: GoldenInput::Tokens(TokenIds::new(&ids)), output: &bytes };
        write_text_package(&manifest, &text, &writer, &[golden])
    }
}
