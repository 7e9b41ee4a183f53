//! Steps of a run that is divided into shards: stages that run together, and those that wait for them.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::run::{CONFIG, StageRecord, StageState, hash_file};
use crate::shard::Shard;
use crate::stage::Stage;
use crate::stages::learned;

/// Stages that run one after the other, by several shards at the same time or without a shard. A step needs all of the steps before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stages.
    pub stages: Vec<Stage>,
    /// Number of shards; `None` for a command without a shard.
    pub shards: Option<usize>,
}

impl Step {
    fn shared(stages: &[Stage], shards: usize) -> Self {
        Self { stages: stages.to_vec(), shards: Some(shards) }
    }

    fn whole(stages: &[Stage]) -> Self {
        Self { stages: stages.to_vec(), shards: None }
    }

    /// Names of the stages, as `--stage` takes them.
    pub fn stages_option(&self) -> String {
        self.stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(",")
    }

    /// Name for files and jobs: that of its first stage, with `-all` for what a stage does after its shards.
    pub fn name(&self) -> String {
        let first = self.stages.first().map_or("", |stage| stage.name());
        let after = self.shards.is_none() && self.stages.first().is_some_and(|stage| stage.has_shares());
        if after { format!("{first}-all") } else { first.to_owned() }
    }

    /// Shards of the step, or a single `None`.
    pub fn tasks(&self) -> Vec<Option<Shard>> {
        match self.shards {
            Some(count) => Shard::all(count).map(Some).collect(),
            None => vec![None],
        }
    }
}

/// Returns the steps of a configuration, with at most `shards` shards each.
pub fn steps(config: &Config, shards: usize) -> Vec<Step> {
    use Stage::{
        Cohort, Diffuse, Evaluate, Explain, Faithfulness, Focus, Grid, Maps, PerturbTrain, Pool, Regions,
        Report, Score, Select, Train,
    };
    let shards = shards.max(1);
    let runs = run_folders(config).len();
    let fills = learned::variants(config).len();
    let mut steps = vec![
        Step::whole(&[Cohort]),
        Step::shared(&[Train], shards.min(runs * config.classifier.networks)),
        Step::whole(&[Train]),
        Step::shared(&[Grid], shards),
        Step::whole(&[Grid]),
        Step::shared(&[Regions], shards),
    ];
    if fills > 0 {
        steps.push(Step::shared(&[PerturbTrain], shards.min(runs * fills)));
    }
    steps.push(Step::shared(&[Score], shards));
    steps.push(Step::whole(&[Select]));
    steps.push(Step::shared(&[Diffuse, Pool, Explain, Focus], shards));
    if !config.pool.methods.is_empty() {
        steps.push(Step::whole(&[Pool]));
    }
    steps.push(Step::shared(&[Maps, Faithfulness], shards));
    steps.push(Step::whole(&[Evaluate, Report]));
    steps
}

/// Returns the folders of a configuration's single runs, relative to its own: of each seed and each fold, or the folder itself.
pub fn run_folders(config: &Config) -> Vec<PathBuf> {
    let of_seeds: Vec<PathBuf> = match config.seeds.as_slice() {
        [] => vec![PathBuf::new()],
        seeds => seeds.iter().map(|seed| PathBuf::from(format!("seed-{seed}"))).collect(),
    };
    if config.cohort.folds == 0 || config.cohort.fold > 0 {
        return of_seeds;
    }
    let folds = 1..=config.cohort.folds;
    of_seeds.iter().flat_map(|seed| folds.clone().map(|fold| seed.join(format!("fold-{fold}")))).collect()
}

/// State of a step's task, according to the run's folder.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskState {
    /// Nothing was recorded of at least one of its stages, and no other state applies.
    Left,
    /// All of its stages are done, with the run's present configuration.
    Done,
    /// One of its stages has another state; the record of the latest one.
    Other(Box<StageRecord>),
}

