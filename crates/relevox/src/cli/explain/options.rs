//! The options as the library takes them.

use std::sync::Arc;

use relevox_experiment::device::batch_size_notice;
use relevox_experiment::failure::invalid_input;

use super::super::scans::contract_keys;
use super::args::ExplainArgs;
use crate::ModelOptions;

/// Collects the options of loading a model.
///
/// # Errors
/// Returns an input error if the contract cannot be read or the crop does not have three sizes.
pub(super) fn model_options(args: &ExplainArgs) -> anyhow::Result<ModelOptions> {
    let crop = args.crop.as_ref().map(|crop| {
        <[usize; 3]>::try_from(crop.as_slice())
            .map_err(|_| invalid_input(format!("--crop: expected z,y,x, found {} numbers", crop.len())))
    });
    let notice = batch_size_notice("explain");
    let output = args.output.map(|kind| format!("output.kind={}", kind.name()));
    Ok(ModelOptions {
        contract: args.input.as_deref().map(contract_keys).transpose()?,
        input_set: args.input_set.iter().cloned().chain(output).collect(),
        depth: args.depth,
        stem_stride: args.stem_stride,
        max_pool: args.max_pool,
        width: args.width,
        crop: crop.transpose()?,
        downsample: args.downsample,
        image_size: None,
        runtime: args.runtime,
        dense: args.dense,
        memory_bytes: args.memory.map(|mebibytes| (mebibytes as usize) << 20),
        on_smaller_batches: Some(Arc::from(notice)),
    })
}
