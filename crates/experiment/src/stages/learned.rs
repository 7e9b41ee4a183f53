//! The learned fills: U-Nets trained on the regions of a few training cases drawn at random, pass by pass.
//!
//! Source: Rajapaksa and Khalvati (2022), section B; the variants are ours ([`Variant`]).

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_models::checkpoint;
use relevox_models::engine::Engine;
use relevox_perturb::learned::train::{FillCase, FillConfig, FillTrainer, PassRecord};
use relevox_perturb::learned::{LearnedFill, Variant};
use relevox_report::tables::Method;
use relevox_volume::{Split, Study};
use slic3d::Supervoxels;

use super::control::{self, Control};
use super::network::Network;
use super::partition::Partition;
use super::session::Session;
use super::train::weights::selected_hash;
use super::work::Work;
use crate::config::Config;
use crate::device::batch_size_notice;
use crate::interrupt;
use crate::progress::{Progress, print_status};
use crate::run::{Inputs, State, Written, not_found, replace, stream_seed};

/// Returns the variant that a method replaces regions with; `None` for a method that is not a learned fill.
fn variant_of(method: Method) -> Option<Variant> {
    match method {
        Method::Learned | Method::LearnedControl => Some(Variant::Paper),
        Method::LearnedSigned => Some(Variant::Signed),
        Method::LearnedTissue => Some(Variant::Tissue),
        _ => None,
    }
}

/// Returns the variants that the configuration uses.
pub fn variants(config: &Config) -> Vec<Variant> {
    let used = |variant: &Variant| {
        config.evaluate.fills.iter().any(|method| variant_of(*method).as_ref() == Some(variant))
    };
    Variant::ALL.into_iter().filter(used).collect()
}

/// Artefacts of a variant.
struct Files {
    folder: &'static str,
    weights: String,
    last: String,
    history: String,
}

impl Files {
    fn of(variant: Variant) -> Self {
        let folder = match variant {
            Variant::Paper => "perturbation",
            Variant::Signed => "perturbation_signed",
            Variant::Tissue => "perturbation_tissue",
        };
        let file = |name| format!("{folder}/{name}");
        Self {
            folder,
            weights: file("unet.safetensors"),
            last: file("last.safetensors"),
            history: file("history.csv"),
        }
    }
}

/// The trained fills that a configuration uses.
pub struct Learned {
    fills: Vec<(Variant, LearnedFill)>,
    hashes: BTreeMap<Method, String>,
    control: Option<Control>,
}

/// A trained fill as a method uses it.
#[derive(Clone, Copy)]
pub struct LearnedMethod<'a> {
    /// The fill.
    pub fill: &'a LearnedFill,
    /// Hash of what determines the scores, apart from the case and the classifier.
    pub hash: &'a str,
    /// The cases in which the values are put as well, to subtract their effect.
    pub control: Option<&'a Control>,
}

impl Learned {
    /// Loads the fills.
    ///
    /// # Errors
    /// Returns an error if a fill is not trained or was trained with other inputs.
    pub fn load(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Self> {
        let mut fills = Vec::new();
        for variant in variants(&session.config) {
            let files = Files::of(variant);
            let inputs = inputs(session, &network.hash, partition, variant)?;
            session.run.require(files.folder, &inputs, "perturb-train")?;
            let trained = checkpoint::load_unet(&session.run.path(&files.weights), None, &session.device)?;
            let engine = Engine::new(trained.network, session.device.clone())?;
            let fill = LearnedFill::from(engine.on_smaller_batches(batch_size_notice("learned fill")));
            fills.push((variant, fill.variant(variant).keep_air(session.config.fill.keep_air)));
        }
        let control = match session.config.evaluate.fills.contains(&Method::LearnedControl) {
            true => Some(Control::load(session)?),
            false => None,
        };
        Ok(Self { fills, hashes: method_hashes(session)?, control })
    }

    /// Computes the hash of what determines the scores of each learned fill of the configuration.
    ///
    /// # Errors
    /// Returns an error if a fill is not trained or was trained with other inputs.
    pub fn hashes(session: &Session, partition: &Partition) -> anyhow::Result<BTreeMap<Method, String>> {
        let variants = variants(&session.config);
        if !variants.is_empty() {
            let classifier = selected_hash(session)?;
            for variant in variants {
                let inputs = inputs(session, &classifier, partition, variant)?;
                session.run.require(Files::of(variant).folder, &inputs, "perturb-train")?;
            }
        }
        method_hashes(session)
    }

    /// Returns the fill of a method; `None` for a method that is not a learned fill of the configuration.
    pub fn of(&self, method: Method) -> Option<LearnedMethod<'_>> {
        let variant = variant_of(method)?;
        let (_, fill) = self.fills.iter().find(|(of, _)| *of == variant)?;
        let control = if method == Method::LearnedControl { self.control.as_ref() } else { None };
        Some(LearnedMethod { fill, hash: self.hashes.get(&method)?, control })
    }
}

/// Computes a hash for each learned fill: of its weights, whether it skips air, and the cases of the control.
fn method_hashes(session: &Session) -> anyhow::Result<BTreeMap<Method, String>> {
    let mut hashes = BTreeMap::new();
    for &method in &session.config.evaluate.fills {
        let Some(variant) = variant_of(method) else { continue };
        let mut hash = session.run.hash(&Files::of(variant).weights)?;
        if session.config.fill.keep_air {
            hash += " but for air";
        }
        if method == Method::LearnedControl {
            hash += &format!(" less {}", control::hash(session)?);
        }
        hashes.insert(method, hash);
    }
    Ok(hashes)
}

