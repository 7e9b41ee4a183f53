//! The input contract: what a network expects of its input, and what its outputs mean.

mod axes;
mod beside;
mod contract;
mod example;
mod output;

pub use axes::AxisOrder;
pub use beside::{CONTRACT_EXTENSION, read_beside, read_text};
pub use contract::{Input, ValidInput};
pub use example::example;
pub use output::{Output, OutputKind, OutputTarget};
