//! The commands that work on a run: which stages each runs, and what it needs first.

use std::path::PathBuf;

use relevox_report::tables::{Method, terminal_table};

use crate::config::{Layers, Profile, Source};
use crate::place::Place;
use crate::progress::say;
use crate::run::{CONFIG, Opening, Start};
use crate::several;
use crate::stages::cohort::PHANTOM;
use crate::stages::learned::{self, Learned};
use crate::stages::network::Network;
use crate::stages::scores::{self, Scorer};
use crate::stages::{
    Partition, Scans, Session, diffuse, evaluate as numbers, explain, faithfulness, focus, grid as search,
    leftovers, maps, partition, phantom as synthetic, report as figures, stage, train as training,
};

/// What a command goes on from, and refuses to begin without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    Cohort,
    Partition,
    Training,
}

/// A run, and what the command line says about its config.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// The profile to start from. By default the run folder's own config, else `desk`, or `scans` with a cohort.
    pub profile: Option<Profile>,
    /// A TOML file whose keys replace the profile's.
    pub config: Option<PathBuf>,
    /// Replaced keys, each `key=value`.
    pub set: Vec<String>,
    /// A BraTS folder or a manifest of scans, in place of the synthetic cohort.
    pub cohort: Option<PathBuf>,
    /// The run's folder. By default the profile's name in `runs/`.
    pub out: Option<PathBuf>,
    /// The seed of everything drawn.
    pub seed: Option<u64>,
    /// Removes what an earlier run left in the folder.
    pub fresh: bool,
    /// Continues the folder under another config.
    pub update: bool,
}

fn find(args: RunRequest) -> anyhow::Result<Opening> {
    // A phantom's crop would cut the middle out of a scan.
    let usual = if args.cohort.is_some() { Profile::Scans } else { Profile::Desk };
    let root = args.out.unwrap_or_else(|| PathBuf::from("runs").join(args.profile.unwrap_or(usual).name()));
    let new = args.fresh || !root.join(CONFIG).exists();
    let layers = Layers {
        base: args.profile.or((new && args.config.is_none()).then_some(usual)).map(Source::profile),
        file: args.config.as_deref().map(Source::read).transpose()?,
        set: args.set,
        seed: args.seed,
        cohort: args.cohort,
    };
    let start = match (args.fresh, args.update) {
        (true, _) => Start::Fresh,
        (_, true) => Start::Update,
        _ => Start::GoOn,
    };
    Opening::find(std::path::absolute(root)?, layers, start)
}

fn open(opening: Opening, place: &Place, needs: Needs) -> anyhow::Result<Session> {
    let device = place.open()?;
    several::refuse(&opening.config)?;
    // What the command needs is looked at before anything is written, other people's scans too.
    let given = match opening.config.cohort.source.as_str() {
        PHANTOM => None,
        _ => Some(Scans::find(&opening.config, &opening.root)?),
    };
    match &given {
        Some(scans) => scans.refuse_inside(&opening.root)?,
        None if needs != Needs::Nothing => synthetic::require(&opening.root, &opening.config)?,
        None => {}
    }
    match needs {
        Needs::Training => training::require_begun(&opening.root)?,
        Needs::Partition => search::require_begun(&opening.root, &opening.config)?,
        Needs::Nothing | Needs::Cohort => {}
    }
    let (run, config) = opening.take()?;
    run.describe(config.seed, &place.to_string(), rayon::current_num_threads())?;
    let scans = match given {
        Some(scans) => scans,
        None => {
            if needs == Needs::Nothing {
                stage(&run, "phantom", || Ok((synthetic::run(&run, &config)?, ())))?;
            }
            Scans::find(&config, run.root())?
        }
    };
    stage(&run, "cohort", || Ok((scans.record(&run)?, ())))?;
    for case in scans.left_out() {
        say(format!("cohort: {} left out: {}", case.case, case.why));
    }
    Ok(Session { run, config, scans, device })
}

/// `reproduce`: all of it.
///
/// # Errors
/// What any stage meets.
pub fn reproduce(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    several::reproduce(find(args)?, place)
}