/// Returns the training cases of the fills, drawn at random.
pub fn cases(session: &Session) -> Vec<String> {
    let mut cases: Vec<String> = session.scans.split(Split::Train).map(|case| case.id().to_owned()).collect();
    cases.shuffle(&mut ChaCha8Rng::seed_from_u64(stream_seed(session.config.seed, "fill/cases")));
    cases.truncate(session.config.fill.cases);
    cases.sort();
    cases
}

fn settings(session: &Session, variant: Variant) -> FillConfig {
    session.config.fill.training(stream_seed(session.config.seed, "fill"), variant)
}

fn inputs(
    session: &Session,
    classifier: &str,
    partition: &Partition,
    variant: Variant,
) -> anyhow::Result<Inputs> {
    let mut training_cases = Vec::new();
    for case in cases(session) {
        let file = partition.regions_file(&case);
        let path = session.run.path(&file);
        if !path.exists() {
            return Err(not_found(session.run.root(), &path, "regions"));
        }
        let labels = session.run.hash(&file)?;
        let scan = session.scans.inputs(&case)?.to_value();
        training_cases.push(serde_json::json!([case, scan, labels]));
    }
    let inputs = Inputs::new()
        .file("classifier", classifier)
        .setting("cases", &training_cases)
        .setting("widths", &session.config.fill.widths)
        .setting("fill", &settings(session, variant));
    Ok(match variant {
        Variant::Paper | Variant::Signed => inputs,
        Variant::Tissue => inputs.setting("tissues", &session.config.fill.tissues),
    })
}

/// Trains the fills of the command's share, each resumed after its last completed pass.
///
/// # Errors
/// Returns an error if regions are missing, the loss is not finite, or a file can't be written.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let mut work = Work::default();
    for variant in session.run.share.of(variants(&session.config)) {
        work = work + train(session, network, partition, variant)?;
    }
    Ok(work)
}

fn train(
    session: &Session,
    network: &Network,
    partition: &Partition,
    variant: Variant,
) -> anyhow::Result<Work> {
    let (run, files) = (&session.run, Files::of(variant));
    let inputs = inputs(session, &network.hash, partition, variant)?;
    let state = run.state(files.folder, &inputs)?;
    if state == State::Current {
        return Ok(Work { made: 0, current: 1 });
    }
    // Weights and history can be restored from the trainer's state.
    let restorable = matches!(state, State::Incomplete(_)) && run.path(&files.last).exists();
    if state != State::InProgress && !restorable {
        run.discard_outdated(files.folder, &state)?;
    }
    run.begin(files.folder, &inputs)?;
    fs::create_dir_all(run.path(files.folder)).context("creating the learned fill's folder")?;
    let history = run_passes(session, network, partition, variant)?;
    run.finish(files.folder, &inputs, vec![files.weights], vec![Written::of(files.history, &history)])?;
    Ok(Work { made: 1, current: 0 })
}

/// Trains a fill for its remaining passes, and returns the content of its history.
fn run_passes(
    session: &Session,
    network: &Network,
    partition: &Partition,
    variant: Variant,
) -> anyhow::Result<Vec<u8>> {
    let (run, config, settings) = (&session.run, &session.config, settings(session, variant));
    let files = Files::of(variant);
    let loaded: Vec<(Arc<Study>, Supervoxels)> = cases(session)
        .iter()
        .map(|case| {
            let regions = partition.regions(session, case)?;
            Ok((session.scans.study(case)?, regions))
        })
        .collect::<anyhow::Result<_>>()?;
    let cases: Vec<FillCase<'_>> =
        loaded.iter().map(|(study, regions)| FillCase { image: study.image.view(), regions }).collect();
    let last = run.path(&files.last);
    let resumed = match last.exists().then(|| FillTrainer::resume(&last, &settings, &session.device)) {
        Some(Err(relevox_perturb::Error::Network(error @ relevox_models::Error::Format { .. }))) => {
            print_status(format!("{error}; training again from the first pass"));
            None
        }
        other => other.transpose()?,
    };
    let mut trainer = match resumed {
        Some(trainer) => trainer,
        None => {
            let sequences = config.preprocess.sequences.len();
            let unet = config.fill.network(sequences, variant);
            let preprocess = serde_json::to_value(&config.preprocess)?;
            FillTrainer::new(&unet, &settings, preprocess, &session.device)?
        }
    };
    let mut batch = settings.batch;
    while !trainer.is_finished() {
        let mut progress: Option<Progress> = None;
        let record = trainer.run_pass(&|images| network.differentiable(images), &cases, &mut |step| {
            let progress = progress.get_or_insert_with(|| {
                Progress::start(format!("{variant} {}/{}", step.pass, settings.passes), step.steps, "steps")
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
        replace(&run.path(&files.history), &history_csv(trainer.history())?)?;
        // Written last, so that the files of every pass it contains exist.
        trainer.save_state(&last)?;
    }
    // Only the weights after the last pass have a file of their own: two processes of one shard write the same bytes.
    trainer.save_weights(&run.path(&files.weights))?;
    let history = history_csv(trainer.history())?;
    replace(&run.path(&files.history), &history)?;
    Ok(history)
}

fn history_csv(history: &[PassRecord]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    for record in history {
        table.serialize(record)?;
    }
    Ok(table.into_inner()?)
}
