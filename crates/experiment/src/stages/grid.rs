//! The search over partitions and fills (Table 3), and the partition that it selects.
//!
//! Every cell is scored on some cases of the validation and of the test split. The validation split selects;
//! the test split's numbers stand beside the paper's.
//!
//! Source: Rajapaksa and Khalvati (2022), appendix A.3.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use relevox_eval::RegionOverlap;
use relevox_report::tables::Method;
use relevox_volume::Split;
use serde::{Deserialize, Serialize};

use super::network::Network;
use super::scores::{Question, Scorer, read_csv};
use super::{Partition, Session, Work};
use crate::config::{Config, Select};
use crate::interrupt;
use crate::progress::{Progress, say};
use crate::run::{Inputs, replace, stream_seed, unavailable};

/// The artefact.
pub const GRID: &str = "grid.json";

/// What the search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// A row for each split, partition and fill.
    pub cells: Vec<Cell>,
}

/// The Dice of some cases under one partition and fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Whose cases.
    pub split: Split,
    /// Which supervoxels.
    #[serde(flatten)]
    pub partition: Partition,
    /// Which fill.
    pub fill: Method,
    /// The cases, by name.
    pub cases: Vec<String>,
    /// The supervoxels made of each: not always as many as were asked for.
    pub made: Vec<usize>,
    /// Their oracle Dice.
    pub dice: Vec<f64>,
}

impl Cell {
    /// The mean oracle Dice.
    pub fn mean(&self) -> Option<f64> {
        (!self.dice.is_empty()).then(|| self.dice.iter().sum::<f64>() / self.dice.len() as f64)
    }

    /// The mean number of supervoxels made.
    pub fn mean_made(&self) -> Option<f64> {
        (!self.made.is_empty()).then(|| self.made.iter().sum::<usize>() as f64 / self.made.len() as f64)
    }
}

/// The partitions that the config asks for.
pub fn partitions(config: &Config) -> Vec<Partition> {
    let mut all = Vec::new();
    for sequence in config.grid_sequences() {
        for &regions in &config.grid.counts {
            for &compactness in &config.grid.compactness {
                all.push(Partition { sequence: sequence.clone(), regions, compactness });
            }
        }
    }
    all
}

/// Cases of a split with a tumour, as many as wanted (0: all), drawn with the seed. Fewer are some of more.
///
/// # Errors
/// A scan that can't be read.
pub fn cases(session: &Session, split: Split, wanted: usize) -> anyhow::Result<Vec<String>> {
    let mut cases = Vec::new();
    for case in session.scans.split(split) {
        if tumour_voxels(session, case.id())? > 0 {
            cases.push(case.id().to_owned());
        }
    }
    if wanted > 0 && cases.len() > wanted {
        let seed = stream_seed(session.config.seed, &format!("grid/{split}"));
        cases.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        cases.truncate(wanted);
        cases.sort();
    }
    Ok(cases)
}

/// Tumour voxels of a case on the network's grid; 0 too where there is no segmentation.
///
/// # Errors
/// A scan that can't be read.
pub fn tumour_voxels(session: &Session, case: &str) -> anyhow::Result<usize> {
    let study = session.scans.study(case)?;
    Ok(study.tumour.as_ref().map_or(0, |tumour| tumour.iter().filter(|&&inside| inside).count()))
}

/// Searches.
///
/// # Errors
/// What partitions and scores meet.
pub fn run(session: &Session, network: &Network) -> anyhow::Result<Work> {
    let (config, partitions) = (&session.config, partitions(&session.config));
    let splits: Vec<(Split, Vec<String>)> = [Split::Validation, Split::Test]
        .into_iter()
        .map(|split| Ok((split, cases(session, split, config.grid.cases)?)))
        .collect::<anyhow::Result<_>>()?;
    let pairs: Vec<(&String, &Partition)> = splits
        .iter()
        .flat_map(|(_, cases)| cases)
        .flat_map(|case| partitions.iter().map(move |partition| (case, partition)))
        .collect();

    let progress = Progress::start("grid: regions", pairs.len(), "partitions");
    let made: Vec<bool> = pairs
        .par_iter()
        .map(|(case, partition)| {
            interrupt::check()?;
            let made = partition.make(&session.run, &session.scans, case, &config.regions)?;
            progress.advance(1);
            Ok(made)
        })
        .collect::<anyhow::Result<_>>()?;
    drop(progress);
    let mut work = Work::from_iter(made);

    let progress = Progress::start("grid: scores", pairs.len() * config.grid.fills.len(), "tables");
    let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: None };
    for (case, partition) in &pairs {
        for &fill in &config.grid.fills {
            let file = partition.scores_file(case, fill);
            work.count(scorer.make(session, &file, Question { case, partition, fill })?);
            progress.advance(1);
        }
    }
    drop(progress);

    let inputs = inputs(session, &network.hash, &splits, &partitions)?;
    work.count(session.run.make(GRID, &inputs, |path| {
        let mut grid = Grid { cells: Vec::new() };
        for (split, cases) in &splits {
            for partition in &partitions {
                grid.cells.extend(row(session, *split, cases, partition)?);
            }
        }
        replace(path, serde_json::to_string_pretty(&grid)?.as_bytes())
    })?);
    Ok(work)
}

