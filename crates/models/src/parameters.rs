//! A network's parameters by name: seeded or loaded, trained in place, or frozen.

use crate::{Error, init};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Suffixes of the running statistics of batch norm.
const STATISTICS: [&str; 2] = [".running_mean", ".running_var"];
/// PyTorch's count of training batches, unused with a fixed momentum.
const IGNORED: &str = ".num_batches_tracked";

/// The parameters and running statistics of one network, sorted by name.
///
/// Clones share the same tensors.
#[derive(Clone, Debug)]
pub struct Parameters {
    tensors: Arc<Mutex<BTreeMap<String, Var>>>,
    seed: u64,
    device: Device,
}

impl Parameters {
    /// Creates an empty set. Networks built from [`Parameters::builder`] add their parameters, drawn from `seed` (see
    /// [`init`]).
    pub fn seeded(seed: u64, device: &Device) -> Self {
        Self { tensors: Arc::default(), seed, device: device.clone() }
    }

    /// Returns a builder for a network to be trained; it adds missing parameters.
    pub fn builder(&self) -> VarBuilder<'static> {
        let backend = Growing { parameters: self.clone(), detached: false };
        VarBuilder::from_backend(Box::new(backend), DType::F32, self.device.clone())
    }

    /// Returns a builder like [`Parameters::builder`] for a network that shares the values, also after they change, without
    /// a record of gradients.
    pub fn frozen_builder(&self) -> VarBuilder<'static> {
        let backend = Growing { parameters: self.clone(), detached: true };
        VarBuilder::from_backend(Box::new(backend), DType::F32, self.device.clone())
    }

    /// Returns the trainable parameters, sorted by name.
    pub fn trainable(&self) -> Vec<(String, Var)> {
        let learned = |name: &str| !STATISTICS.iter().any(|suffix| name.ends_with(suffix));
        let tensors = self.lock();
        tensors
            .iter()
            .filter(|(name, _)| learned(name))
            .map(|(name, var)| (name.clone(), var.clone()))
            .collect()
    }

    /// Adds the gradients of two losses with respect to the trainable parameters.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub fn add_gradients(&self, mut total: GradStore, more: &GradStore) -> Result<GradStore, Error> {
        for (_, var) in self.trainable() {
            if let (Some(a), Some(b)) = (total.get(&var), more.get(&var)) {
                let sum = (a + b)?;
                total.insert(&var, sum);
            }
        }
        Ok(total)
    }

    /// Returns the running statistics with a copy of their current values.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub fn statistics(&self) -> Result<Vec<(Var, Tensor)>, Error> {
        let measured = |name: &str| STATISTICS.iter().any(|suffix| name.ends_with(suffix));
        let tensors = self.lock();
        let copy = |var: &Var| Ok((var.clone(), var.as_detached_tensor().copy()?));
        tensors.iter().filter(|(name, _)| measured(name)).map(|(_, var)| copy(var)).collect()
    }

    /// Returns all current values, including running statistics. They share memory with the parameters.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.lock().iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// Replaces all values.
    ///
    /// # Errors
    /// Returns [`Error::MissingKey`], [`Error::Shape`] or [`Error::UnexpectedKey`] if the tensors do not fit; nothing is
    /// replaced then.
    pub fn load(&self, tensors: &BTreeMap<String, Tensor>) -> Result<(), Error> {
        let own = self.lock();
        for (key, var) in own.iter() {
            let found = tensors.get(key).ok_or_else(|| missing(key, var.shape()))?;
            same_shape(key, var.shape(), found)?;
        }
        if let Some((key, tensor)) =
            tensors.iter().find(|(key, _)| !own.contains_key(*key) && !key.ends_with(IGNORED))
        {
            return Err(unexpected(key, tensor));
        }
        for (key, var) in own.iter() {
            let value = tensors.get(key).ok_or_else(|| missing(key, var.shape()))?;
            // A copy, since a variable cannot be set to values that share its memory.
            var.set(&value.to_device(&self.device)?.to_dtype(DType::F32)?.copy()?)?;
        }
        Ok(())
    }

    /// Returns the device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.tensors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Growing {
    parameters: Parameters,
    detached: bool,
}

impl SimpleBackend for Growing {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        hint: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut tensors = self.parameters.lock();
        if !tensors.contains_key(name) {
            let drawn = init::draw(name, &shape, hint, self.parameters.seed);
            let drawn = Tensor::from_vec(drawn, &shape, device)?.to_dtype(dtype)?;
            tensors.insert(name.to_owned(), Var::from_tensor(&drawn)?);
        }
        let Some(var) = tensors.get(name) else { candle_core::bail!("{name}: the parameter was not stored") };
        same_shape(name, &shape, var.as_tensor()).map_err(candle_core::Error::wrap)?;
        Ok(if self.detached { var.as_detached_tensor() } else { var.as_tensor().clone() })
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name}: expected a shape to draw the parameter")
    }

    /// Any parameter can be drawn.
    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// Builds a network from `tensors`, without a record of gradients for them.
///
/// # Errors
/// Returns [`Error::MissingKey`], [`Error::Shape`] or [`Error::UnexpectedKey`] if the tensors do not fit (PyTorch's
/// `num_batches_tracked` is ignored), and the errors of `build`.
pub fn frozen<N>(
    tensors: BTreeMap<String, Tensor>,
    device: &Device,
    build: impl FnOnce(VarBuilder<'_>) -> Result<N, Error>,
) -> Result<N, Error> {
    let given = Arc::new(Given { tensors, asked: Mutex::default(), problem: Mutex::default() });
    let backend = Box::new(GivenBackend(given.clone()));
    let network = build(VarBuilder::from_backend(backend, DType::F32, device.clone()));
    if let Some(problem) = given.problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(problem);
    }
    let network = network?;
    let asked = given.asked.lock().unwrap_or_else(PoisonError::into_inner);
    match given.tensors.iter().find(|(key, _)| !asked.contains(*key) && !key.ends_with(IGNORED)) {
        Some((key, tensor)) => Err(unexpected(key, tensor)),
        None => Ok(network),
    }
}

/// Tensors to build from, the names that were used, and the first that did not fit.
struct Given {
    tensors: BTreeMap<String, Tensor>,
    asked: Mutex<BTreeSet<String>>,
    problem: Mutex<Option<Error>>,
}

struct GivenBackend(Arc<Given>);

impl GivenBackend {
    fn refuse(&self, problem: Error) -> candle_core::Error {
        let message = candle_core::Error::msg(&problem);
        self.0.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
        message
    }
}

impl SimpleBackend for GivenBackend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let tensor = self.0.tensors.get(name).ok_or_else(|| self.refuse(missing(name, &shape)))?;
        same_shape(name, &shape, tensor).map_err(|problem| self.refuse(problem))?;
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        tensor.detach().to_device(device)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name}: expected a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.tensors.contains_key(name)
    }
}

fn missing(key: &str, expected: &Shape) -> Error {
    Error::MissingKey { key: key.to_owned(), expected: expected.dims().to_vec() }
}

fn unexpected(key: &str, found: &Tensor) -> Error {
    Error::UnexpectedKey { key: key.to_owned(), found: found.dims().to_vec() }
}

fn same_shape(key: &str, expected: &Shape, found: &Tensor) -> Result<(), Error> {
    if expected == found.shape() {
        return Ok(());
    }
    Err(Error::Shape {
        key: key.to_owned(),
        expected: expected.dims().to_vec(),
        found: found.dims().to_vec(),
    })
}
