//! Data types of voxels.

/// A data type that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VoxelType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl VoxelType {
    pub const EXPECTED: &str = "integers of 8 to 64 bits, float32 or float64";

    /// Type of a datatype code, or the name of one that is not decoded.
    pub fn of(datatype: i16) -> Result<Self, String> {
        Ok(match datatype {
            2 => Self::U8,
            256 => Self::I8,
            512 => Self::U16,
            4 => Self::I16,
            768 => Self::U32,
            8 => Self::I32,
            1280 => Self::U64,
            1024 => Self::I64,
            16 => Self::F32,
            64 => Self::F64,
            32 | 1792 | 2048 => return Err("complex numbers".to_owned()),
            128 | 2304 => return Err("RGB colours".to_owned()),
            1536 => return Err("float128".to_owned()),
            other => return Err(format!("the unknown datatype {other}")),
        })
    }

    /// Size in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}
