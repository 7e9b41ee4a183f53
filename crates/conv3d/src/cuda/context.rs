//! State of a CUDA device: cuDNN's handle, one workspace, and the algorithm of each convolution.
//!
//! The first two times a shape is used, the algorithm is the one that cuDNN predicts to be the fastest, which is cheap; the
//! third time all that fit are measured. Many shapes are used once or twice, for which measuring takes longer than it saves.

use super::algorithms::{self, Addresses, Candidate};
use super::descriptors::Descriptors;
use super::problem::{Pass, Problem};
use crate::Precision;
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtrMut, DriverError};
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// Largest workspace of an algorithm in bytes; FFTs would take many times as much.
const MOST_WORKSPACE: usize = 1 << 30;
/// Use of a convolution at which its algorithms are measured.
const TRIED_AT: usize = 3;
/// Largest number of convolutions whose algorithms are stored.
const MOST_KNOWN: usize = 4096;
/// CUDA's per-thread default stream.
const PER_THREAD: usize = 2;

/// The open devices.
static CONTEXTS: Mutex<Vec<(DeviceId, Arc<Context>)>> = Mutex::new(Vec::new());

/// Error of a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Cudnn(#[from] CudnnError),
    #[error("{0}")]
    Driver(#[from] DriverError),
    #[error("expected an algorithm of cuDNN with {0} arithmetic, found none")]
    NoAlgorithm(Precision),
}

/// A device as convolutions need it.
pub(super) struct Context {
    precision: Precision,
    runs: AtomicU64,
    state: Mutex<State>,
}

impl Context {
    /// Prepares a device whose convolutions have this precision; it has it from now on.
    pub(super) fn open(device: &CudaDevice, precision: Precision) -> Result<Arc<Self>, Fault> {
        let context = Arc::new(Self {
            precision,
            runs: AtomicU64::new(0),
            state: Mutex::new(State::new(device.cuda_stream())?),
        });
        let mut contexts = contexts();
        contexts.retain(|(id, _)| *id != device.id());
        contexts.push((device.id(), Arc::clone(&context)));
        Ok(context)
    }

    /// That of a device, which is opened for float32 where nobody opened it.
    pub(super) fn of(device: &CudaDevice) -> Result<Arc<Self>, Fault> {
        let found =
            contexts().iter().find(|(id, _)| *id == device.id()).map(|(_, context)| Arc::clone(context));
        match found {
            Some(context) => Ok(context),
            None => Self::open(device, Precision::F32),
        }
    }

    /// How products are computed.
    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Convolutions and gradients that were computed.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Computes a pass on the device's stream.
    ///
    /// # Safety
    /// `tensors` are the addresses, on this device, of contiguous tensors of the problem's shapes and type (its
    /// workspace is not looked at); what the pass computes is written by nobody else.
    pub(super) unsafe fn run(&self, problem: &Problem, pass: Pass, tensors: Addresses) -> Result<(), Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.enter()?;
        let key = (*problem, pass);
        let known = match state.known.remove(&key) {
            Some(known) => known,
            None => Known { descriptors: Descriptors::new(problem, self.precision)?, uses: 0, choice: None },
        };
        // SAFETY: the handle is used under the lock alone; the tensors are as the caller promises.
        let (known, choice) = unsafe { state.choose(known, pass, self.precision, tensors) }?;
        let memory = choice.memory;
        let workspace = state.room(memory)?;
        let at = Addresses { workspace, room: memory, ..tensors };
        // SAFETY: the handle is used under the lock alone; the tensors are as the caller promises, and the workspace
        // has `memory` bytes that no run on the stream before this one still uses when this one begins.
        unsafe { algorithms::run(state.handle, choice.algorithm, &known.descriptors, at) }?;
        state.remember(key, known);
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn contexts() -> MutexGuard<'static, Vec<(DeviceId, Arc<Context>)>> {
    CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A convolution that was used before.
struct Known {
    descriptors: Descriptors,
    /// Number of uses, up to the one at which algorithms were measured.
    uses: usize,
    /// The algorithm, unless it was chosen for lack of memory.
    choice: Option<Candidate>,
}

struct State {
    handle: sys::cudnnHandle_t,
    stream: Arc<CudaStream>,
    workspace: Option<CudaSlice<u8>>,
    known: HashMap<(Problem, Pass), Known>,
    /// Who came last.
    thread: ThreadId,
}

// SAFETY: cuDNN's handles and descriptors may be used by any thread, one at a time; a `State` is reached through the
// mutex of its `Context` alone, and its stream and workspace are `Send` themselves.
unsafe impl Send for State {}

impl State {
    fn new(stream: Arc<CudaStream>) -> Result<Self, Fault> {
        stream.context().bind_to_thread()?;
        let state = Self {
            handle: result::create_handle()?,
            workspace: None,
            known: HashMap::new(),
            thread: std::thread::current().id(),
            stream,
        };
        // SAFETY: the handle was just made, and the stream lives as long as it does.
        unsafe { result::set_stream(state.handle, state.stream.cu_stream().cast()) }?;
        Ok(state)
    }

