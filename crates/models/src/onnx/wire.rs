//! The protobuf wire format: <https://protobuf.dev/programming-guides/encoding/>.
//!
//! A message is a list of numbered fields. Lengths are checked against the bytes that are left, and nothing is copied.
//! Nesting is limited by the messages that are read, none of which contains itself.

use crate::Error;

/// Most bytes of a varint.
const VARINT_LEN: usize = 10;

/// A field's value as stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// A field with its number and its bytes as stored.
pub(super) type Stored<'a> = (u64, Field<'a>, &'a [u8]);

impl Field<'_> {
    /// Returns what kind of value this is, for messages.
    fn describe(&self) -> String {
        match self {
            Self::Varint(value) => format!("the integer {value}"),
            Self::Fixed64(_) => "8 bytes".to_owned(),
            Self::Bytes(bytes) => format!("a field of {} bytes", bytes.len()),
            Self::Fixed32(_) => "4 bytes".to_owned(),
        }
    }
}

/// Reads the fields of one message.
#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    /// What the message describes, for errors.
    what: &'static str,
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    /// Returns the next field and its number, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Error> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.cut())?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(self.array()?),
            // The groups of early protobuf (3 and 4), which ONNX does not use, or no type at all.
            _ => return Err(self.cut()),
        };
        match key >> 3 {
            0 => Err(self.error("a field number of at least 1", "0".to_owned())),
            number => Ok(Some((number, field))),
        }
    }

    /// Returns the next field with its number and its bytes as stored, or `None` at the end.
    pub(super) fn next_stored(&mut self) -> Result<Option<Stored<'a>>, Error> {
        let before = self.bytes;
        let Some((number, field)) = self.next()? else { return Ok(None) };
        Ok(Some((number, field, &before[..before.len() - self.bytes.len()])))
    }

    /// Returns the bytes of a field that is a message, a text or packed numbers.
    pub(super) fn bytes(&self, field: Field<'a>) -> Result<&'a [u8], Error> {
        match field {
            Field::Bytes(bytes) => Ok(bytes),
            other => Err(self.error("a field with a length", other.describe())),
        }
    }

    /// Returns the text of a field.
    pub(super) fn text(&self, field: Field<'a>) -> Result<&'a str, Error> {
        let bytes = self.bytes(field)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("text in UTF-8", format!("{} bytes", bytes.len())))
    }

    /// Returns the integer of a field.
    pub(super) fn int(&self, field: Field<'a>) -> Result<i64, Error> {
        match field {
            Field::Varint(value) => Ok(value as i64),
            other => Err(self.error("an integer", other.describe())),
        }
    }

    /// Returns the number of a field of single precision.
    pub(super) fn float(&self, field: Field<'a>) -> Result<f32, Error> {
        match field {
            Field::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            other => Err(self.error("a number of single precision", other.describe())),
        }
    }

    /// Appends the integers of a repeated field, packed or single.
    pub(super) fn ints(&self, field: Field<'a>, into: &mut Vec<i64>) -> Result<(), Error> {
        let Field::Bytes(bytes) = field else {
            into.push(self.int(field)?);
            return Ok(());
        };
        let mut packed = Self { bytes, what: self.what };
        while !packed.bytes.is_empty() {
            into.push(packed.varint()? as i64);
        }
        Ok(())
    }

    /// Appends the numbers of a repeated field of single precision, packed or single.
    pub(super) fn floats(&self, field: Field<'a>, into: &mut Vec<f32>) -> Result<(), Error> {
        let Field::Bytes(bytes) = field else {
            into.push(self.float(field)?);
            return Ok(());
        };
        let (numbers, rest) = bytes.as_chunks();
        into.extend(numbers.iter().map(|&number| f32::from_le_bytes(number)));
        if rest.is_empty() { Ok(()) } else { Err(self.cut()) }
    }

    /// Appends the numbers of a repeated field of double precision, packed or single, rounded to single precision.
    pub(super) fn doubles(&self, field: Field<'a>, into: &mut Vec<f32>) -> Result<(), Error> {
        let (numbers, rest) = match &field {
            Field::Fixed64(number) => (std::slice::from_ref(number), &[][..]),
            Field::Bytes(bytes) => bytes.as_chunks(),
            other => return Err(self.error("numbers of double precision", other.describe())),
        };
        into.extend(numbers.iter().map(|&number| f64::from_le_bytes(number) as f32));
        if rest.is_empty() { Ok(()) } else { Err(self.cut()) }
    }

    /// Returns an error about this message.
    pub(super) fn error(&self, expected: &str, found: String) -> Error {
        Error::Onnx { place: self.what.to_owned(), expected: expected.to_owned(), found }
    }

    fn cut(&self) -> Error {
        self.error(
            "a whole ONNX file",
            "one that is truncated or damaged, or a file of another kind".to_owned(),
        )
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for at in 0..VARINT_LEN {
            let [byte] = self.array()?;
            let part = u64::from(byte & 0x7f);
            if at == VARINT_LEN - 1 && part > 1 {
                break;
            }
            value |= part << (7 * at);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("integers of at most 64 bits", "a longer one".to_owned()))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (first, rest) = self.bytes.split_first_chunk().ok_or_else(|| self.cut())?;
        self.bytes = rest;
        Ok(*first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (first, rest) = self.bytes.split_at_checked(length).ok_or_else(|| self.cut())?;
        self.bytes = rest;
        Ok(first)
    }
}

/// Appends a field that is a message or a text.
pub(super) fn write_bytes(into: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    for mut varint in [number << 3 | 2, bytes.len() as u64] {
        while varint >= 0x80 {
            into.push(varint as u8 | 0x80);
            varint >>= 7;
        }
        into.push(varint as u8);
    }
    into.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Field<'_>)>, Error> {
        let mut message = Message::new(bytes, "test");
        let mut fields = Vec::new();
        while let Some(field) = message.next()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn fields_are_read_in_order() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let expected =
            vec![(1, Field::Varint(150)), (2, Field::Bytes(b"hi")), (3, Field::Fixed32(1_f32.to_le_bytes()))];
        assert_eq!(fields(&bytes).unwrap(), expected);
    }

    #[test]
    fn written_and_stored_fields_are_read_again() {
        let content = vec![7; 300];
        let mut bytes = vec![];
        write_bytes(&mut bytes, 1, b"hi");
        write_bytes(&mut bytes, 25, &content);
        assert_eq!(fields(&bytes).unwrap(), [(1, Field::Bytes(b"hi")), (25, Field::Bytes(&content))]);
        let mut message = Message::new(&bytes, "test");
        let mut copy: Vec<u8> = vec![];
        while let Some((_, _, stored)) = message.next_stored().unwrap() {
            copy.extend(stored);
        }
        assert_eq!(copy, bytes);
    }

    #[test]
    fn a_negative_integer_takes_ten_bytes() {
        let bytes = [&[0x08][..], &[0xff; 9], &[0x01]].concat();
        let Field::Varint(value) = fields(&bytes).unwrap()[0].1 else { panic!("expected an integer") };
        assert_eq!(value as i64, -1);
    }

    #[test]
    fn damaged_fields_are_refused() {
        let longest = [&[0x08][..], &[0xff; 11]].concat();
        let cases: [&[u8]; 7] = [
            &[0x08],             // no value
            &[0x08, 0x80],       // a truncated varint
            &longest,            // one of more than 64 bits
            &[0x12, 0x05, b'a'], // a length beyond the end
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x0b, 0x0c], // a group
            &[0x00, 0x01], // field 0
        ];
        for bytes in cases {
            assert!(fields(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn repeated_numbers_may_be_packed() {
        let message = Message::new(&[], "test");
        let (mut ints, mut floats) = (vec![], vec![]);
        message.ints(Field::Bytes(&[1, 0x96, 1]), &mut ints).unwrap();
        message.ints(Field::Varint(3), &mut ints).unwrap();
        message.floats(Field::Bytes(&2_f32.to_le_bytes()), &mut floats).unwrap();
        message.doubles(Field::Bytes(&0.5_f64.to_le_bytes()), &mut floats).unwrap();
        assert_eq!((ints, floats), (vec![1, 150, 3], vec![2.0, 0.5]));
        assert!(message.floats(Field::Bytes(&[0; 5]), &mut vec![]).is_err());
    }
}
