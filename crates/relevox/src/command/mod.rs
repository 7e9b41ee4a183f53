//! External programs as classifiers: a program is started once and classifies batches in files of NumPy.
//!
//! `docs/COMMAND.md` describes the protocol.

mod error;
mod program;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ndarray::{Array2, ArrayView4, ArrayView5, Axis, Ix2};
use relevox_relevance::{Classifier, Error as RelevanceError};
use relevox_volume::npy::{self, ArrayFile};
use serde_json::{Value, json};

use program::Program;

pub use error::CommandError;

/// Characters of an answer that an error shows.
const SHOWN: usize = 200;

/// A classifier that is an external program.
///
/// Each region takes a whole forward pass of the program, in batches. The program ends with the classifier.
pub struct CommandClassifier {
    exchange: Mutex<Exchange>,
    first: Vec<f32>,
}

struct Exchange {
    program: Program,
    batches: usize,
}

impl CommandClassifier {
    /// Starts the program of a command, which is split into words as a shell does, but not run by one, and classifies an
    /// image `[c, z, y, x]` to find the number of outputs. `timeout` limits each batch.
    ///
    /// # Errors
    /// Returns [`CommandError`] if the program cannot be started, ends, does not answer in time, reports an error, or
    /// writes something else than finite outputs.
    pub fn start(command: &str, timeout: Duration, image: ArrayView4<'_, f32>) -> Result<Self, CommandError> {
        let mut exchange = Exchange { program: Program::start(command, timeout)?, batches: 0 };
        let first = exchange.classify(image.insert_axis(Axis(0)), None)?;
        Ok(Self { first: first.into_raw_vec_and_offset().0, exchange: Mutex::new(exchange) })
    }

    /// Returns the outputs for the image that the program was started with.
    pub fn first(&self) -> &[f32] {
        &self.first
    }
}

impl Exchange {
    /// Classifies a batch `[n, c, z, y, x]`; returns `[n, k]`, where k is `outputs` if it is known.
    fn classify(
        &mut self,
        batch: ArrayView5<'_, f32>,
        outputs: Option<usize>,
    ) -> Result<Array2<f32>, CommandError> {
        let program = self.program.name.clone();
        let file = |source: Box<dyn std::error::Error + Send + Sync>| CommandError::File {
            program: program.clone(),
            source,
        };
        self.batches += 1;
        // Removed with its files when the batch is done. No name is used twice: what a program did not write is not there.
        let folder =
            tempfile::Builder::new().prefix("relevox-").tempdir().map_err(|error| file(error.into()))?;
        let paths =
            ["batch", "logits"].map(|name| folder.path().join(format!("{name}-{:06}.npy", self.batches)));
        let [Some(from), Some(to)] = [paths[0].to_str(), paths[1].to_str()] else {
            let found = folder.path().display();
            return Err(file(
                format!("expected a temporary folder with a name in UTF-8, found {found}").into(),
            ));
        };
        npy::write_unflushed(&paths[0], batch.into_dyn()).map_err(|error| file(error.into()))?;
        let answer = self.program.ask(&json!({ "batch": from, "logits": to }).to_string())?;
        if answer != "ok" {
            return Err(refused(program, &answer));
        }
        let read = ArrayFile { path: paths[1].clone(), name: None }.read();
        let logits = read.map_err(|error| file(error.into()))?.values;
        let wrong = |what, expected: String, found: String| {
            Err(CommandError::Outputs { program: program.clone(), what, expected, found })
        };
        let (images, found) = (batch.dim().0, logits.shape().to_vec());
        let fits =
            matches!(found[..], [n, k] if n == images && k > 0 && outputs.is_none_or(|known| k == known));
        let Some(logits) = logits.into_dimensionality::<Ix2>().ok().filter(|_| fits) else {
            let outputs = outputs.map_or_else(|| "k".to_owned(), |known| known.to_string());
            return wrong("the shape of the logits", format!("[{images}, {outputs}]"), format!("{found:?}"));
        };
        match logits.indexed_iter().find(|(_, value)| !value.is_finite()) {
            Some(((image, output), value)) => {
                let found = format!("{value} at image {image}, output {output}");
                wrong("the logits", "finite values".to_owned(), found)
            }
            None => Ok(logits),
        }
    }
}

/// The error of an answer that is not `ok`.
fn refused(program: String, answer: &str) -> CommandError {
    let parsed: Option<Value> = serde_json::from_str(answer).ok();
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match parsed.as_ref().and_then(|value| value.get("error")) {
        Some(Value::String(message)) => CommandError::Reported { program, message: one_line(message) },
        Some(other) => CommandError::Reported { program, message: other.to_string() },
        None => {
            let shown: String = one_line(answer).chars().take(SHOWN).collect();
            CommandError::Answer { program, found: format!("`{shown}`") }
        }
    }
}

impl Classifier for CommandClassifier {
    fn outputs(&self) -> usize {
        self.first.len()
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, RelevanceError> {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        exchange.classify(batch, Some(self.first.len())).map_err(RelevanceError::black_box)
    }
}
