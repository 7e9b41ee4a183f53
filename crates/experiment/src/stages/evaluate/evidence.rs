//! Inputs of the evaluation and of the figures: all artefacts they read, which must be current.

use anyhow::Context;
use relevox_report::tables::{Method, MethodKind};

use crate::config::POOLED;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes};
use crate::stages::learned::Learned;
use crate::stages::methods::{self, map_file, mask_file, of_case};
use crate::stages::partition::Partition;
use crate::stages::scores::ScoreRequest;
use crate::stages::session::Session;
use crate::stages::train::weights::{epoch_hash, selected_hash};
use crate::stages::{
    cohort, diffuse, explain, explained, faithfulness, focus, grid, maps, pool, predict, shortcut, train,
};

/// Lists every artefact that the evaluation reads, with its content hash.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) that names the command to run first if an artefact is not
/// current.
fn all_artefacts(session: &Session, partition: &Partition) -> anyhow::Result<Vec<(String, String)>> {
    train::require(session)?;
    let run = &session.run;
    let classifier = selected_hash(session)?;
    let mut found = Vec::new();
    let mut add = |artefact: String| -> anyhow::Result<()> {
        let hash = run.hash(&artefact)?;
        found.push((artefact, hash));
        Ok(())
    };
    let learned = Learned::hashes(session, partition)?;
    let cases = session.scored_cases();
    let progress = Progress::start("evidence", cases.len(), "cases");
    for case in cases {
        interrupt::check()?;
        let case = case.id();
        partition.require(session, case, "regions")?;
        add(partition.regions_file(case))?;
        for &fill in &session.config.evaluate.fills {
            let weights = learned.get(&fill).map(String::as_str);
            let file = partition.scores_file(case, fill);
            let inputs = ScoreRequest { case, partition, fill }.inputs(session, &classifier, weights)?;
            run.require(&file, &inputs, "score")?;
            add(file)?;
        }
        progress.advance(1);
    }
    drop(progress);
    let chosen = match diffuse::is_enabled(&session.config) {
        true => {
            run.require(diffuse::DIFFUSION, &diffuse::selection_inputs(session, partition)?, "score")?;
            add(diffuse::DIFFUSION.to_owned())?;
            Some(diffuse::read(session)?.chosen)
        }
        false => None,
    };
    let (cases, explained) = (session.scored_cases(), explain::cases(session)?);
    let progress = Progress::start("evidence: maps", cases.len(), "cases");
    let mut pooled = pool::Tables::default();
    for case in cases {
        interrupt::check()?;
        let case = case.id();
        for method in of_case(session, explained.contains(case)) {
            let map = map_file(case, method);
            if method.kind() == MethodKind::Regions {
                let file = explained::file(partition, case, method);
                let inputs = match (&chosen, method) {
                    (_, method) if POOLED.contains(&method) => {
                        pool::inputs(session, partition, case, method, &mut pooled)?
                    }
                    (Some(chosen), Method::Diffused) => diffuse::inputs(session, partition, case, chosen)?,
                    (_, Method::Intensity) => diffuse::intensity_inputs(session, partition, case)?,
                    _ => explain::inputs(session, partition, case, method, &classifier)?,
                };
                run.require(&file, &inputs, "score")?;
                add(file)?;
            }
            let inputs = match methods::map_inputs(method, session, partition, case)? {
                Some(inputs) => inputs,
                None if POOLED.contains(&method) => pool::map_inputs(session, partition, case, method)?,
                None if method == Method::GradCam => maps::gradcam_inputs(session, case, &classifier)?,
                None => explain::inputs(session, partition, case, method, &classifier)?,
            };
            run.require(&map, &inputs, "score")?;
            let mask = mask_file(case, method);
            run.require(&mask, &maps::mask_inputs(session, partition, case, method)?, "score")?;
            add(map)?;
        }
        progress.advance(1);
    }
    drop(progress);
    for case in faithfulness::cases(session)? {
        let file = faithfulness::file(partition, &case);
        run.require(&file, &faithfulness::inputs(session, partition, &case, &classifier)?, "score")?;
        add(file)?;
    }
    let config = &session.config;
    for epoch in focus::epochs(config.classifier.epochs, config.evaluate.focus_epochs) {
        let weights = epoch_hash(session, epoch)?;
        for case in focus::cases(session)? {
            let file = focus::file(epoch, &case);
            let request = ScoreRequest { case: &case, partition, fill: focus::FILL };
            run.require(&file, &request.inputs(session, &weights, None)?, "score")?;
            add(file)?;
        }
    }
    if run.path(grid::GRID).exists() {
        add(grid::GRID.to_owned())?;
    }
    add(predict::PREDICTIONS.to_owned())?;
    add(shortcut::SHORTCUT.to_owned())?;
    for member in train::Member::all(config) {
        add(member.history())?;
    }
    add(cohort::COHORT.to_owned())?;
    add(cohort::LEFT_OUT.to_owned())?;
    Ok(found)
}

/// Returns the inputs of the summary.
///
/// # Errors
/// As for the artefacts: an [`InputError`](crate::failure::InputError) if one is not current.
pub fn inputs(session: &Session, partition: &Partition) -> anyhow::Result<Inputs> {
    let evidence = all_artefacts(session, partition)?;
    let segmentations: Vec<Option<&str>> =
        session.scored_cases().iter().map(|case| session.scans.seg_hash(case.id())).collect();
    let text = serde_json::to_string(&evidence).context("listing the artefacts")?;
    let evaluate = &session.config.evaluate;
    Ok(Inputs::new()
        .setting("seed", &session.config.seed)
        .setting("partition", partition)
        .setting("fills", &evaluate.fills)
        .setting("bootstrap", &evaluate.bootstrap)
        .setting("random_repeats", &evaluate.random_repeats)
        .setting("mask", &serde_json::json!([evaluate.mask, evaluate.island]))
        .setting("ranks", &[evaluate.ranks, evaluate.cumulative])
        .setting("segmentations", &segmentations)
        .setting("findings", &session.scans.findings())
        .file("evidence", &hash_bytes(text.as_bytes())))
}
