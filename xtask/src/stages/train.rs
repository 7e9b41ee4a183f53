//! Training of the classifier: a checkpoint an epoch, a state to go on from, and one epoch kept.
//!
//! Source: Rajapaksa and Khalvati (2022), section B: Adam, binary cross-entropy, the epoch with the highest
//! validation accuracy, ties going to the lower validation loss, then to the earlier epoch. Config may keep the last.

use std::fs;
use std::path::Path;

use anyhow::Context;
use ndarray::Axis;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use relevox_eval::roc_auc;
use relevox_models::ResNetConfig;
use relevox_models::adam::AdamConfig;
use relevox_models::train::{EpochRecord, Examples, Phase, Step, TrainConfig, Trainer};
use relevox_relevance::sigmoid;
use relevox_volume::augment::Augment;
use relevox_volume::{CaseFiles, Split};
use serde::{Deserialize, Serialize};

use super::network::Network;
use super::{Scans, Session, Work, shortcut};
use crate::config::{Config, Keep};
use crate::failure::input;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, State, replace, stream_seed};

/// The weights of the epoch that is kept.
pub const BEST: &str = "classifier/best.safetensors";
const FOLDER: &str = "classifier";
const LAST: &str = "classifier/last.safetensors";
const HISTORY: &str = "classifier/history.csv";
const PREDICTIONS: &str = "classifier/predictions.csv";

/// The weights after an epoch, from 1.
pub fn epoch_file(epoch: usize) -> String {
    format!("classifier/epoch-{epoch:03}.safetensors")
}

/// A row of `history.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// From 1.
    pub epoch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Mean over the training split, as its batches were seen.
    pub train_loss: f64,
    /// Mean over the validation split.
    pub validation_loss: f64,
    /// At probability one half.
    pub validation_accuracy: f64,
    /// Nothing where the split has one class.
    pub validation_auc: Option<f64>,
}

/// A row of `predictions.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Whose scan.
    pub case: String,
    /// Its split.
    pub split: Split,
    /// 1 is positive.
    pub label: u8,
    /// The kept epoch's logit.
    pub logit: f64,
    /// Of the positive class.
    pub probability: f64,
}

impl Prediction {
    /// What a case of a split is told.
    ///
    /// # Errors
    /// A case without a split.
    pub fn new(case: &CaseFiles, logit: f64) -> anyhow::Result<Self> {
        Ok(Self {
            case: case.case.clone(),
            split: case.split.context("a case without a split")?,
            label: u8::from(case.label),
            logit,
            probability: sigmoid(logit),
        })
    }
}

fn inputs(session: &Session) -> Inputs {
    let config = &session.config;
    session
        .scans
        .training_inputs()
        .setting("seed", &config.seed)
        .setting("classifier", &config.classifier)
        .setting("augment", &config.augment)
}

/// Says what to run first where there is no classifier of this config.
///
/// # Errors
/// A classifier that is not trained yet, or on something else.
pub fn require(session: &Session) -> anyhow::Result<()> {
    session.run.require(FOLDER, &inputs(session), "train")?;
    let hash = session.run.hash(BEST)?;
    session.run.require(PREDICTIONS, &prediction_inputs(session, &hash)?, "train")?;
    session.run.require(shortcut::SHORTCUT, &shortcut::inputs(session)?, "train")
}

/// Says to train first where a run folder, which nobody need hold, has no trace of it.
///
/// # Errors
/// A folder without training.
pub fn require_begun(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    if folder.exists() {
        return Ok(());
    }
    Err(input(format!("{} is not there: run `cargo xtask train` first", folder.display())))
}

/// The network that a config describes.
pub fn network(config: &Config) -> ResNetConfig {
    let classifier = &config.classifier;
    ResNetConfig {
        depth: classifier.depth,
        in_channels: config.preprocess.sequences.len(),
        width: classifier.width,
        stem_stride: classifier.stem_stride,
        shortcut: classifier.shortcut,
    }
}

fn training(config: &Config) -> TrainConfig {
    let classifier = &config.classifier;
    TrainConfig {
        epochs: classifier.epochs,
        batch: classifier.batch,
        learning_rate: classifier.learning_rate,
        schedule: classifier.schedule,
        adam: AdamConfig { weight_decay: classifier.weight_decay, ..AdamConfig::default() },
        positive_weight: classifier.positive_weight,
        seed: stream_seed(config.seed, "classifier"),
    }
}

