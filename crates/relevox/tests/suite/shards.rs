//! Several processes on one run folder, each with a share of a stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{assert_same_tree, made, refuse, relevox, stderr, succeed, tiny, tree};
use serde_json::Value;

/// Steps of a run: stages, and whether shards divide them. Stages of one step have no work that needs all shares of another.
const STEPS: [(&str, bool); 13] = [
    ("cohort", false),
    ("train", true),
    ("train", false),
    ("grid", true),
    ("grid", false),
    ("regions", true),
    ("perturb-train", true),
    ("score", true),
    ("select", false),
    ("diffuse,pool,explain,focus", true),
    ("pool", false),
    ("maps,faithfulness", true),
    ("evaluate,report", false),
];

/// Two networks, so that training has something to divide.
const NETWORKS: [&str; 2] = ["--set", "classifier.networks=2"];

fn stage(run: &Path, stages: &str, shard: Option<&str>, more: &[&str]) -> Command {
    let mut arguments = vec!["--stage", stages, "--threads", "1"];
    arguments.extend(shard.iter().flat_map(|shard| ["--shard", shard]));
    arguments.extend(more);
    let mut command = tiny("reproduce", run, &arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs all shards of stages at the same time.
fn together(run: &Path, stages: &str, shards: usize, more: &[&str]) -> Vec<Output> {
    let start = |number| stage(run, stages, Some(&format!("{number}/{shards}")), more).spawn().unwrap();
    let children: Vec<Child> = (1..=shards).map(start).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

/// Files of a run but for those that contain times: the manifest, and the records of stages.
fn artefacts(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = tree(run);
    files.retain(|path, _| !path.iter().any(|part| part == "stages") && !path.ends_with("manifest.json"));
    files
}

fn record(run: &Path, name: &str) -> Value {
    let path = run.join("stages").join(name);
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|_| panic!("no {}", path.display()))).unwrap()
}

#[test]
fn three_processes_at_the_same_time_make_the_bytes_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, shared] = ["whole", "shared"].map(|name| folder.path().join(name));
    succeed(tiny("reproduce", &whole, &NETWORKS));
    for (stages, divided) in STEPS {
        if !divided {
            succeed(stage(&shared, stages, None, &NETWORKS));
            continue;
        }
        let outputs = together(&shared, stages, 3, &NETWORKS);
        let mut totals: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for output in &outputs {
            assert!(output.status.success(), "{stages}: {}", stderr(output));
            for (stage, count) in made(output) {
                totals.entry(stage.split(' ').next().unwrap().to_owned()).or_default().push(count);
            }
        }
        for (stage, counts) in totals {
            assert_eq!(counts.len(), 3);
            let workers = counts.iter().filter(|count| **count > 0).count();
            // A single case has measures of faithfulness, and a single fill is trained of each kind.
            let expected = if stage == "faithfulness" { 1 } else { 2 };
            assert!(workers >= expected, "{stage}: the shards made {counts:?}");
            let records = (1..=3).map(|number| record(&shared, &format!("{stage}/{number}-of-3.json")));
            let recorded: Vec<u64> = records
                .inspect(|record| assert_eq!(record["state"], "done"))
                .map(|record| record["made"].as_u64().unwrap())
                .collect();
            assert_eq!(recorded, counts.iter().map(|count| *count as u64).collect::<Vec<_>>());
        }
    }
    assert_same_tree(&artefacts(&shared), &artefacts(&whole));
    let verified = succeed(relevox(&["verify", shared.to_str().unwrap()]));
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(
        (&verified["foreign"], &verified["unfinished"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    // What the shards made is all that a command without them makes.
    let again = made(&succeed(tiny("reproduce", &shared, &NETWORKS)));
    assert!(again.values().all(|count| *count == 0), "{again:?}");
}

#[test]
fn a_shard_that_comes_too_early_is_not_ready_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let early = |stages: &str, part: &str| {
        let output = stage(&run, stages, Some("1/2"), &[]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{stages}: {said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("error: not ready: ") && last.contains(part), "{stages}: {last}");
    };
    early("train", "run.toml: not found; run `relevox reproduce --stage cohort` first");
    assert!(!run.exists());
    for (at, (stages, divided)) in STEPS.into_iter().enumerate().take(10) {
        // The step after the next one that is not divided has to wait for it.
        let later = STEPS[at + 1..].iter().find(|(_, divided)| *divided);
        if let (false, Some((later, _))) = (divided, later)
            && at > 0
        {
            let before = artefacts(&run);
            early(later, "; ");
            assert_same_tree(&artefacts(&run), &before);
            let state = record(&run, &format!("{}/1-of-2.json", later.split(',').next().unwrap()));
            assert_eq!(state["state"], "not-ready");
        }
        if divided {
            let outputs = together(&run, stages, 2, &[]);
            assert!(
                outputs.iter().all(|output| output.status.success()),
                "{stages}: {}",
                stderr(&outputs[0])
            );
        } else {
            succeed(stage(&run, stages, None, &[]));
        }
    }
    // The other shard's cases have no diffused scores yet: pooling needs them, and the first shard's own stage does not.
    let other = stage(&run, "maps", Some("1/2"), &[]).output().unwrap();
    assert_eq!(other.status.code(), Some(3), "{}", stderr(&other));
}

#[test]
fn a_killed_shard_is_started_again_while_its_former_process_may_still_run() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, shared] = ["whole", "shared"].map(|name| folder.path().join(name));
    succeed(tiny("reproduce", &whole, &[]));
    for (step, (stages, divided)) in STEPS.into_iter().enumerate() {
        if !divided {
            succeed(stage(&shared, stages, None, &[]));
            continue;
        }
        // One process is killed at some point; then two have the same share at once, as after a host that was believed lost.
        let mut killed = stage(&shared, stages, Some("1/2"), &[]).spawn().unwrap();
        sleep(Duration::from_millis(60 * step as u64));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let twins =
            ["1/2", "1/2", "2/2"].map(|shard| stage(&shared, stages, Some(shard), &[]).spawn().unwrap());
        for child in twins {
            let output = child.wait_with_output().unwrap();
            // What the twin is writing may not be ready.
            assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {}", output.status, stderr(&output));
        }
        for output in together(&shared, stages, 2, &[]) {
            assert!(output.status.success(), "{stages}: {}", stderr(&output));
        }
    }
    assert_same_tree(&artefacts(&shared), &artefacts(&whole));
}

