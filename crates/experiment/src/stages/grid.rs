//! Grid search over partitions and fills (Table 3), and the selected partition.
//!
//! Every cell is scored on some cases of the validation and test splits. The validation split selects; the results of
//! the test split are compared with the paper's.
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
use super::partition::Partition;
use super::scores::{ScoreRequest, Scorer, read_csv};
use super::session::Session;
use super::work::Work;
use crate::config::{Config, Select};
use crate::interrupt;
use crate::progress::{Progress, print_status};
use crate::run::{Inputs, not_found, replace, stream_seed};

/// Artefact with the results of the search.
pub const GRID: &str = "grid.json";

/// Results of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// One cell for each split, partition and fill.
    pub cells: Vec<Cell>,
}

/// Dice of some cases under one partition and fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Split of the cases.
    pub split: Split,
    /// The partition.
    #[serde(flatten)]
    pub partition: Partition,
    /// The fill.
    pub fill: Method,
    /// Names of the cases.
    pub cases: Vec<String>,
    /// Number of supervoxels of each case, which can differ from the requested number.
    pub made: Vec<usize>,
    /// Oracle Dice of each case.
    pub dice: Vec<f64>,
}

impl Cell {
    /// Computes the mean oracle Dice.
    pub fn mean(&self) -> Option<f64> {
        (!self.dice.is_empty()).then(|| self.dice.iter().sum::<f64>() / self.dice.len() as f64)
    }

    /// Computes the mean number of supervoxels.
    pub fn mean_made(&self) -> Option<f64> {
        (!self.made.is_empty()).then(|| self.made.iter().sum::<usize>() as f64 / self.made.len() as f64)
    }
}

/// Returns the partitions of the configuration.
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

/// Draws cases with a tumour from a split; 0 takes all. A smaller draw is a subset of a larger one.
///
/// # Errors
/// Returns an error if a scan can't be read.
pub fn cases(session: &Session, split: Split, count: usize) -> anyhow::Result<Vec<String>> {
    let mut cases = Vec::new();
    for case in session.scans.split(split) {
        if session.scans.tumour_voxels(case.id())? > 0 {
            cases.push(case.id().to_owned());
        }
    }
    if count > 0 && cases.len() > count {
        let seed = stream_seed(session.config.seed, &format!("grid/{split}"));
        cases.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        cases.truncate(count);
        cases.sort();
    }
    Ok(cases)
}

/// Scores every partition and fill on the cases of the command's share; without a shard, then computes the cells.
///
/// # Errors
/// Returns an error if an artefact can't be read or written, or the network fails.
pub fn run(session: &Session, network: &Network) -> anyhow::Result<Work> {
    let (config, partitions) = (&session.config, partitions(&session.config));
    let splits: Vec<(Split, Vec<String>)> = [Split::Validation, Split::Test]
        .into_iter()
        .map(|split| Ok((split, cases(session, split, config.grid.cases)?)))
        .collect::<anyhow::Result<_>>()?;
    let pairs: Vec<(&String, &Partition)> = splits
        .iter()
        .flat_map(|(_, cases)| cases)
        .filter(|case| session.owns(case))
        .flat_map(|case| partitions.iter().map(move |partition| (case, partition)))
        .collect();

    let progress = Progress::start("grid: regions", pairs.len(), "partitions");
    let made: Vec<bool> = pairs
        .par_iter()
        .map(|(case, partition)| {
            interrupt::check()?;
            let made = partition.make(session, case)?;
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
            work.count(scorer.make(session, &file, ScoreRequest { case, partition, fill })?);
            progress.advance(1);
        }
    }
    drop(progress);
    if !session.run.share.is_whole() {
        return Ok(work);
    }

    let inputs = inputs(session, &network.hash, &splits, &partitions)?;
    work.count(session.run.make(GRID, &inputs, |path| {
        let mut grid = Grid { cells: Vec::new() };
        for (split, cases) in &splits {
            for partition in &partitions {
                grid.cells.extend(cells(session, *split, cases, partition)?);
            }
        }
        replace(path, serde_json::to_string_pretty(&grid)?.as_bytes())
    })?);
    Ok(work)
}

/// Computes the cells of a partition, one for each fill.
fn cells(
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
        let regions = partition.load(session, case, "grid")?;
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

/// Reads the results of the search.
///
/// # Errors
/// Returns an error if the search was not run.
pub fn read(session: &Session) -> anyhow::Result<Grid> {
    let path = session.run.path(GRID);
    let text = std::fs::read(&path).map_err(|_| not_found(session.run.root(), &path, "grid"))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Requires results of the search in a run folder, unless the partition is fixed. Does not require the folder's lock.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the folder contains none.
pub fn require_started(root: &Path, config: &Config) -> anyhow::Result<()> {
    let path = root.join(GRID);
    if config.regions.select == Select::Fixed || path.exists() {
        Ok(())
    } else {
        Err(not_found(root, &path, "grid"))
    }
}

/// Returns the partition of all later stages: the one fixed in the configuration, or that of the first cell with the
/// best mean on the validation split.
///
/// # Errors
/// Returns an error if the search was not run.
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
        print_status(format!("grid: no validation case has a tumour; selected {fixed}"));
    }
    Ok(best.unwrap_or(fixed))
}

fn best(grid: &Grid) -> Option<&Partition> {
    let mut best: Option<(f64, &Partition)> = None;
    for cell in grid.cells.iter().filter(|cell| cell.split == Split::Validation) {
        if let Some(mean) = cell.mean()
            && best.is_none_or(|(highest, _)| mean > highest)
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
    fn only_the_validation_split_selects() {
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
    fn results_read_back() {
        let grid = Grid { cells: vec![cell(Split::Test, 50, &[0.1, 1.0 / 3.0])] };
        let text = serde_json::to_string_pretty(&grid).unwrap();
        assert_eq!(serde_json::from_str::<Grid>(&text).unwrap(), grid);
    }
}
