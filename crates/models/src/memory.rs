//! Batches on a device with little memory: a batch that does not fit is halved, and so are those after it.

pub use conv3d::is_exhausted;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Default memory of a batch on a GPU, in bytes.
pub const ON_GPU: usize = 8 << 30;

/// Callback for a halved batch, with the number of examples per batch from now on.
pub type Notice = Box<dyn Fn(usize) + Send + Sync>;

/// Largest number of examples per batch that fits, found by trying.
pub struct Fitting {
    most: AtomicUsize,
    notice: Option<Notice>,
}

impl std::fmt::Debug for Fitting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fitting").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Default for Fitting {
    fn default() -> Self {
        Self { most: AtomicUsize::new(usize::MAX), notice: None }
    }
}

impl Fitting {
    /// Calls `notice` for each batch that is halved.
    #[must_use]
    pub fn with_notice(notice: Notice) -> Self {
        Self { notice: Some(notice), ..Self::default() }
    }

    /// Returns the largest number of examples per batch that is known to fit.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Computes `count` examples in order, as many at once as fit. `work` computes a range of examples; `exhausted` returns
    /// whether a smaller batch may avoid an error.
    ///
    /// # Errors
    /// Returns the errors of `work`, also if a single example does not fit.
    pub fn run<T, E>(
        &self,
        count: usize,
        exhausted: impl Fn(&E) -> bool,
        mut work: impl FnMut(Range<usize>) -> Result<Vec<T>, E>,
    ) -> Result<Vec<T>, E> {
        let mut all = Vec::with_capacity(count);
        let mut at = 0;
        while at < count {
            let together = self.most().clamp(1, count - at);
            match work(at..at + together) {
                Ok(done) => {
                    all.extend(done);
                    at += together;
                }
                Err(error) if together > 1 && exhausted(&error) => {
                    self.most.fetch_min(together / 2, Ordering::Relaxed);
                    if let Some(notice) = &self.notice {
                        notice(self.most());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Error;
    use std::sync::{Arc, Mutex};

    fn out_of_memory() -> Error {
        Error::Cuda("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".into())
    }

    #[test]
    fn a_batch_that_does_not_fit_is_halved_and_stays_small() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let fitting = Fitting::with_notice(Box::new(move |most| heard.lock().unwrap().push(most)));
        let mut tried = Vec::new();
        let mut run = |count| {
            fitting.run(count, is_exhausted, |range| {
                tried.push(range.len());
                if range.len() > 3 { Err(out_of_memory()) } else { Ok(range.collect()) }
            })
        };
        assert_eq!(run(9).unwrap(), (0..9).collect::<Vec<usize>>());
        assert_eq!(run(5).unwrap(), (0..5).collect::<Vec<usize>>());
        assert_eq!(tried, [9, 4, 2, 2, 2, 2, 1, 2, 2, 1]);
        assert_eq!(*told.lock().unwrap(), [4, 2]);
    }

    #[test]
    fn one_example_that_does_not_fit_and_other_errors_end_it() {
        let fitting = Fitting::default();
        let found: Result<Vec<()>, Error> = fitting.run(4, is_exhausted, |_| Err(out_of_memory()));
        assert!(is_exhausted(&found.unwrap_err()));
        let mut tries = 0;
        let found: Result<Vec<()>, Error> = Fitting::default().run(4, is_exhausted, |_| {
            tries += 1;
            Err(Error::Cuda("CUDNN_STATUS_BAD_PARAM".into()))
        });
        assert!(found.is_err() && tries == 1);
    }
}
