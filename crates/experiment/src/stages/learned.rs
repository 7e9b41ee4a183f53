//! The learned fill: a U-Net trained on the regions of a few training cases drawn at random, pass by pass.
//!
//! Source: Rajapaksa and Khalvati (2022), section B.

use std::fs;
use std::sync::Arc;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_models::checkpoint;
use relevox_models::engine::Engine;
use relevox_perturb::learned::LearnedFill;
use relevox_perturb::learned::train::{FillCase, FillConfig, FillTrainer, PassRecord};
use relevox_report::tables::Method;
use relevox_volume::{Split, Study};
use slic3d::Supervoxels;

use super::network::Network;
use super::partition::Partition;
use super::session::Session;
use super::train::weights::selected_hash;
use super::work::Work;
use crate::device::batch_size_notice;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, State, replace, stream_seed, unavailable};

const FOLDER: &str = "perturbation";
const WEIGHTS: &str = "perturbation/unet.safetensors";
const LAST: &str = "perturbation/last.safetensors";
const HISTORY: &str = "perturbation/history.csv";

/// A trained fill, and the content hash of its weights.
pub struct Learned {
    /// The fill.
    pub fill: LearnedFill,
    /// Content hash of the weights.
    pub hash: String,
}

impl Learned {
    /// Loads the fill.
    ///
    /// # Errors
    /// Returns an error if the fill is not trained or was trained with other inputs.
    pub fn load(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Self> {
        session.run.require(FOLDER, &inputs(session, &network.hash, partition)?, "perturb-train")?;
        let trained = checkpoint::load_unet(&session.run.path(WEIGHTS), None, &session.device)?;
        let engine = Engine::new(trained.network, session.device.clone())?;
        let fill = LearnedFill::from(engine.on_smaller_batches(batch_size_notice("learned fill")));
        Ok(Self { fill: fill.keep_air(session.config.fill.keep_air), hash: weights_hash(session)? })
    }

    /// Computes the content hash of the fill; `None` if the configuration does not use it.
    ///
    /// # Errors
    /// Returns an error if the fill is not trained or was trained with other inputs.
    pub fn hash_if_enabled(session: &Session, partition: &Partition) -> anyhow::Result<Option<String>> {
        if !session.config.evaluate.fills.contains(&Method::Learned) {
            return Ok(None);
        }
        let classifier = selected_hash(session)?;
        session.run.require(FOLDER, &inputs(session, &classifier, partition)?, "perturb-train")?;
        weights_hash(session).map(Some)
    }
}

/// Computes a hash of what determines the fill's values: its weights, and whether it skips air.
fn weights_hash(session: &Session) -> anyhow::Result<String> {
    let weights = session.run.hash(WEIGHTS)?;
    Ok(if session.config.fill.keep_air { format!("{weights} but for air") } else { weights })
}

/// Returns the training cases of the fill, drawn at random.
pub fn cases(session: &Session) -> Vec<String> {
    let mut cases: Vec<String> = session.scans.split(Split::Train).map(|case| case.id().to_owned()).collect();
    cases.shuffle(&mut ChaCha8Rng::seed_from_u64(stream_seed(session.config.seed, "fill/cases")));
    cases.truncate(session.config.fill.cases);
    cases.sort();
    cases
}

fn settings(session: &Session) -> FillConfig {
    session.config.fill.training(stream_seed(session.config.seed, "fill"))
}

fn inputs(session: &Session, classifier: &str, partition: &Partition) -> anyhow::Result<Inputs> {
    let mut training_cases = Vec::new();
    for case in cases(session) {
        let labels = session.run.hash(&partition.regions_file(&case)).map_err(|_| {
            unavailable(&session.run.path(&partition.regions_file(&case)), "not found", "regions")
        })?;
        let scan = session.scans.inputs(&case)?.to_value();
        training_cases.push(serde_json::json!([case, scan, labels]));
    }
    Ok(Inputs::new()
        .file("classifier", classifier)
        .setting("cases", &training_cases)
        .setting("widths", &session.config.fill.widths)
        .setting("fill", &settings(session)))
}

/// Trains the fill, resuming after the last completed pass.
///
/// # Errors
/// Returns an error if regions are missing, the loss is not finite, or a file can't be written.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let run = &session.run;
    let inputs = inputs(session, &network.hash, partition)?;
    let state = run.state(FOLDER, &inputs);
    if state == State::Current {
        return Ok(Work { made: 0, current: 1 });
    }
    // Weights and history can be restored from the trainer's state.
    let restorable = matches!(state, State::Incomplete(_)) && run.path(LAST).exists();
    if state != State::InProgress && !restorable {
        run.discard(FOLDER)?;
    }
    run.begin(FOLDER, &inputs)?;
    fs::create_dir_all(run.path(FOLDER)).context("creating the learned fill's folder")?;
    run_passes(session, network, partition)?;
    run.finish(FOLDER, &inputs, [WEIGHTS, HISTORY].map(str::to_owned).into())?;
    Ok(Work { made: 1, current: 0 })
}

fn run_passes(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<()> {
    let (run, config, settings) = (&session.run, &session.config, settings(session));
    let loaded: Vec<(Arc<Study>, Supervoxels)> = cases(session)
        .iter()
        .map(|case| {
            let regions = partition.regions(session, case)?;
            Ok((session.scans.study(case)?, regions))
        })
        .collect::<anyhow::Result<_>>()?;
    let cases: Vec<FillCase<'_>> =
        loaded.iter().map(|(study, regions)| FillCase { image: study.image.view(), regions }).collect();
    let last = run.path(LAST);
    let mut trainer = if last.exists() {
        FillTrainer::resume(&last, &settings, &session.device)?
    } else {
        let sequences = config.preprocess.sequences.len();
        let unet = config.fill.network(sequences);
        let preprocess = serde_json::to_value(&config.preprocess)?;
        FillTrainer::new(&unet, &settings, preprocess, &session.device)?
    };
    let mut batch = settings.batch;
    while !trainer.is_finished() {
        let mut progress: Option<Progress> = None;
        let record = trainer.run_pass(&|images| network.differentiable(images), &cases, &mut |step| {
            let progress = progress.get_or_insert_with(|| {
                Progress::start(format!("fill {}/{}", step.pass, settings.passes), step.steps, "steps")
            });
            progress.advance(1);
            if step.together < batch {
                batch = step.together;
                progress.println(&format!("out of GPU memory, continuing with batches of {batch}"));
            }
            interrupt::flow()
        })?;
        if let Some(progress) = progress {
            progress.println(&format!(
                "loss {:.1}, mean |Δp| {:.4}, {:.0} % saturated, {:.3} from max",
                record.loss,
                record.delta_p,
                100.0 * record.saturated,
                record.from_max
            ));
        }
        trainer.save_weights(&run.path(WEIGHTS))?;
        replace(&run.path(HISTORY), &history_csv(trainer.history())?)?;
        // Written last, so that the files of every pass it contains exist.
        trainer.save_state(&last)?;
    }
    trainer.save_weights(&run.path(WEIGHTS))?;
    replace(&run.path(HISTORY), &history_csv(trainer.history())?)
}

fn history_csv(history: &[PassRecord]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for record in history {
        table.serialize(record)?;
    }
    Ok(table.into_inner()?)
}
