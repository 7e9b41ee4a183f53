//! Figures, and the report that holds everything in one file.

mod comparison;
mod convergence;
mod epochs;
mod pipeline;

use std::fs;

use anyhow::Context;
use relevox_eval::roc_curve;
use relevox_volume::Split;

use super::cohort::PHANTOM;
use super::evaluate::{CASES, SUMMARY};
use super::train::HistoryRow;
use super::{Partition, Session, Work, evaluate, grid, train};
use crate::progress::Progress;
use crate::run::{Inputs, replace};
use relevox_report::figures::{self, HistoryPoint, Roc};
use relevox_report::page::{Figure, FigureKind, Report};
use relevox_report::tables::{CaseRow, Summary, read_cases};

/// The report.
pub const REPORT: &str = "report.html";

/// A figure's bytes, or nothing where the run has nothing to show in it.
type Drawn = anyhow::Result<Option<Vec<u8>>>;

/// What figures are drawn from.
struct Picture<'a> {
    session: &'a Session,
    partition: Partition,
    summary: Summary,
    history: Vec<HistoryRow>,
    cases: Vec<CaseRow>,
}

/// Draws the figures that are not current, and writes the report.
///
/// # Errors
/// Artefacts that can't be read.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let cases = fs::read(session.run.path(CASES)).with_context(|| format!("reading {CASES}"))?;
    let picture = Picture {
        session,
        partition: grid::selected(session)?,
        summary: evaluate::summary(session)?,
        history: train::history(session)?,
        cases: read_cases(&cases).with_context(|| format!("reading {CASES}"))?,
    };
    let inputs = Inputs::new()
        .file("summary", &session.run.hash(SUMMARY)?)
        .file("cohort", &session.scans.fingerprint())
        .setting("evaluate", &session.config.evaluate);
    let progress = Progress::start("report", FigureKind::ALL.len(), "figures");
    let (mut work, mut shown) = (Work::default(), Vec::new());
    for kind in FigureKind::ALL {
        let artefact = format!("figures/{}", kind.file());
        if session.run.is_current(&artefact, &inputs) {
            work.count(false);
        } else if let Some(png) = picture.draw(kind).with_context(|| format!("drawing {artefact}"))? {
            work.count(session.run.make(&artefact, &inputs, |path| replace(path, &png))?);
        } else {
            session.run.discard(&artefact)?;
        }
        let path = session.run.path(&artefact);
        if path.exists() {
            shown.push(Figure { kind, png: fs::read(path)? });
        }
        progress.advance(1);
    }
    let config = session.config.to_toml()?;
    let inputs = inputs.setting("config", &config);
    work.count(
        session
            .run
            .make(REPORT, &inputs, |path| replace(path, picture.report(&shown, &config)?.as_bytes()))?,
    );
    Ok(work)
}

impl Picture<'_> {
    fn draw(&self, kind: FigureKind) -> Drawn {
        match kind {
            FigureKind::Pipeline => pipeline::draw(self),
            FigureKind::Comparison => comparison::draw(self),
            FigureKind::Explainers => comparison::draw_all(self),
            FigureKind::Epochs => epochs::draw(self),
            FigureKind::Methods => Ok(Some(figures::methods(&self.summary)?)),
            FigureKind::Roc => self.roc(),
            FigureKind::Convergence => convergence::draw(self),
            FigureKind::Training => {
                Ok(Some(figures::training(&self.points(), self.summary.classifier.epoch)?))
            }
        }
    }

    fn report(&self, figures: &[Figure], config: &str) -> anyhow::Result<String> {
        let session = self.session;
        let source = &session.config.cohort.source;
        let facts = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("seed", session.config.seed.to_string()),
            ("cohort", source.clone()),
            ("cohort fingerprint", session.scans.fingerprint()),
        ];
        let name = if source == PHANTOM { "a synthetic cohort" } else { "a cohort of scans" };
        let page = Report {
            run: name,
            synthetic: source == PHANTOM,
            summary: &self.summary,
            cases: &self.cases,
            figures,
            config,
            facts: &facts.map(|(name, value)| (name.to_owned(), value)),
        };
        Ok(page.html()?)
    }

    /// Training, as figures show it.
    fn points(&self) -> Vec<HistoryPoint> {
        let point = |row: &HistoryRow| HistoryPoint {
            epoch: row.epoch,
            train_loss: row.train_loss,
            validation_loss: row.validation_loss,
            validation_accuracy: row.validation_accuracy,
            validation_auc: row.validation_auc,
        };
        self.history.iter().map(point).collect()
    }

    fn roc(&self) -> Drawn {
        let predictions = train::predictions(self.session.run.root())?;
        let (logits, labels): (Vec<f64>, Vec<bool>) = predictions
            .iter()
            .filter(|row| row.split == Split::Test)
            .map(|row| (row.logit, row.label == 1))
            .unzip();
        let positive = labels.iter().filter(|&&label| label).count();
        let curve = roc_curve(&logits, &labels).unwrap_or_default();
        let roc = Roc {
            points: &curve,
            auc: &self.summary.classifier.test_auc,
            positive,
            negative: labels.len() - positive,
        };
        Ok(Some(roc.png()?))
    }

    /// Test cases with a tumour, the positive ones first.
    fn shown_cases(&self) -> Vec<&CaseRow> {
        let mut cases: Vec<&CaseRow> = self.cases.iter().filter(|case| !case.dice.is_empty()).collect();
        cases.sort_by(|a, b| b.positive.cmp(&a.positive).then(a.case.cmp(&b.case)));
        cases
    }

    /// The selected sequence's channel.
    fn channel(&self) -> usize {
        let sequences = self.session.scans.sequences();
        sequences.iter().position(|name| *name == self.partition.sequence).unwrap_or(0)
    }
}
