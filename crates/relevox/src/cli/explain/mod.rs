//! `explain`: relevance of the regions of cases or a tensor, with given weights or an external program.

mod args;
mod document;
mod expect;
mod external;
mod files;
mod labels;
mod methods;
mod notes;
mod one;
mod options;
mod outline;
mod pictures;
mod pooled;
mod regions;
mod result;
mod scans;
mod several;
mod subject;
mod tensor;
mod work;

use std::path::Path;

use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::run::{check_writable, replace};
use serde_json::json;

use super::output::{refuse_inside, refuse_run};
use super::print_for_programs;
use crate::Runtime;
use notes::Notes;
use work::Work;

pub use args::ExplainArgs;

/// Explains cases or a tensor. For each method writes `METHOD.nii.gz`, `METHOD-mask.nii.gz` and `METHOD.csv` (of a tensor
/// also `METHOD.npy`), `overview.png`, `index.html` and `explanation.json`. Prints one JSON object: of one case with `logit` and `probability` (of a
/// plain value, `value`), `logits`, `target`, `methods`, `regions`, `seconds`, `assumed` and `warnings`; of several with the
/// numbers of `explained`, `skipped` and `failed` cases.
///
/// # Errors
/// Returns an error if a file cannot be read or written, or files and options do not fit together.
pub fn run(args: &ExplainArgs, device: &DeviceOptions) -> anyhow::Result<()> {
    if !device.portable || args.runtime == Runtime::Relevox {
        return explain(args, device);
    }
    if args.runtime == Runtime::OnnxRuntime {
        return Err(invalid_input(
            "--portable: expected --runtime relevox or auto, since ONNX Runtime selects instructions itself, found onnxruntime",
        ));
    }
    explain(&ExplainArgs { runtime: Runtime::Relevox, ..args.clone() }, device)
}

fn explain(args: &ExplainArgs, device: &DeviceOptions) -> anyhow::Result<()> {
    if args.command.is_some() {
        device.require_cpu("explain --command")?;
    }
    for case in args.scans.cases.iter().chain(&args.scans.cohort) {
        refuse_inside(&args.out, case)?;
    }
    refuse_run(&args.out)?;
    check_writable(&args.out)?;
    let mut notes = Notes::default();
    // What is assumed is said once the model and the scans are read: an error stands alone.
    let mut of_work = Notes::quiet();
    let work = Work::load(args, device, &mut of_work)?;
    let result = match &args.tensor {
        Some(tensor) => {
            let subject = tensor::open(&work, tensor, device, &mut notes)?;
            notes.adopt(of_work);
            one::explain(&work, &subject, &args.out, notes)?.1
        }
        None if args.scans.are_several() => {
            notes.adopt(of_work);
            several::explain(&work, device, notes)?
        }
        None => {
            let scans = scans::Scans::load(&work, device, &mut notes)?;
            let sequences = scans.preprocess().sequences();
            let mut found = args.scans.files(sequences, &mut |line| notes.warn(line))?;
            let case = found.cases.swap_remove(0);
            let subject = scans.open(&work, case, &args.out, &mut notes)?;
            notes.adopt(of_work);
            one::explain(&work, &subject, &args.out, notes)?.1
        }
    };
    if args.bids_derivatives {
        describe_dataset(&args.out)?;
    }
    print_for_programs(&result)
}

/// Writes the description that BIDS requires of a folder of derivatives, unless it has one.
fn describe_dataset(out: &Path) -> anyhow::Result<()> {
    let path = out.join("dataset_description.json");
    if path.exists() {
        return Ok(());
    }
    let description = json!({
        "Name": "Relevance maps",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{ "Name": "Relevox", "Version": env!("CARGO_PKG_VERSION") }],
    });
    replace(&path, format!("{description:#}\n").as_bytes())
}