/// The cells of one partition: one for each fill.
fn row(
    session: &Session,
    split: Split,
    cases: &[String],
    partition: &Partition,
) -> anyhow::Result<Vec<Cell>> {
    let cell = |fill: &Method| Cell {
        split,
        partition: partition.clone(),
        fill: *fill,
        cases: cases.to_vec(),
        made: Vec::with_capacity(cases.len()),
        dice: Vec::with_capacity(cases.len()),
    };
    let mut cells: Vec<Cell> = session.config.grid.fills.iter().map(cell).collect();
    for case in cases {
        let study = session.scans.study(case)?;
        let Some(tumour) = &study.tumour else { continue };
        let regions = partition.read(&session.run, &session.scans, case, &session.config.regions, "grid")?;
        let overlap =
            RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), tumour.view())?;
        for cell in &mut cells {
            let scores = read_csv(&session.run.path(&partition.scores_file(case, cell.fill)))?;
            cell.made.push(overlap.len());
            cell.dice.push(overlap.sweep(&scores.relevance())?.oracle().dice);
        }
    }
    Ok(cells)
}

fn inputs(
    session: &Session,
    classifier: &str,
    splits: &[(Split, Vec<String>)],
    partitions: &[Partition],
) -> anyhow::Result<Inputs> {
    let config = &session.config;
    let mut inputs = Inputs::new()
        .setting("partitions", &partitions)
        .setting("fills", &config.grid.fills)
        .setting("regions", &session.config.regions.masked)
        .file("classifier", classifier);
    for (split, cases) in splits {
        let scans: Vec<serde_json::Value> = cases
            .iter()
            .map(|case| {
                let scores: Vec<String> = partitions
                    .iter()
                    .flat_map(|partition| {
                        config.grid.fills.iter().map(|&fill| partition.scores_file(case, fill))
                    })
                    .map(|file| session.run.hash(&file))
                    .collect::<anyhow::Result<_>>()?;
                let scores = crate::run::hash_bytes(scores.join(" ").as_bytes());
                Ok(serde_json::json!([case, session.scans.seg_hash(case), scores]))
            })
            .collect::<anyhow::Result<_>>()?;
        inputs = inputs.setting(split.name(), &scans);
    }
    Ok(inputs)
}

/// The search's result, as the run holds it.
///
/// # Errors
/// A search that was not done.
pub fn read(session: &Session) -> anyhow::Result<Grid> {
    let path = session.run.path(GRID);
    let text = std::fs::read(&path).map_err(|_| not_there(&path))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Says to search first where a partition must be selected and a run folder, which nobody need hold, has none.
///
/// # Errors
/// A folder without a search.
pub fn require_started(root: &Path, config: &Config) -> anyhow::Result<()> {
    let path = root.join(GRID);
    if config.regions.select == Select::Fixed || path.exists() { Ok(()) } else { Err(not_there(&path)) }
}

fn not_there(path: &Path) -> anyhow::Error {
    unavailable(path, "not found", "grid")
}

/// The partition that everything after the grid is about: the one that the config fixes, or that of the cell
/// with the best mean on the validation split (the first, where several are).
///
/// # Errors
/// A search that was not done.
pub fn selected(session: &Session) -> anyhow::Result<Partition> {
    let regions = &session.config.regions;
    let fixed = Partition {
        sequence: regions.sequence.clone(),
        regions: regions.count,
        compactness: regions.compactness,
    };
    if regions.select == Select::Fixed {
        return Ok(fixed);
    }
    let grid = read(session)?;
    let best = best(&grid).cloned();
    if best.is_none() {
        say(format!("grid: no validation case has a tumour; selected {fixed}"));
    }
    Ok(best.unwrap_or(fixed))
}

fn best(grid: &Grid) -> Option<&Partition> {
    let mut best: Option<(f64, &Partition)> = None;
    for cell in grid.cells.iter().filter(|cell| cell.split == Split::Validation) {
        if let Some(mean) = cell.mean()
            && best.is_none_or(|(so_far, _)| mean > so_far)
        {
            best = Some((mean, &cell.partition));
        }
    }
    best.map(|(_, partition)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(split: Split, regions: usize, dice: &[f64]) -> Cell {
        let partition = Partition { sequence: "t2".into(), regions, compactness: 0.1 };
        let cases = (0..dice.len()).map(|i| format!("case {i}")).collect();
        let made = vec![regions - 1; dice.len()];
        Cell { split, partition, fill: Method::Blank, cases, made, dice: dice.to_vec() }
    }

    #[test]
    fn the_validation_split_alone_selects() {
        let cells = vec![
            cell(Split::Validation, 50, &[0.2, 0.4]),
            cell(Split::Validation, 100, &[0.5, 0.3]),
            cell(Split::Validation, 250, &[0.4, 0.4]),
            cell(Split::Test, 50, &[0.9, 0.9]),
        ];
        assert_eq!(best(&Grid { cells }).unwrap().regions, 100);
        assert_eq!(best(&Grid { cells: vec![cell(Split::Test, 50, &[0.9])] }), None);
    }

    #[test]
    fn a_grid_reads_back() {
        let grid = Grid { cells: vec![cell(Split::Test, 50, &[0.1, 1.0 / 3.0])] };
        let text = serde_json::to_string_pretty(&grid).unwrap();
        assert_eq!(serde_json::from_str::<Grid>(&text).unwrap(), grid);
    }
}
