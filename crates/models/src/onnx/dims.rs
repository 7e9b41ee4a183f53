//! Sizes of axes, some of which may not be known.

/// Integers at and below this, down to [`LOWEST`], stand for sizes that are not known.
const FIRST: i64 = -(1 << 62);
const LOWEST: i64 = FIRST - u32::MAX as i64;

/// Size of an axis.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dim {
    Known(usize),
    /// A size that is not known; the same number is the same size.
    Symbol(u32),
    /// A size that is not known and not comparable.
    Unknown,
}

impl Dim {
    /// Returns whether two sizes are certainly equal.
    pub(super) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(other)) => one == other,
            (Self::Symbol(one), Self::Symbol(other)) => one == other,
            _ => false,
        }
    }

    pub(super) fn known(self) -> Option<usize> {
        match self {
            Self::Known(size) => Some(size),
            _ => None,
        }
    }

    /// Returns the integer that stands for this size in a constant.
    pub(super) fn to_int(self) -> i64 {
        match self {
            Self::Known(size) => i64::try_from(size).unwrap_or(i64::MAX),
            Self::Symbol(symbol) => FIRST - 1 - i64::from(symbol),
            Self::Unknown => FIRST,
        }
    }

    /// Returns the size that an integer of a constant stands for, or `None` for a negative number.
    pub(super) fn from_int(value: i64) -> Option<Self> {
        match value {
            FIRST => Some(Self::Unknown),
            _ if is_stand_in(value) => u32::try_from(FIRST - 1 - value).ok().map(Self::Symbol),
            _ => usize::try_from(value).ok().map(Self::Known),
        }
    }

    /// Returns the product of sizes.
    pub(super) fn product(sizes: &[Self]) -> Self {
        let mut product = Self::Known(1);
        for &size in sizes {
            product = match (product, size) {
                (Self::Known(1), other) | (other, Self::Known(1)) => other,
                (Self::Known(one), Self::Known(other)) => {
                    one.checked_mul(other).map_or(Self::Unknown, Self::Known)
                }
                _ => Self::Unknown,
            };
        }
        product
    }
}

/// Returns whether an integer of a constant stands for a size that is not known.
pub(super) fn is_stand_in(value: i64) -> bool {
    (LOWEST..=FIRST).contains(&value)
}

/// Returns whether two shapes are certainly equal.
pub(super) fn same(one: &[Dim], other: &[Dim]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(&one, &other)| one.is(other))
}

/// Returns a shape as text.
pub(super) fn describe(shape: &[Dim]) -> String {
    let sizes: Vec<String> =
        shape.iter().map(|size| size.known().map_or("?".to_owned(), |size| size.to_string())).collect();
    format!("[{}]", sizes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_survive_constants() {
        for size in [Dim::Known(0), Dim::Known(64), Dim::Symbol(0), Dim::Symbol(u32::MAX - 1)] {
            assert!(Dim::from_int(size.to_int()).unwrap().is(size), "{size:?}");
        }
        assert!(Dim::from_int(-1).is_none());
        assert!(!Dim::from_int(Dim::Unknown.to_int()).unwrap().is(Dim::Unknown));
    }

    #[test]
    fn one_unknown_factor_stays_the_same_size() {
        assert!(Dim::product(&[Dim::Known(1), Dim::Symbol(3), Dim::Known(1)]).is(Dim::Symbol(3)));
        assert!(Dim::product(&[Dim::Known(2), Dim::Symbol(3)]).known().is_none());
        assert!(Dim::product(&[Dim::Known(2), Dim::Known(3)]).is(Dim::Known(6)));
    }
}