/// Reads the state of a task from a run's folder.
///
/// # Errors
/// Returns an error that names the file if one can't be read.
pub fn task_state(
    root: &Path,
    config: &Config,
    step: &Step,
    shard: Option<Shard>,
) -> anyhow::Result<TaskState> {
    let mut all_done = true;
    for folder in run_folders(config) {
        let folder = root.join(folder);
        let text = folder.join(CONFIG);
        let config = if text.exists() { Some(hash_file(&text)?) } else { None };
        for stage in &step.stages {
            let of = |shard| -> anyhow::Result<Option<StageRecord>> {
                let record = StageRecord::read(&folder, stage.name(), shard)?;
                // What was done with another configuration is not what the run needs now.
                Ok(record.filter(|record| Some(&record.config) == config.as_ref()))
            };
            // A command without a shard also does what shards left.
            let whole = of(None)?.filter(|whole| shard.is_none() || whole.state == StageState::Done);
            match whole.map_or_else(|| of(shard), |whole| Ok(Some(whole)))? {
                Some(record) if record.state == StageState::Done => {}
                Some(record) => return Ok(TaskState::Other(Box::new(record))),
                None => all_done = false,
            }
        }
    }
    Ok(if all_done { TaskState::Done } else { TaskState::Left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Profile, Source};
    use crate::failure::Unavailable;
    use crate::run::{OpenMode, RunSpec};
    use crate::shard::Share;
    use crate::stages::work::{Work, run_stage};

    fn config(set: &[&str]) -> Config {
        let set = set.iter().map(ToString::to_string).collect();
        let layers = Layers { base: Some(Source::profile(Profile::Smoke)), set, ..Layers::default() };
        (*layers.resolve().unwrap().config).clone()
    }

    fn shards_of(steps: &[Step], stage: Stage) -> Vec<Option<usize>> {
        steps.iter().filter(|step| step.stages.contains(&stage)).map(|step| step.shards).collect()
    }

    #[test]
    fn steps_cover_all_stages_in_order_and_end_each_without_a_shard_where_it_is_needed() {
        for set in [&[][..], &["pool.methods=[]"], &["evaluate.fills=[\"blank\"]"], &["cohort.folds=3"]] {
            let config = config(set);
            let steps = steps(&config, 8);
            let stages: Vec<Stage> = steps.iter().flat_map(|step| step.stages.clone()).collect();
            assert!(steps.iter().all(|step| step.stages.is_sorted()));
            for stage in Stage::ALL {
                let expected = stage != Stage::PerturbTrain || !learned::variants(&config).is_empty();
                assert_eq!(stages.contains(&stage), expected, "{stage:?}");
                let found = shards_of(&steps, stage);
                assert_eq!(found.iter().any(Option::is_some), expected && stage.has_shares(), "{stage:?}");
                let pools = stage != Stage::Pool || !config.pool.methods.is_empty();
                assert_eq!(found.last() == Some(&None), pools && stage.has_whole(), "{stage:?}");
            }
            let firsts: Vec<Stage> = steps.iter().map(|step| step.stages[0]).collect();
            let names: std::collections::BTreeSet<String> = steps.iter().map(Step::name).collect();
            assert_eq!(names.len(), firsts.len(), "{names:?}");
        }
    }

    #[test]
    fn networks_and_fills_limit_the_shards_that_train_them() {
        let of = |set: &[&str], stage| shards_of(&steps(&config(set), 8), stage)[0];
        assert_eq!(of(&[], Stage::Train), Some(1));
        assert_eq!(of(&["classifier.networks=3"], Stage::Train), Some(3));
        assert_eq!(of(&["classifier.networks=3", "cohort.folds=5"], Stage::Train), Some(8));
        // The paper's, and its two variants.
        assert_eq!(of(&[], Stage::PerturbTrain), Some(3));
        assert_eq!(of(&[], Stage::Score), Some(8));
    }

    #[test]
    fn tasks_have_the_state_that_their_shard_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let open = |shard: Option<Shard>, set: &[&str]| {
            let set = set.iter().map(ToString::to_string).collect();
            let layers = Layers { base: Some(Source::profile(Profile::Smoke)), set, ..Layers::default() };
            let spec = RunSpec::resolve(folder.path().to_owned(), layers, OpenMode::Resume).unwrap();
            spec.recorded(Share { shard, run: 0 }).open().unwrap().0
        };
        let config = config(&[]);
        let step = Step::shared(&[Stage::Maps, Stage::Faithfulness], 5);
        let shards = step.tasks();
        let state = |shard| task_state(folder.path(), &config, &step, shard).unwrap();
        let recorded = |shard| match state(shard) {
            TaskState::Other(record) => (record.state, record.error),
            other => panic!("{other:?}"),
        };
        drop(open(None, &[]));
        assert!(shards.iter().all(|shard| state(*shard) == TaskState::Left));

        let work = || Ok((Work { made: 2, current: 1 }, ()));
        for shard in &shards[..2] {
            run_stage(&open(*shard, &[]), "maps", work).unwrap();
        }
        run_stage(&open(shards[1], &[]), "faithfulness", work).unwrap();
        assert_eq!([state(shards[0]), state(shards[1])], [TaskState::Left, TaskState::Done]);
        open(shards[2], &[]).start_stage("maps").unwrap();
        assert_eq!(recorded(shards[2]), (StageState::Started, None));
        let lacking = || Err::<(Work, ()), _>(Unavailable("grid.json: not found".to_owned()).into());
        assert!(run_stage(&open(shards[3], &[]), "maps", lacking).is_err());
        assert_eq!(
            recorded(shards[3]),
            (StageState::NotReady, Some("not ready: grid.json: not found".to_owned()))
        );
        let failing = || Err::<(Work, ()), _>(anyhow::anyhow!("a bug"));
        assert!(run_stage(&open(shards[4], &[]), "maps", failing).is_err());
        assert_eq!(recorded(shards[4]), (StageState::Failed, Some("a bug".to_owned())));

        // A command without a shard does what is left; what was done before another configuration has to be done again.
        let whole = open(None, &[]);
        run_stage(&whole, "maps", work).unwrap();
        run_stage(&whole, "faithfulness", work).unwrap();
        drop(whole);
        assert!(shards.iter().all(|shard| state(*shard) == TaskState::Done));
        drop(open(None, &["evaluate.bootstrap=321"]));
        assert!(shards.iter().all(|shard| state(*shard) == TaskState::Left));
    }

    #[test]
    fn runs_have_a_folder_for_each_seed_and_fold() {
        let of = |set: &[&str]| -> Vec<String> {
            run_folders(&config(set)).iter().map(|folder| folder.display().to_string()).collect()
        };
        assert_eq!(of(&[]), [""]);
        assert_eq!(of(&["cohort.folds=3"]), ["fold-1", "fold-2", "fold-3"]);
        assert_eq!(of(&["cohort.folds=3", "cohort.fold=2"]), [""]);
        let both = of(&["seeds=[7,8]", "cohort.folds=3"]);
        assert_eq!((both.len(), both[3].as_str()), (6, "seed-8/fold-1"));
    }
}
