//! Constants: initializers as stored, and tensors that are computed from them.

use super::fault::{Fault, invalid, on_one_line};
use super::wire::Message;
use crate::Error;

/// Most axes of a tensor.
const MOST_AXES: usize = 16;

/// Most elements of a constant that a file states without storing them.
const MOST_EQUAL: usize = 1 << 16;

/// Type of a tensor's elements: `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Uint8,
    Int8,
    Uint16,
    Int16,
    Int32,
    Int64,
    Bool,
    Float16,
    Double,
    Uint32,
    Uint64,
    Bfloat16,
}

impl Kind {
    /// Returns the type of a number of `TensorProto.DataType`, or its name if tensors of this type are not read.
    pub(super) fn of(number: i64) -> Result<Self, String> {
        Ok(match number {
            1 => Self::Float,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            9 => Self::Bool,
            10 => Self::Float16,
            11 => Self::Double,
            12 => Self::Uint32,
            13 => Self::Uint64,
            16 => Self::Bfloat16,
            8 => return Err("texts".to_owned()),
            14 | 15 => return Err("complex numbers".to_owned()),
            _ => return Err(format!("type {number}")),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float => "float32",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
            Self::Uint16 => "uint16",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Bool => "bool",
            Self::Float16 => "float16",
            Self::Double => "float64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Bfloat16 => "bfloat16",
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Float16 | Self::Double | Self::Bfloat16)
    }

    fn bytes(self) -> usize {
        match self {
            Self::Uint8 | Self::Int8 | Self::Bool => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 | Self::Bfloat16 => 2,
            Self::Float | Self::Int32 | Self::Uint32 => 4,
            Self::Int64 | Self::Double | Self::Uint64 => 8,
        }
    }
}

/// The elements of a tensor.
#[derive(Clone, Debug)]
pub(super) enum Data<'a> {
    /// Little-endian elements as stored.
    Raw(&'a [u8]),
    /// Integers, or the bits of numbers of half precision.
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    /// All elements are this number.
    Fill(f64),
    /// In another file.
    External {
        location: &'a str,
        offset: usize,
        length: Option<usize>,
    },
}

/// A constant.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) data: Data<'a>,
}

impl<'a> Tensor<'a> {
    pub(super) fn of_ints(shape: Vec<usize>, values: Vec<i64>) -> Self {
        Self { kind: Kind::Int64, shape, data: Data::Ints(values) }
    }

