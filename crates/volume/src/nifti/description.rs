//! Descriptions of written maps, which viewers show.

use crate::Error;

/// What the values of a map are (NIfTI's intent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// Not stated.
    #[default]
    None,
    /// Estimates of a quantity, whose name is the description's `name`.
    Estimate,
    /// Labels, whose scheme is the description's `name`.
    Label,
}

impl Intent {
    /// `NIFTI_INTENT_*` code.
    fn code(self) -> i16 {
        match self {
            Intent::None => 0,
            Intent::Estimate => 1001,
            Intent::Label => 1002,
        }
    }
}

/// Description of a map, in fields of its header that viewers show.
///
/// ```
/// use relevox_volume::nifti::Description;
///
/// let description = Description::relevance("occlusion, target HGG");
/// assert_eq!(description.range, Some([0.0, 100.0]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// What the values are.
    pub intent: Intent,
    /// Name of the quantity or of the label scheme: at most 15 printable ASCII characters (`intent_name`).
    pub name: String,
    /// A line about the map: at most 79 printable ASCII characters (`descrip`).
    pub text: String,
    /// Values that viewers show in the first and the last colour (`cal_min`, `cal_max`), in ascending order.
    pub range: Option<[f32; 2]>,
}

impl Description {
    /// Describes a relevance map, with values from 0 to 100.
    pub fn relevance(text: &str) -> Self {
        Self {
            intent: Intent::Estimate,
            name: "relevance".to_owned(),
            text: text.to_owned(),
            range: Some([0.0, 100.0]),
        }
    }

    /// Describes labels of a scheme, such as `supervoxels`.
    pub fn labels(name: &str, text: &str) -> Self {
        Self { intent: Intent::Label, name: name.to_owned(), text: text.to_owned(), range: None }
    }

    /// Validates the description and converts it to header fields.
    pub(super) fn fields(&self) -> Result<DescriptionFields, Error> {
        let range = self.range.unwrap_or_default();
        if let Some([low, high]) = self.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err(Error::InvalidSetting {
                setting: "description.range",
                expected: "two finite values in ascending order".to_owned(),
                found: format!("{low} and {high}"),
            });
        }
        Ok(DescriptionFields {
            range,
            intent_code: self.intent.code(),
            intent_name: field("description.name", &self.name)?,
            descrip: field("description.text", &self.text)?,
        })
    }
}

/// The fields as stored.
pub(super) struct DescriptionFields {
    /// `cal_min` and `cal_max`; equal values mean that none are set.
    pub range: [f32; 2],
    pub intent_code: i16,
    pub intent_name: [u8; 16],
    pub descrip: [u8; 80],
}

impl Default for DescriptionFields {
    fn default() -> Self {
        Self { range: [0.0; 2], intent_code: 0, intent_name: [0; 16], descrip: [0; 80] }
    }
}

/// A text that ends with a zero, as the format requires.
fn field<const N: usize>(setting: &'static str, text: &str) -> Result<[u8; N], Error> {
    let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !printable || text.len() >= N {
        return Err(Error::InvalidSetting {
            setting,
            expected: format!("at most {} printable ASCII characters", N - 1),
            found: format!("{text:?}"),
        });
    }
    let mut stored = [0; N];
    stored[..text.len()].copy_from_slice(text.as_bytes());
    Ok(stored)
}