/// Trains, going on from the last epoch that a killed command finished.
///
/// # Errors
/// Scans that can't be read, a loss that is no number, and what writing meets.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let (run, inputs) = (&session.run, inputs(session));
    let mut work = Work::default();
    let state = run.state(FOLDER, &inputs);
    if state == State::Current {
        work.count(false);
    } else {
        let epochs_left: Vec<String> = (1..=session.config.classifier.epochs).map(epoch_file).collect();
        // All but the epochs' weights can be had again from the state that training left.
        let mendable = matches!(state, State::Torn(_))
            && epochs_left.iter().all(|weights| run.path(weights).exists())
            && run.path(LAST).exists();
        if state != State::Begun && !mendable {
            run.discard(FOLDER)?;
        }
        run.begin(FOLDER, &inputs)?;
        fs::create_dir_all(run.path(FOLDER)).context("making the classifier's folder")?;
        epochs(session)?;
        let others = [BEST, HISTORY].map(str::to_owned);
        run.finish(FOLDER, &inputs, epochs_left.into_iter().chain(others).collect())?;
        work.count(true);
    }
    let hash = run.hash(BEST)?;
    work.count(run.make(PREDICTIONS, &prediction_inputs(session, &hash)?, |path| {
        replace(path, &predictions_csv(session)?)
    })?);
    Ok(work + shortcut::run(session)?)
}

fn epochs(session: &Session) -> anyhow::Result<()> {
    let (run, config) = (&session.run, &session.config);
    let [train, validation] =
        [Split::Train, Split::Validation].map(|split| Images::new(&session.scans, split, config));
    let plan = training(config);
    let last = run.path(LAST);
    let mut trainer = if last.exists() {
        Trainer::resume(&last, &plan, &session.device)?
    } else {
        let preprocess = serde_json::to_value(&config.preprocess)?;
        Trainer::new(&network(config), &plan, preprocess, &session.device)?
    };
    let left = plan.epochs - trainer.epoch();
    let progress = Progress::start("train", left * train.len().div_ceil(plan.batch), "steps");
    let (mut parts, mut parts_of_validation) = (1, 1);
    while !trainer.is_finished() {
        let record = trainer.run_epoch(&train, &validation, &mut |step: Step| {
            let (known, what) = match step.phase {
                Phase::Train => (&mut parts, "batch"),
                Phase::Validate => (&mut parts_of_validation, "batch of the validation split"),
            };
            if step.parts > *known {
                *known = step.parts;
                progress.note(&format!("out of GPU memory, going on with each {what} in {known} parts"));
            }
            if step.phase == Phase::Train {
                progress.advance(1);
            }
            interrupt::flow()
        })?;
        progress.note(&format!(
            "epoch {}/{}: loss {:.4}; validation loss {:.4}, accuracy {:.3}",
            record.epoch, plan.epochs, record.train_loss, record.validation_loss, record.validation_accuracy
        ));
        trainer.save_weights(&run.path(&epoch_file(record.epoch)))?;
        replace(&run.path(HISTORY), &history_csv(trainer.history(), &validation)?)?;
        // Last of all: what it names as done is there.
        trainer.save_state(&last)?;
    }
    replace(&run.path(HISTORY), &history_csv(trainer.history(), &validation)?)?;
    let best = kept(trainer.history(), config.classifier.keep).context("choosing one of no epochs")?;
    progress.note(&format!(
        "epoch {} it is, with validation accuracy {:.3}",
        best.epoch, best.validation_accuracy
    ));
    replace(&run.path(BEST), &fs::read(run.path(&epoch_file(best.epoch)))?)
}

fn kept(history: &[EpochRecord], keep: Keep) -> Option<&EpochRecord> {
    if keep == Keep::Last {
        return history.last();
    }
    history.iter().reduce(|best, record| {
        let order = record
            .validation_accuracy
            .total_cmp(&best.validation_accuracy)
            .then(best.validation_loss.total_cmp(&record.validation_loss));
        if order.is_gt() { record } else { best }
    })
}

fn history_csv(history: &[EpochRecord], validation: &Images<'_>) -> anyhow::Result<Vec<u8>> {
    let labels: Vec<bool> = (0..validation.len()).map(|index| validation.label(index)).collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    for record in history {
        let logits: Vec<f64> = record.validation_logits.iter().map(|&logit| f64::from(logit)).collect();
        table.serialize(HistoryRow {
            epoch: record.epoch,
            learning_rate: record.learning_rate,
            train_loss: record.train_loss,
            validation_loss: record.validation_loss,
            validation_accuracy: record.validation_accuracy,
            validation_auc: roc_auc(&logits, &labels).ok(),
        })?;
    }
    Ok(table.into_inner()?)
}

