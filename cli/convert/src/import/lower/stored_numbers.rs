//! Numbers of a stored tensor, whatever they are stored as.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

use crate::import::check::is_external;

/// Numbers of a stored tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'t> {
    tensor: &'t TensorProto,
    kind: DataType,
    len: usize,
}

impl<'t> Numbers<'t> {
    /// Returns the numbers; `None` if they are in another file, or of a type without numbers.
    pub fn of(tensor: &'t TensorProto) -> Option<Self> {
        let kind = DataType::try_from(tensor.data_type).ok()?;
        let sides = tensor.dims.iter().map(|&d| usize::try_from(d).ok());
        let sides: Option<Vec<usize>> = sides.collect();
        let len = sides?.into_iter().try_fold(1, usize::checked_mul)?;
        let numbers = Self { tensor, kind, len };
        let all = !is_external(tensor) && numbers.bits().is_some() && numbers.held() >= len;
        all.then_some(numbers)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn kind(&self) -> DataType {
        self.kind
    }

    pub fn dims(&self) -> Vec<usize> {
        self.tensor.dims.iter().map(|&d| d as usize).collect()
    }

    /// Returns the bits of a number.
    fn bits(&self) -> Option<usize> {
        Some(match self.kind {
            DataType::Int4 | DataType::Uint4 => 4,
            DataType::Int8 | DataType::Uint8 | DataType::Bool => 8,
            DataType::Int16 | DataType::Uint16 => 16,
            DataType::Int32 | DataType::Uint32 | DataType::Float => 32,
            DataType::Int64 | DataType::Double => 64,
            _ => return None,
        })
    }

    /// Returns the number of values stored.
    fn held(&self) -> usize {
        let t = self.tensor;
        let each = self.bits().unwrap_or(8);
        if !t.raw_data.is_empty() {
            return t.raw_data.len() * 8 / each;
        }
        match self.kind {
            DataType::Float => t.float_data.len(),
            DataType::Double => t.double_data.len(),
            DataType::Int64 => t.int64_data.len(),
            DataType::Uint32 => t.uint64_data.len(),
            DataType::Int4 | DataType::Uint4 => 2 * t.int32_data.len(),
            _ => t.int32_data.len(),
        }
    }

    /// Returns a number; its place must be less than their count.
    pub fn at(&self, place: usize) -> f64 {
        let t = self.tensor;
        let raw = !t.raw_data.is_empty();
        let byte = |at: usize| match raw {
            true => t.raw_data[at],
            false => t.int32_data[at] as u8,
        };
        let word = |place: usize| match raw {
            true => u16::from_le_bytes([t.raw_data[2 * place], t.raw_data[2 * place + 1]]),
            false => t.int32_data[place] as u16,
        };
        match self.kind {
            DataType::Int4 | DataType::Uint4 => {
                let nibble = byte(place / 2) >> (4 * (place % 2)) & 15;
                let signed = self.kind == DataType::Int4 && nibble > 7;
                f64::from(nibble) - if signed { 16.0 } else { 0.0 }
            }
            DataType::Int8 => f64::from(byte(place) as i8),
            DataType::Uint8 | DataType::Bool => f64::from(byte(place)),
            DataType::Int16 => f64::from(word(place) as i16),
            DataType::Uint16 => f64::from(word(place)),
            DataType::Int32 if raw => f64::from(i32::from_le_bytes(self.bytes(place))),
            DataType::Int32 => f64::from(t.int32_data[place]),
            DataType::Uint32 if raw => f64::from(u32::from_le_bytes(self.bytes(place))),
            DataType::Uint32 => t.uint64_data[place] as f64,
            DataType::Float if raw => f64::from(f32::from_le_bytes(self.bytes(place))),
            DataType::Float => f64::from(t.float_data[place]),
            DataType::Int64 if raw => i64::from_le_bytes(self.bytes(place)) as f64,
            DataType::Int64 => t.int64_data[place] as f64,
            DataType::Double if raw => f64::from_le_bytes(self.bytes(place)),
            DataType::Double => t.double_data[place],
            _ => 0.0,
        }
    }

    fn bytes<const N: usize>(&self, place: usize) -> [u8; N] {
        std::array::from_fn(|i| self.tensor.raw_data[N * place + i])
    }

    /// Returns all numbers.
    pub fn all(self) -> impl Iterator<Item = f64> + 't {
        (0..self.len).map(move |place| self.at(place))
    }

    /// Returns the first number; `None` if there is none.
    pub fn first(&self) -> Option<f64> {
        (self.len > 0).then(|| self.at(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: DataType, dims: &[i64], raw: &[u8], single: &[i32]) -> Vec<f64> {
        let tensor = TensorProto {
            dims: dims.to_vec(),
            data_type: kind.into(),
            raw_data: raw.to_vec(),
            int32_data: single.to_vec(),
            ..TensorProto::default()
        };
        Numbers::of(&tensor).map(|numbers| numbers.all().collect()).unwrap_or_default()
    }

    #[test]
    fn numbers_are_those_stored() {
        assert_eq!(of(DataType::Int8, &[2], &[255, 3], &[]), [-1.0, 3.0]);
        assert_eq!(of(DataType::Uint8, &[2], &[255, 3], &[]), [255.0, 3.0]);
        assert_eq!(of(DataType::Int8, &[2], &[], &[-1, 3]), [-1.0, 3.0]);
        assert_eq!(of(DataType::Int4, &[3], &[0x9f, 0x02], &[]), [-1.0, -7.0, 2.0]);
        assert_eq!(of(DataType::Uint4, &[3], &[0x9f, 0x02], &[]), [15.0, 9.0, 2.0]);
        assert_eq!(of(DataType::Uint16, &[1], &[1, 128], &[]), [32769.0]);
        assert_eq!(of(DataType::Int32, &[1], &[255; 4], &[]), [-1.0]);
        assert_eq!(of(DataType::Float, &[1], &1.5f32.to_le_bytes(), &[]), [1.5]);
        // Too few, or none.
        assert!(of(DataType::Int32, &[2], &[255; 4], &[]).is_empty());
        assert!(of(DataType::Uint4, &[3], &[0x9f], &[]).is_empty());
        assert!(of(DataType::String, &[1], &[], &[1]).is_empty());
        assert!(of(DataType::Int8, &[-1], &[1], &[]).is_empty());
    }
}
