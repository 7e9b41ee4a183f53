//! Batches on a device whose memory may be too small for them: a batch that does not fit is halved, and so are those
//! after it.

pub use conv3d::is_exhausted;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a batch may take on a GPU unless told otherwise: it is filled by several images at once.
pub const ON_GPU: usize = 8 << 30;

/// What is told of a batch that was halved: how many examples go together from now on.
pub type Notice = Box<dyn Fn(usize) + Send + Sync>;

/// How many examples go together, learned from batches that did not fit.
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
    /// Tells `notice` of each batch that is halved.
    #[must_use]
    pub fn with_notice(notice: Notice) -> Self {
        Self { notice: Some(notice), ..Self::default() }
    }

    /// The most examples that go together, as far as is known.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Does `count` examples, in order and as many together as fit: `work` does those of a range. `exhausted` says which
    /// errors a smaller batch may mend.
    ///
    /// # Errors
    /// What `work` meets, also where it does not fit with one example alone.
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