    /// Binds the device to the calling thread.
    fn enter(&mut self) -> Result<(), Fault> {
        self.stream.context().bind_to_thread()?;
        let thread = std::thread::current().id();
        if thread != self.thread {
            // The workspace is shared, and on a stream of its own the thread before may not be done with it.
            if self.stream.cu_stream() as usize == PER_THREAD {
                self.stream.context().synchronize()?;
            }
            self.thread = thread;
        }
        Ok(())
    }

    /// Returns a workspace of at least this many bytes.
    fn room(&mut self, bytes: usize) -> Result<*mut c_void, Fault> {
        if bytes == 0 {
            return Ok(std::ptr::null_mut());
        }
        if self.workspace.as_ref().is_none_or(|workspace| workspace.len() < bytes) {
            // Free the old one first: two would take twice the memory. Running work keeps it until it ends, since memory is
            // freed in the stream's order.
            self.workspace = None;
            // SAFETY: bytes have no invalid values, and algorithms write before they read.
            self.workspace = Some(unsafe { self.stream.alloc::<u8>(bytes) }?);
        }
        let Some(workspace) = &mut self.workspace else { return Ok(std::ptr::null_mut()) };
        let (address, _) = workspace.device_ptr_mut(&self.stream);
        Ok(address as *mut c_void)
    }

    /// Chooses an algorithm: the stored one, the one that cuDNN predicts to be the fastest, or, for a convolution that is
    /// used often, the one that was measured as the fastest on these tensors.
    ///
    /// # Safety
    /// As [`Context::run`], under the context's lock, of the convolution that `known` describes.
    unsafe fn choose(
        &mut self,
        mut known: Known,
        pass: Pass,
        precision: Precision,
        tensors: Addresses,
    ) -> Result<(Known, Candidate), Fault> {
        let to_be_tried = known.uses + 1 == TRIED_AT;
        known.uses = (known.uses + 1).min(TRIED_AT);
        if let Some(choice) = known.choice.filter(|_| !to_be_tried) {
            return Ok((known, choice));
        }
        // The previous choice may have narrowed it.
        known.descriptors.allow(precision)?;
        let fits =
            |candidate: &Candidate| candidate.is_allowed(precision) && candidate.memory <= MOST_WORKSPACE;
        // SAFETY: as the caller promises.
        let mut candidates = unsafe { algorithms::expected(self.handle, pass, &known.descriptors) }?;
        candidates.retain(fits);
        let mut sizes: Vec<usize> = candidates.iter().map(|one| one.memory).collect();
        if to_be_tried {
            // A workspace for all of them.
            sizes.sort_unstable_by_key(|&bytes| std::cmp::Reverse(bytes));
            sizes.dedup();
        }
        // On a device with little memory left, only slower algorithms fit.
        let (mut room, mut lack) = ((std::ptr::null_mut(), 0), None);
        for bytes in sizes {
            match self.room(bytes) {
                Ok(workspace) => {
                    room = (workspace, bytes);
                    break;
                }
                Err(fault) => lack = Some(fault),
            }
        }
        if to_be_tried {
            let at = Addresses { workspace: room.0, room: room.1, ..tensors };
            // SAFETY: as the caller promises; the workspace has the bytes that are announced.
            let tried = unsafe { algorithms::measured(self.handle, pass, &known.descriptors, at) };
            // If nothing could be measured, use the prediction. A measurement with another arithmetic does not count: float32
            // always uses fused multiply-adds.
            let as_it_runs = |candidate: &Candidate| {
                precision != Precision::F32 || candidate.math == sys::cudnnMathType_t::CUDNN_FMA_MATH
            };
            let tried = tried.unwrap_or_default().into_iter().filter(fits).filter(as_it_runs);
            candidates = tried.chain(candidates).collect();
        }
        let Some(best) = candidates.into_iter().find(|candidate| candidate.memory <= room.1) else {
            return Err(lack.unwrap_or(Fault::NoAlgorithm(precision)));
        };
        if precision != Precision::F32 {
            known.descriptors.set_math(best.math)?;
        }
        // The device may have more memory later: the next uses choose again, by prediction first.
        known.choice = lack.is_none().then_some(best);
        if lack.is_some() && to_be_tried {
            known.uses = 0;
        }
        Ok((known, best))
    }

    /// Stores a convolution; those that were used only a few times are removed if there is no room.
    fn remember(&mut self, key: (Problem, Pass), known: Known) {
        if self.known.len() >= MOST_KNOWN {
            self.known.retain(|_, known| known.uses == TRIED_AT);
        }
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(key, known);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // Descriptors first, before the library that created them.
        self.known.clear();
        // SAFETY: made by `new`, and freed here alone. An error would mean a device that is gone.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}
