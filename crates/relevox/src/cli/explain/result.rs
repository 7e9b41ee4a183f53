//! The result as JSON.

use relevox_experiment::run::hash_file;
use relevox_relevance::{Answer, Link, RegionScores, RegionSet};
use relevox_volume::CaseFiles;
use serde_json::{Map, Value, json};

use super::args::ExplainArgs;
use super::notes::Notes;
use super::outline::ExpertOutline;
use super::subject::{AnyModel, Subject};
use crate::contract::NetworkKeys;
use crate::{Explanation, MethodResult, RegionSets, SlicRegions};

/// Describes the explanation for programs. A plain value has no probability: its key is `value`.
///
/// # Errors
/// Returns an error if a mask cannot be compared with the expert's outline.
pub(super) fn result(
    args: &ExplainArgs,
    subject: &Subject,
    explanation: &Explanation,
    slic: Option<&SlicRegions>,
    seconds: f64,
    notes: &Notes,
) -> anyhow::Result<Value> {
    let Subject { model, outline, .. } = subject;
    let target = explanation.target;
    let output = model.network().output();
    let methods = explanation
        .results
        .iter()
        .map(|result| Ok((result.method.name().to_owned(), method(explanation, result, outline.as_ref())?)));
    let mut result = json!({
        "regions": explanation.regions.len(),
        "partition": partition(args, slic),
        "main_method": explanation.results.first().map(|result| result.method.name()),
        "networks": args.weights.len().max(1),
        "seconds": seconds,
        "methods": methods.collect::<anyhow::Result<Map<_, _>>>()?,
        "fill": explanation.fill(),
        "logits": explanation.outputs,
        "target": {
            "output": target.output,
            "class": output.class(target.output),
            "link": target.link.name(),
        },
        "assumed": notes.assumed,
        "warnings": notes.warnings,
    });
    if target.link == Link::Value {
        result["value"] = json!(explanation.logit());
    } else {
        result["logit"] = json!(explanation.logit());
        result["probability"] = json!(explanation.probability());
    }
    if let Some(logit) = explanation.without_regions {
        result["without_regions"] = match target.link {
            Link::Value => json!({ "value": logit }),
            Link::Sigmoid | Link::Softmax => {
                json!({ "logit": logit, "probability": target.probability(logit) })
            }
        };
    }
    if let Some(outline) = outline {
        result["outline"] = outline.described();
    }
    let mut runtimes = model.network().runtimes().to_vec();
    runtimes.dedup();
    if !runtimes.is_empty() {
        result["runtime"] = json!(runtimes.join(", "));
    }
    match (model.input(), &args.tensor) {
        (Some(input), _) => {
            result["input"] = json!(input.settings());
            if let AnyModel::Scans(model) = model
                && *model.network_keys() != NetworkKeys::default()
            {
                result["network"] = json!(model.network_keys());
            }
        }
        (None, tensor) => {
            result["tensor"] = json!(tensor);
            result["output"] = json!(output);
        }
    }
    if let Some(command) = &args.command {
        result["command"] = json!(command);
    }
    if let Some(sets) = &explanation.sets {
        result["sets"] = self::sets(explanation, sets);
    }
    if !explanation.by_sequence.is_empty() {
        let means = explanation.by_sequence.iter();
        let means = means.map(|(name, scores)| (name.clone(), json!(mean_change(scores))));
        result["sequences"] = means.collect::<Map<_, _>>().into();
    }
    Ok(result)
}

/// Returns the mean magnitude of the change of the logit, or of a plain value.
pub(super) fn mean_change(scores: &RegionScores) -> f64 {
    let sum: f64 = scores.rows.iter().map(|row| row.delta_logit.abs()).sum();
    sum / scores.rows.len().max(1) as f64
}

/// Describes minimal sets: the ids of their regions, and the target's output with only the set kept (sufficient) or
/// replaced (necessary).
fn sets(explanation: &Explanation, sets: &RegionSets) -> Value {
    let target = explanation.target;
    let describe = |set: &RegionSet| {
        let ids = explanation.regions.ids();
        let mut described = json!({
            "regions": set.regions.iter().map(|&region| ids[region]).collect::<Vec<_>>(),
            "evaluations": set.evaluations,
        });
        if target.link == Link::Value {
            described["value"] = json!(set.logit);
        } else {
            described["logit"] = json!(set.logit);
            described["probability"] = json!(target.probability(set.logit));
        }
        described
    };
    let answer = match sets.settings.answer {
        Answer::Predicted => json!("predicted"),
        Answer::Share(share) => json!({ "share": share }),
    };
    json!({
        "answer": answer,
        "sufficient": describe(&sets.sufficient),
        "necessary": sets.necessary.as_ref().map(describe),
    })
}

/// Describes how the regions were made: by SLIC with these settings, or as the file of labels.
fn partition(args: &ExplainArgs, settings: Option<&SlicRegions>) -> Value {
    match (&args.labels, settings) {
        (Some(labels), _) => json!({ "labels": labels }),
        (None, settings) => json!({ "slic": settings }),
    }
}

/// Describes the map and the mask of a method.
///
/// # Errors
/// Returns an error if the mask cannot be compared with the expert's outline.
pub(super) fn method(
    explanation: &Explanation,
    result: &MethodResult,
    outline: Option<&ExpertOutline>,
) -> anyhow::Result<Value> {
    let voxels = result.mask.iter().filter(|inside| **inside).count();
    let mut described = json!({
        "flat": result.map.flat,
        "threshold": result.threshold,
        "threshold_rule": result.rule.name(),
        "mask_voxels": voxels,
    });
    if let Some(outline) = outline {
        described["mask_dice"] = json!(outline.dice(explanation, result)?);
    }
    Ok(described)
}

/// What produced a map, for the file beside it.
///
/// # Errors
/// Returns an error if the weights cannot be read.
pub(super) fn sidecar(args: &ExplainArgs, files: &CaseFiles, result: &Value) -> anyhow::Result<Value> {
    let weights: Vec<Value> = args
        .weights
        .iter()
        .map(|path| Ok(json!({ "file": path, "sha256": hash_file(path)? })))
        .collect::<anyhow::Result<_>>()?;
    let mut sidecar = json!({
        "Description": "Relevance of each region for a classifier's output, 0 to 100",
        "Sources": files.sequences.iter().map(|(_, file)| file.to_string()).collect::<Vec<_>>(),
        "GeneratedBy": { "Name": "relevox", "Version": env!("CARGO_PKG_VERSION") },
        "Fill": result["fill"],
        "Result": result,
    });
    match &args.command {
        Some(command) => sidecar["Command"] = json!(command),
        None => sidecar["Weights"] = weights.into(),
    }
    Ok(sidecar)
}
