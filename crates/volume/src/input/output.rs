//! Meaning of a network's outputs.

use crate::Error;

/// How a network's outputs become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum OutputKind {
    /// One output whose sigmoid is the probability of the positive class.
    #[default]
    Logit,
    /// Outputs whose sigmoids are the probabilities of classes that can occur together.
    Sigmoid,
    /// Outputs whose softmax are the probabilities of exclusive classes.
    Softmax,
    /// Plain values, such as an age.
    Value,
}

impl OutputKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Logit, Self::Sigmoid, Self::Softmax, Self::Value];

    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
            Self::Value => "value",
        }
    }
}

relevox_grid::by_name!(OutputKind, "output", Error);

/// Class to explain, by name or by index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
pub enum OutputTarget {
    /// Index among the outputs, from 0.
    Index(usize),
    /// Name among the classes.
    Name(String),
}

impl OutputTarget {
    /// Parses an index, or else a name.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index)
    }
}

/// Meaning of a network's outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Output {
    /// How outputs become probabilities.
    pub kind: OutputKind,
    /// Names of the classes, in the order of the outputs. Of one logit: the negative and the positive class, or the
    /// positive class alone. May be empty.
    #[cfg_attr(feature = "serde", serde(default))]
    pub classes: Vec<String>,
    /// Class that is explained unless another is requested.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub target: Option<OutputTarget>,
}

