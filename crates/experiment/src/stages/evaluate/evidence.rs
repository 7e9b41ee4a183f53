//! What the numbers and the figures of a run are made from, all of it checked to be of this config.

use anyhow::Context;
use relevox_report::tables::{Method, MethodKind};

use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes};
use crate::stages::learned::Learned;
use crate::stages::methods::{self, of_case};
use crate::stages::scores::Question;
use crate::stages::{
    Partition, Session, cohort, diffuse, explain, explained, faithfulness, focus, grid, maps, shortcut, train,
};

/// Every artefact that evaluation reads, by content.
///
/// # Errors
/// One that is missing, or was made under another config: what to run first is said.
fn everything(session: &Session, partition: &Partition) -> anyhow::Result<Vec<(String, String)>> {
    train::require(session)?;
    let run = &session.run;
    let classifier = train::kept_hash(session)?;
    let mut found = Vec::new();
    let mut add = |artefact: String| -> anyhow::Result<()> {
        let hash = run.hash(&artefact)?;
        found.push((artefact, hash));
        Ok(())
    };
    let learned = Learned::hash_if_wanted(session, partition)?;
    let cases = session.scored_cases();
    let progress = Progress::start("evidence", cases.len(), "cases");
    for case in cases {
        interrupt::check()?;
        let case = case.id();
        partition.require(run, &session.scans, case, &session.config.regions, "regions")?;
        add(partition.regions_file(case))?;
        for &fill in &session.config.evaluate.fills {
            let weights = if fill == Method::Learned { learned.as_deref() } else { None };
            let file = partition.scores_file(case, fill);
            let inputs = Question { case, partition, fill }.inputs(session, &classifier, weights)?;
            run.require(&file, &inputs, "score")?;
            add(file)?;
        }
        progress.advance(1);
    }
    drop(progress);
    let chosen = match diffuse::wanted(&session.config) {
        true => {
            run.require(diffuse::DIFFUSION, &diffuse::choice_inputs(session, partition)?, "score")?;
            add(diffuse::DIFFUSION.to_owned())?;
            Some(diffuse::read(session)?.chosen)
        }
        false => None,
    };
    let (cases, explained) = (session.scored_cases(), explain::cases(session)?);
    let progress = Progress::start("evidence: maps", cases.len(), "cases");
    for case in cases {
        interrupt::check()?;
        let case = case.id();
        for method in of_case(session, explained.contains(case)) {
            let map = maps::file(case, method);
            if method.kind() == MethodKind::Regions {
                let file = explained::file(partition, case, method);
                let inputs = match (&chosen, method) {
                    (Some(chosen), Method::Diffused) => diffuse::inputs(session, partition, case, chosen)?,
                    (_, Method::Intensity) => diffuse::intensity_inputs(session, partition, case)?,
                    _ => explain::inputs(session, partition, case, method, &classifier)?,
                };
                run.require(&file, &inputs, "score")?;
                add(file)?;
            }
            let inputs = match methods::map_inputs(method, session, partition, case)? {
                Some(inputs) => inputs,
                None if method == Method::GradCam => maps::gradcam_inputs(session, case, &classifier)?,
                None => explain::inputs(session, partition, case, method, &classifier)?,
            };
            run.require(&map, &inputs, "score")?;
            let mask = maps::mask_file(case, method);
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
        let weights = train::epoch_hash(session, epoch)?;
        for case in focus::cases(session)? {
            let file = focus::file(epoch, &case);
            let asked = Question { case: &case, partition, fill: focus::FILL };
            run.require(&file, &asked.inputs(session, &weights, None)?, "score")?;
            add(file)?;
        }
    }
    if run.path(grid::GRID).exists() {
        add(grid::GRID.to_owned())?;
    }
    add("classifier/predictions.csv".to_owned())?;
    add(shortcut::SHORTCUT.to_owned())?;
    for member in train::Member::all(config) {
        add(member.history())?;
    }
    add(cohort::COHORT.to_owned())?;
    add(cohort::LEFT_OUT.to_owned())?;
    Ok(found)
}

/// What the summary is made from.
///
/// # Errors
/// As [`everything`].
pub fn inputs(session: &Session, partition: &Partition) -> anyhow::Result<Inputs> {
    let evidence = everything(session, partition)?;
    let segmentations: Vec<Option<&str>> =
        session.scored_cases().iter().map(|case| session.scans.seg_hash(case.id())).collect();
    let text = serde_json::to_string(&evidence).context("listing what was found")?;
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
        .file("evidence", &hash_bytes(text.as_bytes())))
}
