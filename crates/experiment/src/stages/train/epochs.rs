//! Training of one network, epoch by epoch.

use std::fs;

use anyhow::Context;
use relevox_models::Error;
use relevox_models::train::{EpochRecord, Examples, Phase, Step, Trainer};
use relevox_volume::Split;

use super::history::history_csv;
use super::images::Images;
use super::member::Member;
use crate::config::EpochSelection;
use crate::interrupt;
use crate::progress::{Progress, print_status};
use crate::run::{Inputs, Written, replace};
use crate::stages::network::network_config;
use crate::stages::session::Session;

/// Trains one network for its remaining epochs, and copies the weights of the selected epoch. `inputs` are those of the network's folder.
/// Returns the files that it wrote several times or last.
///
/// # Errors
/// Returns an error if a scan can't be read, the loss is not finite, or a file can't be written.
pub(super) fn train_member(
    session: &Session,
    member: &Member,
    inputs: &Inputs,
) -> anyhow::Result<Vec<Written>> {
    let (run, config) = (&session.run, &session.config);
    let images = |split| Images::new(&session.scans, split, config, member);
    let (train, validation) = (images(Split::Train), images(Split::Validation));
    // Empty images are not counted: how often they occur does not say how often the finding does.
    let (mut negative, mut positive) = (0, 0);
    for case in session.scans.split(Split::Train) {
        *if case.label { &mut positive } else { &mut negative } += 1;
    }
    let weight = config.classifier.positive_weight.of(negative, positive);
    let settings = config.classifier.training(member.seed(config), weight);
    let (last, history) = (run.path(&member.last()), run.path(&member.history()));
    if let Some(folder) = last.parent() {
        fs::create_dir_all(folder).context("creating the classifier's folder")?;
    }
    let resumed = match last.exists().then(|| Trainer::resume(&last, &settings, &session.device)) {
        Some(Err(error @ Error::Format { .. })) => {
            print_status(format!("{error}; training again from the first epoch"));
            None
        }
        other => other.transpose()?,
    };
    let mut trainer = match resumed {
        Some(trainer) => trainer,
        None => {
            let preprocess = serde_json::to_value(&config.preprocess)?;
            Trainer::new(&network_config(config), &settings, preprocess, &session.device)?
        }
    };
    let epochs = settings.epochs - trainer.epoch();
    let progress = Progress::start(member.title(), epochs * train.len().div_ceil(settings.batch), "steps");
    let (mut training_parts, mut validation_parts) = (1, 1);
    while !trainer.is_finished() {
        let record = trainer.run_epoch(&train, &validation, &mut |step: Step| {
            let (parts, batch) = match step.phase {
                Phase::Train => (&mut training_parts, "batch"),
                Phase::Validate => (&mut validation_parts, "validation batch"),
            };
            if step.parts > *parts {
                *parts = step.parts;
                progress.println(&format!("out of GPU memory, splitting each {batch} into {parts} parts"));
            }
            if step.phase == Phase::Train {
                progress.advance(1);
            }
            interrupt::flow()
        })?;
        progress.println(&format!(
            "epoch {}/{}: loss {:.4}; validation loss {:.4}, accuracy {:.3}",
            record.epoch,
            settings.epochs,
            record.train_loss,
            record.validation_loss,
            record.validation_accuracy
        ));
        let weights = member.epoch(record.epoch);
        trainer.save_weights(&run.path(&weights))?;
        run.list_written(&member.folder(), inputs, &weights)?;
        replace(&history, &history_csv(trainer.history(), &validation)?)?;
        // Written last, so that the files of every epoch it contains exist.
        trainer.save_state(&last)?;
    }
    let losses = history_csv(trainer.history(), &validation)?;
    replace(&history, &losses)?;
    let best = select(trainer.history(), config.classifier.keep).context("selecting one of no epochs")?;
    progress.println(&format!(
        "selected epoch {}, validation accuracy {:.3}",
        best.epoch, best.validation_accuracy
    ));
    let weights = fs::read(run.path(&member.epoch(best.epoch)))?;
    replace(&run.path(&member.best()), &weights)?;
    Ok(vec![Written::of(member.best(), &weights), Written::of(member.history(), &losses)])
}

/// Selects an epoch.
fn select(history: &[EpochRecord], keep: EpochSelection) -> Option<&EpochRecord> {
    if keep == EpochSelection::Last {
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
    fn ties_in_accuracy_are_broken_by_loss_then_by_epoch() {
        let history = [
            record(1, 0.8, 0.4),
            record(2, 0.9, 0.5),
            record(3, 0.9, 0.3),
            record(4, 0.9, 0.3),
            record(5, 0.7, 0.1),
        ];
        assert_eq!(select(&history, EpochSelection::Accuracy).unwrap().epoch, 3);
        assert_eq!(select(&history, EpochSelection::Last).unwrap().epoch, 5);
        assert!(select(&[], EpochSelection::Accuracy).is_none());
    }
}
