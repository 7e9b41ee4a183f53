//! The learned fill: a U-Net trained on the regions of a few seeded training cases, pass by pass.
//!
//! Source: Rajapaksa and Khalvati (2022), section B.

use std::fs;
use std::sync::Arc;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_models::{UNetConfig, checkpoint};
use relevox_perturb::learned::LearnedFill;
use relevox_perturb::learned::train::{FillCase, FillConfig, FillTrainer, PassRecord};
use relevox_report::tables::Method;
use relevox_volume::{Split, Study};
use slic3d::Supervoxels;

use super::network::Network;
use super::{Partition, Session, Work, train};
use crate::interrupt;
use crate::place::say_smaller_batches;
use crate::progress::Progress;
use crate::run::{Inputs, State, replace, stream_seed, unavailable};

const FOLDER: &str = "perturbation";
const WEIGHTS: &str = "perturbation/unet.safetensors";
const LAST: &str = "perturbation/last.safetensors";
const HISTORY: &str = "perturbation/history.csv";

/// A trained fill with the content hash of its weights.
pub struct Learned {
    /// The fill.
    pub fill: LearnedFill,
    /// Of its weights.
    pub hash: String,
}

impl Learned {
    /// The run's fill.
    ///
    /// # Errors
    /// A fill that is not trained yet, or on something else.
    pub fn load(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Self> {
        session.run.require(FOLDER, &inputs(session, &network.hash, partition)?, "perturb-train")?;
        let trained = checkpoint::load_unet(&session.run.path(WEIGHTS), None, &session.device)?;
        let fill = LearnedFill::new(trained.network, session.device.clone())?
            .on_smaller_batches(say_smaller_batches("learned fill"));
        Ok(Self { fill: fill.keep_air(session.config.fill.keep_air), hash: weights_hash(session)? })
    }

    /// The content hash of the run's fill, where the config asks for one.
    ///
    /// # Errors
    /// A fill that is not trained yet, or on something else.
    pub fn hash_if_wanted(session: &Session, partition: &Partition) -> anyhow::Result<Option<String>> {
        if !session.config.evaluate.fills.contains(&Method::Learned) {
            return Ok(None);
        }
        let classifier = train::kept_hash(session)?;
        session.run.require(FOLDER, &inputs(session, &classifier, partition)?, "perturb-train")?;
        weights_hash(session).map(Some)
    }
}

/// Of what decides how the fill answers: its weights, and whether it leaves air alone.
fn weights_hash(session: &Session) -> anyhow::Result<String> {
    let weights = session.run.hash(WEIGHTS)?;
    Ok(if session.config.fill.keep_air { format!("{weights} but for air") } else { weights })
}

/// The training cases that it learns from, drawn with the seed.
pub fn cases(session: &Session) -> Vec<String> {
    let mut cases: Vec<String> = session.scans.split(Split::Train).map(|case| case.id().to_owned()).collect();
    cases.shuffle(&mut ChaCha8Rng::seed_from_u64(stream_seed(session.config.seed, "fill/cases")));
    cases.truncate(session.config.fill.cases);
    cases.sort();
    cases
}

fn plan(session: &Session) -> FillConfig {
    let fill = &session.config.fill;
    FillConfig {
        passes: fill.passes,
        batch: fill.batch,
        learning_rate: fill.learning_rate,
        epsilon: fill.epsilon,
        seed: stream_seed(session.config.seed, "fill"),
        ..FillConfig::default()
    }
}

fn inputs(session: &Session, classifier: &str, partition: &Partition) -> anyhow::Result<Inputs> {
    let mut learned_from = Vec::new();
    for case in cases(session) {
        let labels = session.run.hash(&partition.regions_file(&case)).map_err(|_| {
            unavailable(&session.run.path(&partition.regions_file(&case)), "not found", "regions")
        })?;
        let scan = session.scans.inputs(&case)?.to_value();
        learned_from.push(serde_json::json!([case, scan, labels]));
    }
    Ok(Inputs::new()
        .file("classifier", classifier)
        .setting("cases", &learned_from)
        .setting("widths", &session.config.fill.widths)
        .setting("fill", &plan(session)))
}

/// Trains, going on from the last pass that a killed command finished.
///
/// # Errors
/// Regions that are not there, a loss that is no number, and what writing meets.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let run = &session.run;
    let inputs = inputs(session, &network.hash, partition)?;
    let state = run.state(FOLDER, &inputs);
    if state == State::Current {
        return Ok(Work { made: 0, kept: 1 });
    }
    // Weights and history can be had again from the state that training left.
    let mendable = matches!(state, State::Incomplete(_)) && run.path(LAST).exists();
    if state != State::InProgress && !mendable {
        run.discard(FOLDER)?;
    }
    run.begin(FOLDER, &inputs)?;
    fs::create_dir_all(run.path(FOLDER)).context("making the learned fill's folder")?;
    passes(session, network, partition)?;
    run.finish(FOLDER, &inputs, [WEIGHTS, HISTORY].map(str::to_owned).into())?;
    Ok(Work { made: 1, kept: 0 })
}

fn passes(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<()> {
    let (run, config, plan) = (&session.run, &session.config, plan(session));
    let loaded: Vec<(Arc<Study>, Supervoxels)> = cases(session)
        .iter()
        .map(|case| {
            let regions = partition.read(run, &session.scans, case, &config.regions, "regions")?;
            Ok((session.scans.study(case)?, regions))
        })
        .collect::<anyhow::Result<_>>()?;
    let cases: Vec<FillCase<'_>> =
        loaded.iter().map(|(study, regions)| FillCase { image: study.image.view(), regions }).collect();
    let last = run.path(LAST);
    let mut trainer = if last.exists() {
        FillTrainer::resume(&last, &plan, &session.device)?
    } else {
        let sequences = config.preprocess.sequences.len();
        let unet = UNetConfig {
            in_channels: sequences,
            out_channels: sequences,
            widths: config.fill.widths.clone(),
        };
        let preprocess = serde_json::to_value(&config.preprocess)?;
        FillTrainer::new(&unet, &plan, preprocess, &session.device)?
    };
    let mut together = plan.batch;
    while !trainer.is_finished() {
        let mut progress: Option<Progress> = None;
        let record = trainer.run_pass(&|images| network.differentiable(images), &cases, &mut |step| {
            let progress = progress.get_or_insert_with(|| {
                Progress::start(format!("fill {}/{}", step.pass, plan.passes), step.steps, "steps")
            });
            progress.advance(1);
            if step.together < together {
                together = step.together;
                progress.note(&format!("out of GPU memory, going on with {together} regions at a time"));
            }
            interrupt::flow()
        })?;
        if let Some(progress) = progress {
            progress.note(&format!(
                "loss {:.1}, mean |Δp| {:.4}, {:.0} % saturated, {:.3} from max",
                record.loss,
                record.delta_p,
                100.0 * record.saturated,
                record.from_max
            ));
        }
        trainer.save_weights(&run.path(WEIGHTS))?;
        replace(&run.path(HISTORY), &history_csv(trainer.history())?)?;
        // Last of all: what it names as done is there.
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
