//! Training of the classifier: a checkpoint an epoch, a state to go on from, and one epoch kept.
//!
//! Source: Rajapaksa and Khalvati (2022), section B: Adam, binary cross-entropy, the epoch with the highest
//! validation accuracy, ties going to the lower validation loss, then to the earlier epoch. Config may keep the last.

mod images;
mod member;
mod records;

use std::fs;
use std::path::Path;

use anyhow::Context;
use relevox_models::ResNetConfig;
use relevox_models::adam::AdamConfig;
use relevox_models::train::{ClassifierTrainer, EpochRecord, Examples, Phase, Step, TrainConfig};
use relevox_volume::Split;

pub use member::Member;
pub use records::{HistoryRow, Prediction, best_epoch, by_brightness, history, predictions};

use super::{Session, Work, shortcut};
use crate::config::{Config, EpochSelection as Keep};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, State, hash_bytes, replace, unavailable};
use images::Images;
use member::FOLDER;
use records::{history_csv, predictions_csv};

const PREDICTIONS: &str = "classifier/predictions.csv";

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
    let hash = kept_hash(session)?;
    session.run.require(PREDICTIONS, &prediction_inputs(session, &hash)?, "train")?;
    session.run.require(shortcut::SHORTCUT, &shortcut::inputs(session)?, "train")
}

/// Says to train first where a run folder, which nobody need hold, has no trace of it.
///
/// # Errors
/// A folder without training.
pub fn require_started(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    if folder.exists() {
        return Ok(());
    }
    Err(unavailable(&folder, "not found", "train"))
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

/// The weights that are kept, of each network.
pub fn kept_files(session: &Session) -> Vec<String> {
    Member::all(&session.config).iter().map(Member::best).collect()
}

/// The weights after an epoch, of each network.
pub fn epoch_files(session: &Session, epoch: usize) -> Vec<String> {
    Member::all(&session.config).iter().map(|member| member.epoch(epoch)).collect()
}

/// Of the weights that are kept.
///
/// # Errors
/// Weights that are not there.
pub fn kept_hash(session: &Session) -> anyhow::Result<String> {
    hash(session, &kept_files(session))
}

/// Of the weights after an epoch.
///
/// # Errors
/// Weights that are not there.
pub fn epoch_hash(session: &Session, epoch: usize) -> anyhow::Result<String> {
    hash(session, &epoch_files(session, epoch))
}

/// Of the weights of networks that decide together.
///
/// # Errors
/// Weights that are not there.
pub(super) fn hash(session: &Session, weights: &[String]) -> anyhow::Result<String> {
    let hashes: Vec<String> =
        weights.iter().map(|file| session.run.hash(file)).collect::<anyhow::Result<_>>()?;
    Ok(match hashes.as_slice() {
        [one] => one.clone(),
        all => hash_bytes(all.join(" ").as_bytes()),
    })
}

fn training(config: &Config, member: &Member) -> TrainConfig {
    let classifier = &config.classifier;
    TrainConfig {
        epochs: classifier.epochs,
        batch: classifier.batch,
        learning_rate: classifier.learning_rate,
        schedule: classifier.schedule,
        adam: AdamConfig { weight_decay: classifier.weight_decay, ..AdamConfig::default() },
        positive_weight: classifier.positive_weight,
        seed: member.seed(config),
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
        let members = Member::all(&session.config);
        let epochs = 1..=session.config.classifier.epochs;
        let epochs_left: Vec<String> =
            members.iter().flat_map(|member| epochs.clone().map(|epoch| member.epoch(epoch))).collect();
        // All but the epochs' weights can be had again from the state that training left.
        let mendable = matches!(state, State::Incomplete(_))
            && epochs_left.iter().all(|weights| run.path(weights).exists())
            && members.iter().all(|member| run.path(&member.last()).exists());
        if state != State::InProgress && !mendable {
            run.discard(FOLDER)?;
        }
        run.begin(FOLDER, &inputs)?;
        for member in &members {
            epochs_of(session, member)?;
        }
        let others = members.iter().flat_map(|member| [member.best(), member.history()]);
        run.finish(FOLDER, &inputs, epochs_left.into_iter().chain(others).collect())?;
        work.count(true);
    }
    let hash = kept_hash(session)?;
    work.count(run.make(PREDICTIONS, &prediction_inputs(session, &hash)?, |path| {
        replace(path, &predictions_csv(session)?)
    })?);
    Ok(work + shortcut::run(session)?)
}

/// The epochs of one network that are left.
fn epochs_of(session: &Session, member: &Member) -> anyhow::Result<()> {
    let (run, config) = (&session.run, &session.config);
    let images = |split| Images::new(&session.scans, split, config, member);
    let (train, validation) = (images(Split::Train), images(Split::Validation));
    let plan = training(config, member);
    let (last, history) = (run.path(&member.last()), run.path(&member.history()));
    if let Some(folder) = last.parent() {
        fs::create_dir_all(folder).context("making the classifier's folder")?;
    }
    let mut trainer = if last.exists() {
        ClassifierTrainer::resume(&last, &plan, &session.device)?
    } else {
        let preprocess = serde_json::to_value(&config.preprocess)?;
        ClassifierTrainer::new(&network(config), &plan, preprocess, &session.device)?
    };
    let left = plan.epochs - trainer.epoch();
    let progress = Progress::start(member.title(), left * train.len().div_ceil(plan.batch), "steps");
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
        trainer.save_weights(&run.path(&member.epoch(record.epoch)))?;
        replace(&history, &history_csv(trainer.history(), &validation)?)?;
        // Last of all: what it names as done is there.
        trainer.save_state(&last)?;
    }
    replace(&history, &history_csv(trainer.history(), &validation)?)?;
    let best = kept(trainer.history(), config.classifier.keep).context("choosing one of no epochs")?;
    progress.note(&format!(
        "epoch {} it is, with validation accuracy {:.3}",
        best.epoch, best.validation_accuracy
    ));
    replace(&run.path(&member.best()), &fs::read(run.path(&member.epoch(best.epoch)))?)
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

fn prediction_inputs(session: &Session, classifier: &str) -> anyhow::Result<Inputs> {
    Ok(Inputs::new().file("classifier", classifier).file("cases", &session.scored_hash()?))
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