impl Output {
    /// Validates the classes and the target against each other.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if two classes have one name, there are too many or too few for the kind, or the
    /// target is not among them.
    pub fn check(&self) -> Result<(), Error> {
        for (i, class) in self.classes.iter().enumerate() {
            if class.is_empty() || self.classes[..i].contains(class) {
                return Err(invalid("output.classes", "different names", format!("{class:?}")));
            }
        }
        match (self.kind, self.classes.len()) {
            (OutputKind::Logit, 3..) => {
                let expected = "at most two classes for a logit; `softmax` or `sigmoid` for more";
                return Err(invalid("output.classes", expected, self.classes.join(", ")));
            }
            (OutputKind::Softmax, 1) => {
                let expected = "at least two classes for a softmax";
                return Err(invalid("output.classes", expected, self.classes.join(", ")));
            }
            _ => {}
        }
        match &self.target {
            Some(target) if !self.classes.is_empty() => {
                let outputs = if self.kind == OutputKind::Logit { 1 } else { self.classes.len() };
                self.index(Some(target), outputs).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Returns the index of the explained output among `outputs`: of `requested`, else of the contract's target. `None`
    /// if neither is given and there are several outputs, so that the caller explains the predicted class.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the network has another number of outputs than the contract describes, or
    /// there is no such class.
    pub fn index(&self, requested: Option<&OutputTarget>, outputs: usize) -> Result<Option<usize>, Error> {
        if self.kind == OutputKind::Logit && outputs != 1 {
            let expected = format!("`sigmoid`, `softmax` or `value` for a network of {outputs} outputs");
            let found = if *self == Self::default() {
                "`logit`, the default; state the kind, such as output = \"softmax\" in the contract or --output softmax"
            } else {
                "`logit`"
            };
            return Err(invalid("output.kind", &expected, found.to_owned()));
        }
        if self.kind == OutputKind::Softmax && outputs < 2 {
            return Err(invalid(
                "output.kind",
                "`logit` for a network of one output",
                "`softmax`".to_owned(),
            ));
        }
        if self.kind != OutputKind::Logit && !self.classes.is_empty() && self.classes.len() != outputs {
            let expected = format!("a name for each of the network's {outputs} outputs");
            return Err(invalid("output.classes", &expected, self.classes.join(", ")));
        }
        let Some(target) = requested.or(self.target.as_ref()) else {
            return Ok((outputs == 1).then_some(0));
        };
        match target {
            OutputTarget::Index(index) if *index < outputs => Ok(Some(*index)),
            OutputTarget::Index(index) => {
                Err(invalid("target", &format!("an output from 0 to {}", outputs - 1), index.to_string()))
            }
            OutputTarget::Name(name) if self.kind == OutputKind::Logit => match self.classes.last() {
                Some(positive) if positive == name => Ok(Some(0)),
                Some(positive) => {
                    let expected = format!("{positive}, the class whose probability is the logit's sigmoid");
                    Err(invalid("target", &expected, name.clone()))
                }
                None => Err(invalid("target", "0, or a name listed in output.classes", name.clone())),
            },
            OutputTarget::Name(name) => {
                let found = self.classes.iter().position(|class| class == name);
                let known = match self.classes.as_slice() {
                    [] => "an index, since output.classes lists no names".to_owned(),
                    classes => format!("one of {}", classes.join(", ")),
                };
                found.map(Some).ok_or_else(|| invalid("target", &known, name.clone()))
            }
        }
    }

    /// Returns the name of an output's class, if the contract lists names.
    pub fn class(&self, output: usize) -> Option<&str> {
        match self.kind {
            OutputKind::Logit => self.classes.last(),
            _ => self.classes.get(output),
        }
        .map(String::as_str)
    }
}

fn invalid(setting: &'static str, expected: &str, found: String) -> Error {
    Error::InvalidSetting { setting, expected: expected.to_owned(), found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(kind: OutputKind, classes: &[&str], target: Option<&str>) -> Output {
        let classes = classes.iter().map(|class| class.to_string()).collect();
        Output { kind, classes, target: target.map(OutputTarget::parse) }
    }

    #[test]
    fn kinds_are_read_by_the_names_that_they_are_written_with() {
        for (name, kind) in ["logit", "sigmoid", "softmax", "value"].into_iter().zip(OutputKind::ALL) {
            assert_eq!((kind.name(), name.parse::<OutputKind>().unwrap()), (name, kind));
        }
        let error = "logits".parse::<OutputKind>().unwrap_err().to_string();
        assert_eq!(error, "output: expected one of logit, sigmoid, softmax, value, found logits");
    }

    #[test]
    fn targets_are_found_by_name_and_index() {
        let logit = output(OutputKind::Logit, &["LGG", "HGG"], Some("HGG"));
        logit.check().unwrap();
        assert_eq!(logit.index(None, 1).unwrap(), Some(0));
        assert_eq!(logit.class(0), Some("HGG"));
        assert!(logit.index(Some(&OutputTarget::parse("LGG")), 1).is_err());
        let softmax = output(OutputKind::Softmax, &["a", "b", "c"], None);
        assert_eq!(softmax.index(None, 3).unwrap(), None);
        assert_eq!(softmax.index(Some(&OutputTarget::parse("c")), 3).unwrap(), Some(2));
        assert_eq!(softmax.index(Some(&OutputTarget::parse("1")), 3).unwrap(), Some(1));
        for target in ["d", "3"] {
            assert!(softmax.index(Some(&OutputTarget::parse(target)), 3).is_err());
        }
    }

    #[test]
    fn outputs_that_do_not_fit_the_network_are_refused() {
        let unstated = output(OutputKind::Logit, &[], None).index(None, 2).unwrap_err().to_string();
        assert!(
            unstated.ends_with(
                "found `logit`, the default; state the kind, such as output = \"softmax\" in the contract or --output softmax"
            ),
            "{unstated}"
        );
        let stated = output(OutputKind::Logit, &["a", "b"], None).index(None, 2).unwrap_err().to_string();
        assert!(stated.ends_with("found `logit`"), "{stated}");
        assert!(output(OutputKind::Softmax, &[], None).index(None, 1).is_err());
        assert!(output(OutputKind::Softmax, &["a", "b", "c"], None).index(None, 2).is_err());
        assert!(output(OutputKind::Logit, &["a", "b", "c"], None).check().is_err());
        assert!(output(OutputKind::Sigmoid, &["a", "a"], None).check().is_err());
        assert!(output(OutputKind::Softmax, &["a", "b"], Some("z")).check().is_err());
    }
}
