//! The stage: figures, pages of cases, and the report.

use std::fs;

use anyhow::Context;
use relevox_report::figures;
use relevox_report::page::{Figure, FigureKind, Report};
use relevox_report::tables::ceiling_shares;

use super::results::{Drawn, Results};
use super::{comparison, convergence, epochs, pages, pipeline, roc};
use crate::config::PHANTOM;
use crate::progress::Progress;
use crate::run::{Inputs, replace};
use crate::stages::evaluate::SUMMARY;
use crate::stages::session::Session;
use crate::stages::work::Work;

/// Artefact with the report.
pub const REPORT: &str = "report.html";

/// Draws the figures and makes the pages that are not current, and writes the report.
///
/// # Errors
/// Returns an error if an artefact can't be read or written.
pub fn run(session: &Session) -> anyhow::Result<Work> {
    let results = Results::read(session)?;
    let inputs = Inputs::new()
        .file("summary", &session.run.hash(SUMMARY)?)
        .file("cohort", &session.scans.fingerprint())
        .setting("evaluate", &session.config.evaluate);
    let progress = Progress::start("report", FigureKind::ALL.len(), "figures");
    let (mut work, mut drawn) = (Work::default(), Vec::new());
    for kind in FigureKind::ALL {
        let artefact = format!("figures/{}", kind.file());
        if session.run.is_current(&artefact, &inputs)? {
            work.count(false);
        } else if let Some(png) = draw(kind, &results).with_context(|| format!("drawing {artefact}"))? {
            work.count(session.run.make(&artefact, &inputs, |path| replace(path, &png))?);
        } else {
            session.run.discard(&artefact)?;
        }
        let path = session.run.path(&artefact);
        if path.exists() {
            drawn.push(Figure { kind, png: fs::read(path)? });
        }
        progress.advance(1);
    }
    let pages = pages::make(&results, &inputs, &mut work)?;
    let config = session.config.to_toml()?;
    let inputs = inputs.setting("config", &config);
    let html = |path: &std::path::Path| replace(path, page(&results, &drawn, &pages, &config)?.as_bytes());
    work.count(session.run.make(REPORT, &inputs, html)?);
    Ok(work)
}

fn draw(kind: FigureKind, results: &Results<'_>) -> Drawn {
    match kind {
        FigureKind::Pipeline => pipeline::draw(results),
        FigureKind::Comparison => comparison::draw(results),
        FigureKind::Glance => comparison::draw_main(results),
        FigureKind::Explainers => comparison::draw_all(results),
        FigureKind::Epochs => epochs::draw(results),
        FigureKind::Methods => Ok(Some(figures::methods(&results.summary)?)),
        FigureKind::Ceiling => ceiling(results),
        FigureKind::Roc => roc::draw(results),
        FigureKind::Convergence => convergence::draw(results),
        FigureKind::Training => {
            Ok(Some(figures::training(&results.points(), results.summary.classifier.epoch)?))
        }
    }
}

fn ceiling(results: &Results<'_>) -> Drawn {
    let shares = ceiling_shares(&results.cases);
    if shares.is_empty() { Ok(None) } else { Ok(Some(figures::ceiling(&shares)?)) }
}

fn page(
    results: &Results<'_>,
    figures: &[Figure],
    pages: &[(String, String)],
    config: &str,
) -> anyhow::Result<String> {
    let session = results.session;
    let source = &session.config.cohort.source;
    let facts = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("seed", session.config.seed.to_string()),
        ("cohort", source.clone()),
        ("cohort fingerprint", session.scans.fingerprint()),
    ];
    let name = if source == PHANTOM { "a synthetic cohort" } else { "a cohort of scans" };
    let report = Report {
        run: name,
        synthetic: source == PHANTOM,
        summary: &results.summary,
        cases: &results.cases,
        figures,
        pages,
        config,
        facts: &facts.map(|(name, value)| (name.to_owned(), value)),
    };
    Ok(report.html()?)
}