/// The run's history of training.
///
/// # Errors
/// One that is not there.
pub fn history(session: &Session) -> anyhow::Result<Vec<HistoryRow>> {
    rows(session.run.root(), HISTORY)
}

/// The epoch that is kept.
///
/// # Errors
/// A history that is not there.
pub fn best_epoch(session: &Session) -> anyhow::Result<usize> {
    let path = session.run.path(BEST);
    let (_, metadata) = relevox_models::checkpoint::load(&path)?;
    Ok(metadata.with_context(|| format!("{}: weights without metadata", path.display()))?.epoch)
}

/// What the kept epoch of a run folder says of the validation and test cases.
///
/// # Errors
/// Predictions that are not there.
pub fn predictions(root: &Path) -> anyhow::Result<Vec<Prediction>> {
    rows(root, PREDICTIONS)
}

/// What brightness alone says of the same cases.
///
/// # Errors
/// Predictions that are not there.
pub fn by_brightness(root: &Path) -> anyhow::Result<Vec<Prediction>> {
    rows(root, shortcut::SHORTCUT)
}

fn rows<T: for<'de> Deserialize<'de>>(root: &Path, artefact: &str) -> anyhow::Result<Vec<T>> {
    let path = root.join(artefact);
    let rows = csv::Reader::from_path(&path).and_then(|mut table| table.deserialize().collect());
    rows.with_context(|| format!("reading {}", path.display()))
}

fn prediction_inputs(session: &Session, classifier: &str) -> anyhow::Result<Inputs> {
    Ok(Inputs::new().file("classifier", classifier).file("cases", &session.scored_hash()?))
}

fn predictions_csv(session: &Session) -> anyhow::Result<Vec<u8>> {
    let network = Network::load(session, BEST)?;
    let cases = session.scored_cases();
    let progress = Progress::start("predict", cases.len(), "cases");
    let mut table = csv::Writer::from_writer(Vec::new());
    for case in cases {
        interrupt::check()?;
        let study = session.scans.study(&case.case)?;
        let logits = network.classifier().logits(study.image.view().insert_axis(Axis(0)))?;
        let logit = f64::from(*logits.first().context("a network without an answer")?);
        table.serialize(Prediction::new(case, logit)?)?;
        progress.advance(1);
    }
    Ok(table.into_inner()?)
}

/// The cases of a split as training sees them.
struct Images<'a> {
    scans: &'a Scans,
    cases: Vec<&'a CaseFiles>,
    augment: Augment,
    seed: u64,
}

impl<'a> Images<'a> {
    fn new(scans: &'a Scans, split: Split, config: &Config) -> Self {
        Self { scans, cases: scans.split(split).collect(), augment: config.augment, seed: config.seed }
    }
}

impl Examples for Images<'_> {
    fn len(&self) -> usize {
        self.cases.len()
    }

    fn shape(&self) -> [usize; 4] {
        let preprocess = self.scans.preprocess();
        let [z, y, x] = preprocess.crop.map(|size| size / preprocess.downsample);
        [preprocess.sequences.len(), z, y, x]
    }

    fn label(&self, index: usize) -> bool {
        self.cases[index].label
    }

    fn image(
        &self,
        index: usize,
        epoch: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let case = &self.cases[index].case;
        let study = self.scans.study(case)?;
        let image = match epoch {
            Some(epoch) if self.augment != Augment::default() => {
                let seed = stream_seed(self.seed, &format!("augment/{epoch}/{case}"));
                self.augment.apply(study.image.view(), &mut ChaCha8Rng::seed_from_u64(seed))
            }
            _ => study.image.clone(),
        };
        Ok(image.as_standard_layout().into_owned().into_raw_vec_and_offset().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize, validation_accuracy: f64, validation_loss: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            learning_rate: 0.01,
            train_loss: 0.5,
            validation_loss,
            validation_accuracy,
            validation_logits: Vec::new(),
        }
    }

    #[test]
    fn the_best_epoch_is_the_most_accurate_then_the_surest_then_the_first() {
        let history = [
            record(1, 0.8, 0.4),
            record(2, 0.9, 0.5),
            record(3, 0.9, 0.3),
            record(4, 0.9, 0.3),
            record(5, 0.7, 0.1),
        ];
        assert_eq!(kept(&history, Keep::Accuracy).unwrap().epoch, 3);
        assert_eq!(kept(&history, Keep::Last).unwrap().epoch, 5);
        assert!(kept(&[], Keep::Accuracy).is_none());
    }
}
