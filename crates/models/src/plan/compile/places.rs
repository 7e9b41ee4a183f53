//! The layers of values that are concatenated.

use crate::graph::Value;
use std::collections::BTreeMap;

/// Where concatenated values lie.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The layer that a value is written to when it is computed.
    pub(super) of_value: BTreeMap<Value, usize>,
    /// By concatenation: its layer, and the values that are copied to a part of it, since they lie elsewhere.
    pub(super) of_concat: BTreeMap<Value, (usize, Vec<(Value, usize)>)>,
}

impl Places {
    pub(super) fn of(&self, value: Value) -> Option<usize> {
        self.of_value.get(&value).copied()
    }
}