#[test]
fn folds_are_divided_too() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, shared] = ["whole", "shared"].map(|name| folder.path().join(name));
    let folds = ["--set", "cohort.folds=3", "--set", "explain.methods=[]", "--set", "pool.methods=[]"];
    succeed(tiny("reproduce", &whole, &folds));
    for (stages, divided) in STEPS.into_iter().take(5) {
        if !divided {
            succeed(stage(&shared, stages, None, &folds));
            continue;
        }
        for output in together(&shared, stages, 3, &folds) {
            assert!(output.status.success(), "{stages}: {}", stderr(&output));
            if stages == "train" {
                let said = stderr(&output);
                assert_eq!(said.matches(": 1 made, 0 current").count(), 1, "{said}");
            }
        }
    }
    // The rest of each fold, and the results of all.
    let rest =
        "regions,perturb-train,score,select,diffuse,pool,explain,focus,maps,faithfulness,evaluate,report";
    succeed(stage(&shared, rest, None, &folds));
    assert_same_tree(&artefacts(&shared), &artefacts(&whole));
}

#[test]
fn shards_of_what_cannot_be_divided_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    refuse(
        stage(&run, "score,evaluate", Some("1/2"), &[]),
        &["--shard: expected stages that shards can divide (train, grid, ", "found evaluate"],
    );
    for (shard, more) in
        [("3/2", &[][..]), ("0/2", &[]), ("1", &[]), ("1/2", &["--fresh"]), ("1/2", &["--update"])]
    {
        let output = stage(&run, "score", Some(shard), more).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{shard} {more:?}: {}", stderr(&output));
    }
    let output = tiny("reproduce", &run, &["--shard", "1/2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("--stage"), "{}", stderr(&output));
    assert!(!run.exists());

    // A shard does not change the configuration of a run.
    succeed(stage(&run, "cohort", None, &[]));
    let other = stage(&run, "train", Some("1/2"), &["--set", "classifier.epochs=3"]).output().unwrap();
    assert_eq!(other.status.code(), Some(3), "{}", stderr(&other));
    assert!(stderr(&other).contains("which a shard does not change"), "{}", stderr(&other));
}