    pub(super) fn of_floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { kind: Kind::Float, shape, data: Data::Floats(values) }
    }

    /// Reads a `TensorProto`, and returns it with its name.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(&'a str, Self), Error> {
        let mut message = Message::new(bytes, "tensor");
        let (mut name, mut number, mut sizes) = ("", 0, Vec::new());
        let (mut raw, mut ints, mut floats): (Option<&[u8]>, _, _) = (None, Vec::new(), Vec::new());
        let (mut external, mut is_external) = (Vec::new(), false);
        while let Some((field, value)) = message.next()? {
            match field {
                1 => message.ints(value, &mut sizes)?,
                2 => number = message.int(value)?,
                3 => return Err(message.error("a whole tensor", "a segment of one".to_owned())),
                4 => message.floats(value, &mut floats)?,
                5 | 7 | 11 => message.ints(value, &mut ints)?,
                8 => name = message.text(value)?,
                9 => raw = Some(message.bytes(value)?),
                10 => message.doubles(value, &mut floats)?,
                13 => external.push(message.bytes(value)?),
                14 => is_external = message.int(value)? == 1,
                _ => {}
            }
        }
        let kind = Kind::of(number).map_err(|found| message.error("a tensor of numbers", found))?;
        let describe = || format!("{sizes:?}");
        if sizes.len() > MOST_AXES {
            return Err(message.error("at most 16 axes", sizes.len().to_string()));
        }
        let shape: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        let count = shape.as_ref().and_then(|shape| count(shape));
        let (Some(shape), Some(count)) = (shape, count) else {
            return Err(message.error("a shape that memory can hold", describe()));
        };
        let data = if is_external {
            locate(&message, &external)?
        } else if let Some(raw) = raw {
            Data::Raw(raw)
        } else if matches!(kind, Kind::Float | Kind::Double) {
            Data::Floats(floats)
        } else {
            Data::Ints(ints)
        };
        let tensor = Self { kind, shape, data };
        let found = match &tensor.data {
            Data::Raw(bytes) if bytes.len().is_multiple_of(kind.bytes()) => bytes.len() / kind.bytes(),
            Data::Raw(bytes) => {
                let expected = format!("{count} elements of {} bytes", kind.bytes());
                return Err(message.error(&expected, format!("{} bytes", bytes.len())));
            }
            Data::Ints(values) => values.len(),
            Data::Floats(values) => values.len(),
            Data::Fill(_) | Data::External { .. } => count,
        };
        match found == count {
            true => Ok((name, tensor)),
            false => {
                Err(message.error(&format!("{count} elements of shape {}", describe()), found.to_string()))
            }
        }
    }

    /// Takes the elements from the content of the file in which they are, if they are in another.
    pub(super) fn locate_in(&mut self, file: impl FnOnce(&str) -> Option<&'a [u8]>) -> Result<(), Fault> {
        let Data::External { location, offset, length } = self.data else { return Ok(()) };
        let Some(bytes) = file(location) else { return invalid("external data", "none") };
        let needed = self.count().checked_mul(self.kind.bytes());
        let (Some(needed), true) = (needed, length.is_none_or(|length| Some(length) == needed)) else {
            let expected = format!("external data of {} elements", self.count());
            return invalid(expected, format!("{} bytes", length.unwrap_or(usize::MAX)));
        };
        let end = offset.checked_add(needed).filter(|&end| end <= bytes.len());
        let Some(end) = end else {
            let expected = format!("external data of at least {offset} + {needed} bytes");
            return invalid(expected, format!("{} bytes", bytes.len()));
        };
        self.data = Data::Raw(&bytes[offset..end]);
        Ok(())
    }

    /// Returns the number of elements.
    pub(super) fn count(&self) -> usize {
        count(&self.shape).unwrap_or(usize::MAX)
    }

    /// Returns the number of elements of a tensor whose elements are not stored, if they are few.
    fn few(&self) -> Result<usize, Fault> {
        match self.count() {
            count if count <= MOST_EQUAL => Ok(count),
            _ => invalid(format!("at most {MOST_EQUAL} equal elements"), format!("shape {:?}", self.shape)),
        }
    }

    /// Returns the memory that its elements take when they are computed with.
    pub(super) fn memory(&self) -> usize {
        self.count().saturating_mul(if self.kind.is_float() { 4 } else { 8 })
    }

    /// Returns the elements of a tensor of integers or truth values.
    pub(super) fn ints(&self) -> Result<Vec<i64>, Fault> {
        if self.kind.is_float() {
            return invalid("integers", self.kind.name());
        }
        Ok(match &self.data {
            Data::Raw(bytes) => match self.kind {
                Kind::Uint8 | Kind::Bool => bytes.iter().map(|&byte| i64::from(byte)).collect(),
                Kind::Int8 => bytes.iter().map(|&byte| i64::from(byte as i8)).collect(),
                Kind::Uint16 => numbers(bytes, |bytes| i64::from(u16::from_le_bytes(bytes))),
                Kind::Int16 => numbers(bytes, |bytes| i64::from(i16::from_le_bytes(bytes))),
                Kind::Uint32 => numbers(bytes, |bytes| i64::from(u32::from_le_bytes(bytes))),
                Kind::Int32 => numbers(bytes, |bytes| i64::from(i32::from_le_bytes(bytes))),
                _ => numbers(bytes, i64::from_le_bytes),
            },
            Data::Ints(values) => values.clone(),
            Data::Floats(values) => values.iter().map(|&value| value as i64).collect(),
            Data::Fill(value) => vec![*value as i64; self.few()?],
            Data::External { .. } => return invalid("external data", "none"),
        })
    }

    /// Returns the elements of a tensor of floating-point numbers, in single precision.
    pub(super) fn floats(&self) -> Result<Vec<f32>, Fault> {
        if !self.kind.is_float() {
            return invalid("weights of floating-point numbers", self.kind.name());
        }
        let half = |bits: i64| half(bits as u16);
        let bfloat = |bits: i64| f32::from_bits(u32::from(bits as u16) << 16);
        Ok(match (&self.data, self.kind) {
            (Data::Raw(bytes), Kind::Double) => numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
            (Data::Raw(bytes), Kind::Float16) => {
                numbers(bytes, |bytes| half(i64::from(u16::from_le_bytes(bytes))))
            }
            (Data::Raw(bytes), Kind::Bfloat16) => {
                numbers(bytes, |bytes| bfloat(i64::from(u16::from_le_bytes(bytes))))
            }
            (Data::Raw(bytes), _) => numbers(bytes, f32::from_le_bytes),
            (Data::Ints(bits), Kind::Bfloat16) => bits.iter().map(|&bits| bfloat(bits)).collect(),
            (Data::Ints(bits), _) => bits.iter().map(|&bits| half(bits)).collect(),
            (Data::Floats(values), _) => values.clone(),
            (Data::Fill(value), _) => vec![*value as f32; self.few()?],
            (Data::External { .. }, _) => return invalid("external data", "none"),
        })
    }

    /// Returns whether all elements are 0. Nothing is allocated.
    pub(super) fn is_zero(&self) -> bool {
        match &self.data {
            Data::Raw(bytes) if self.kind.is_float() => bytes.chunks(self.kind.bytes()).all(|number| {
                number.iter().rev().skip(1).all(|&byte| byte == 0)
                    && number.last().is_none_or(|byte| byte & 0x7f == 0)
            }),
            Data::Raw(bytes) => bytes.iter().all(|&byte| byte == 0),
            Data::Ints(values) => values.iter().all(|&value| value == 0),
            Data::Floats(values) => values.iter().all(|&value| value == 0.0),
            Data::Fill(value) => *value == 0.0,
            Data::External { .. } => false,
        }
    }
}

