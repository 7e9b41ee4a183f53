//! Adam (Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>) as PyTorch computes it, with moments that can be
//! saved and optional decoupled weight decay (Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>).

use crate::Error;
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result as TensorResult, Tensor, Var};
use candle_core::{backprop::GradStore, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Constants of Adam.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamConfig {
    /// Decay of the first and the second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay per step, relative to the learning rate.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// The optimiser of a set of named parameters.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    steps: u64,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    var: Var,
    moments: Moments,
}

/// Moments, stored on the device that updates them.
#[derive(Debug)]
enum Moments {
    Host([Vec<f32>; 2]),
    Device([Tensor; 2]),
}

impl Adam {
    /// Creates an optimiser at step 0.
    ///
    /// # Errors
    /// Returns an error if a parameter is not float32.
    pub fn new(parameters: Vec<(String, Var)>, config: AdamConfig) -> Result<Self, Error> {
        let slots = parameters.into_iter().map(|(name, var)| -> Result<Slot, Error> {
            if var.dtype() != DType::F32 {
                return Err(candle_core::Error::msg(format!("{name}: expected float32 for Adam")).into());
            }
            let moments = if var.device().is_cpu() {
                Moments::Host([vec![0.0; var.elem_count()], vec![0.0; var.elem_count()]])
            } else {
                Moments::Device([var.zeros_like()?, var.zeros_like()?])
            };
            Ok(Slot { name, var, moments })
        });
        Ok(Self { config, steps: 0, slots: slots.collect::<Result<_, _>>()? })
    }

    /// Returns the number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes one step. Parameters without a gradient do not change.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<(), Error> {
        self.steps += 1;
        let [beta1, beta2] = self.config.betas;
        let steps = self.steps.min(i32::MAX as u64) as i32;
        let update = Update {
            beta1,
            beta2,
            step_size: learning_rate / (1.0 - beta1.powi(steps)),
            root: (1.0 - beta2.powi(steps)).sqrt(),
            epsilon: self.config.epsilon,
            keep: 1.0 - learning_rate * self.config.weight_decay,
        };
        for slot in &mut self.slots {
            if let Some(gradient) = gradients.get(slot.var.as_tensor()) {
                update.apply(&slot.var, &gradient.contiguous()?, &mut slot.moments)?;
            }
        }
        Ok(())
    }

    /// Returns the moments, named `adam.first.<parameter>` and `adam.second.<parameter>`.
    ///
    /// # Errors
    /// Returns an error if a tensor operation fails.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>, Error> {
        let mut tensors = BTreeMap::new();
        for slot in &self.slots {
            let moments = match &slot.moments {
                Moments::Device(moments) => moments.clone(),
                Moments::Host([first, second]) => {
                    let tensor =
                        |values: &[f32]| Tensor::from_slice(values, slot.var.shape(), slot.var.device());
                    [tensor(first)?, tensor(second)?]
                }
            };
            for (kind, tensor) in ["first", "second"].into_iter().zip(moments) {
                tensors.insert(format!("adam.{kind}.{}", slot.name), tensor);
            }
        }
        Ok(tensors)
    }

    /// Loads saved moments and the number of steps.
    ///
    /// # Errors
    /// Returns [`Error::MissingKey`] or [`Error::Shape`] if a moment is missing or does not have the shape of its parameter.
    pub fn load(&mut self, tensors: &BTreeMap<String, Tensor>, steps: u64) -> Result<(), Error> {
        for slot in &mut self.slots {
            let find = |kind: &str| -> Result<Tensor, Error> {
                let key = format!("adam.{kind}.{}", slot.name);
                let expected = slot.var.dims().to_vec();
                match tensors.get(&key) {
                    None => Err(Error::MissingKey { key, expected }),
                    Some(found) if found.dims() != expected => {
                        Err(Error::Shape { key, expected, found: found.dims().to_vec() })
                    }
                    Some(found) => Ok(found.to_device(slot.var.device())?),
                }
            };
            let (first, second) = (find("first")?, find("second")?);
            slot.moments = match slot.moments {
                Moments::Device(_) => Moments::Device([first, second]),
                Moments::Host(_) => {
                    Moments::Host([first.flatten_all()?.to_vec1()?, second.flatten_all()?.to_vec1()?])
                }
            };
        }
        self.steps = steps;
        Ok(())
    }
}

/// Factors of one step.
#[derive(Clone, Copy)]
struct Update {
    beta1: f64,
    beta2: f64,
    step_size: f64,
    root: f64,
    epsilon: f64,
    keep: f64,
}

impl Update {
    fn apply(&self, var: &Var, gradient: &Tensor, moments: &mut Moments) -> TensorResult<()> {
        match moments {
            Moments::Host(moments) => {
                var.inplace_op2(gradient, &OnHost { update: *self, moments: Mutex::new(moments) })
            }
            Moments::Device([first, second]) => {
                *first = ((&*first * self.beta1)? + (gradient * (1.0 - self.beta1))?)?;
                *second = ((&*second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
                let denominator = ((second.sqrt()? / self.root)? + self.epsilon)?;
                let step = ((&*first / denominator)? * self.step_size)?;
                var.set(&((var.as_detached_tensor() * self.keep)? - step)?)
            }
        }
    }
}

/// A step on the CPU, in place and in parallel over elements, so that it does not depend on the threads.
struct OnHost<'a> {
    update: Update,
    moments: Mutex<&'a mut [Vec<f32>; 2]>,
}

impl InplaceOp2 for OnHost<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        parameters: &mut CpuStorage,
        layout: &Layout,
        gradients: &CpuStorage,
        gradients_layout: &Layout,
    ) -> TensorResult<()> {
        const CHUNK: usize = 1 << 14;
        let (Some((start, end)), Some((from, to))) =
            (layout.contiguous_offsets(), gradients_layout.contiguous_offsets())
        else {
            bail!("adam: expected contiguous parameters and gradients")
        };
        let (CpuStorage::F32(parameters), CpuStorage::F32(gradients)) = (parameters, gradients) else {
            bail!("adam: expected float32 parameters and gradients")
        };
        let (parameters, gradients) = (&mut parameters[start..end], &gradients[from..to]);
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, second] = &mut **moments;
        if parameters.len() != gradients.len() || parameters.len() != first.len() {
            bail!("adam: expected {} gradients, found {}", parameters.len(), gradients.len())
        }
        let update = &self.update;
        let (beta1, beta2) = (update.beta1 as f32, update.beta2 as f32);
        let (rest1, rest2) = ((1.0 - update.beta1) as f32, (1.0 - update.beta2) as f32);
        let (root, epsilon) = (update.root as f32, update.epsilon as f32);
        let (step_size, keep) = (update.step_size as f32, update.keep as f32);
        parameters
            .par_chunks_mut(CHUNK)
            .zip(gradients.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)))
            .for_each(|((parameters, gradients), (first, second))| {
                let moments = first.iter_mut().zip(second);
                for ((parameter, &gradient), (first, second)) in
                    parameters.iter_mut().zip(gradients).zip(moments)
                {
                    *first = beta1 * *first + rest1 * gradient;
                    *second = beta2 * *second + rest2 * gradient * gradient;
                    *parameter = keep * *parameter - step_size * *first / (second.sqrt() / root + epsilon);
                }
            });
        Ok(())
    }
}