/// All of one run.
///
/// # Errors
/// What any stage meets.
pub(super) fn reproduce_one(opening: Opening, place: &Place) -> anyhow::Result<()> {
    let session = open(opening, place, Needs::Nothing)?;
    stage(&session.run, "train", || Ok((training::run(&session)?, ())))?;
    let network = Network::best(&session)?;
    search_grid(&session, &network)?;
    let partition = search::selected(&session)?;
    divide(&session, &partition)?;
    if wants_learned(&session) {
        train_fill(&session, &network, &partition)?;
    }
    score_all(&session, &network, &partition)?;
    leftovers::sweep(&session, &partition)?;
    stage(&session.run, "evaluate", || Ok((numbers::run(&session)?, ())))?;
    stage(&session.run, "report", || Ok((figures::run(&session)?, ())))?;
    say("");
    say(terminal_table(&numbers::summary(&session)?)?);
    say(format!("report: {}", session.run.path(figures::REPORT).display()));
    Ok(())
}

/// `phantom`: the synthetic cohort alone.
///
/// # Errors
/// A folder that can't be written to.
pub fn phantom(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    place.open()?;
    let (run, config) = find(args)?.take()?;
    run.describe(config.seed, &place.to_string(), rayon::current_num_threads())?;
    stage(&run, "phantom", || Ok((synthetic::run(&run, &config)?, ())))
}

/// `train`: the classifier.
///
/// # Errors
/// What the cohort and training meet.
pub fn train(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Cohort)?;
    stage(&session.run, "train", || Ok((training::run(&session)?, ())))
}

/// `grid`: Table 3, and the partition that it selects.
///
/// # Errors
/// A classifier that is not trained, and what the search meets.
pub fn grid(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Training)?;
    search_grid(&session, &Network::best(&session)?)
}

/// `regions`: the selected partition of every case that needs one.
///
/// # Errors
/// A grid that is needed and not there.
pub fn regions(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Partition)?;
    divide(&session, &search::selected(&session)?)
}

/// `perturb-train`: the learned fill.
///
/// # Errors
/// What it needs and is not there, and what training meets.
pub fn perturb_train(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Training)?;
    let network = Network::best(&session)?;
    train_fill(&session, &network, &search::selected(&session)?)
}

/// `score`: scores and maps.
///
/// # Errors
/// What it needs and is not there, and what scoring meets.
pub fn score(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Training)?;
    let network = Network::best(&session)?;
    score_all(&session, &network, &search::selected(&session)?)
}

/// `evaluate`: tables and summary.
///
/// # Errors
/// Scores or maps that are not there.
pub fn evaluate(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Training)?;
    stage(&session.run, "evaluate", || Ok((numbers::run(&session)?, ())))?;
    say(terminal_table(&numbers::summary(&session)?)?);
    Ok(())
}

/// `report`: figures and report.html.
///
/// # Errors
/// Numbers that are not there.
pub fn report(args: RunRequest, place: &Place) -> anyhow::Result<()> {
    let session = open(find(args)?, place, Needs::Training)?;
    numbers::require(&session)?;
    stage(&session.run, "report", || Ok((figures::run(&session)?, ())))?;
    say(format!("report: {}", session.run.path(figures::REPORT).display()));
    Ok(())
}

fn wants_learned(session: &Session) -> bool {
    session.config.evaluate.fills.contains(&Method::Learned)
}

fn search_grid(session: &Session, network: &Network) -> anyhow::Result<()> {
    stage(&session.run, "grid", || Ok((search::run(session, network)?, ())))?;
    let partition = search::selected(session)?;
    say(format!("grid: {} it is", partition.name()));
    Ok(())
}

fn divide(session: &Session, partition: &Partition) -> anyhow::Result<()> {
    let scored = session.scored_cases().into_iter().map(|case| case.case.clone());
    let mut cases: Vec<String> = scored.collect();
    if wants_learned(session) {
        cases.extend(learned::cases(session));
    }
    stage(&session.run, "regions", || Ok((partition::run(session, partition, &cases)?, ())))
}

fn train_fill(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<()> {
    stage(&session.run, "perturb-train", || Ok((learned::run(session, network, partition)?, ())))
}

fn score_all(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<()> {
    let learned = match wants_learned(session) {
        true => Some(Learned::load(session, network, partition)?),
        false => None,
    };
    let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: learned.as_ref() };
    stage(&session.run, "score", || Ok((scores::run(session, &scorer, partition)?, ())))?;
    stage(&session.run, "diffuse", || Ok((diffuse::run(session, partition)?, ())))?;
    stage(&session.run, "explain", || Ok((explain::run(session, network, partition)?, ())))?;
    stage(&session.run, "focus", || Ok((focus::run(session, partition)?, ())))?;
    stage(&session.run, "maps", || Ok((maps::run(session, network, partition)?, ())))?;
    stage(&session.run, "faithfulness", || Ok((faithfulness::run(session, network, partition)?, ())))
}