/// Returns the number of elements of a shape.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

/// Converts a number of half precision: IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// Reads where external data are.
fn locate<'a>(message: &Message<'a>, entries: &[&'a [u8]]) -> Result<Data<'a>, Error> {
    let (mut location, mut offset, mut length) = ("", 0, None);
    for entry in entries {
        let mut entry = Message::new(entry, "external data");
        let (mut key, mut value) = ("", "");
        while let Some((field, content)) = entry.next()? {
            match field {
                1 => key = entry.text(content)?,
                2 => value = entry.text(content)?,
                _ => {}
            }
        }
        let number = || {
            value
                .parse::<usize>()
                .map_err(|_| message.error("an offset or length in bytes", on_one_line(value)))
        };
        match key {
            "location" => location = value,
            "offset" => offset = number()?,
            "length" => length = Some(number()?),
            _ => {}
        }
    }
    Ok(Data::External { location, offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_half_precision() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2_f32.powi(-24)),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_95),
        ];
        for (bits, expected) in cases {
            assert_eq!(half(bits), expected, "{bits:#x}");
        }
        assert_eq!(half(0x7c00), f32::INFINITY);
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn negative_zeros_are_zeros() {
        let bytes = [0_f32.to_le_bytes(), (-0_f32).to_le_bytes()].concat();
        let tensor = |bytes| Tensor { kind: Kind::Float, shape: vec![2], data: Data::Raw(bytes) };
        assert!(tensor(&bytes).is_zero());
        let bytes = [0_f32.to_le_bytes(), f32::from_bits(1).to_le_bytes()].concat();
        assert!(!tensor(&bytes).is_zero());
    }

    #[test]
    fn external_data_must_reach_as_far_as_stated() {
        let tensor = |offset, length| Tensor {
            kind: Kind::Float,
            shape: vec![2],
            data: Data::External { location: "w", offset, length },
        };
        let file = [0; 12];
        for (offset, length, fits) in [
            (4, Some(8), true),
            (0, None, true),
            (5, Some(8), false),
            (4, Some(4), false),
            (usize::MAX, None, false),
        ] {
            let located = tensor(offset, length).locate_in(|_| Some(&file));
            assert_eq!(located.is_ok(), fits, "{offset} {length:?}");
        }
        assert!(tensor(0, None).locate_in(|_| None).is_err());
    }
}
