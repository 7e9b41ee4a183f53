//! Memory and time that jobs ask for.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context;
use relevox_experiment::stage::Stage;
use relevox_experiment::steps::Step;
use serde::Deserialize;

/// Memory in MiB that a job asks for without a measurement. docs/CLUSTER.md has the measurements that it leaves room for.
const MEMORY_MIB: u64 = 8 << 10;
/// The same for training, which caches scans.
const TRAINING_MEMORY_MIB: u64 = 16 << 10;
/// Minutes that a job may take without a measurement.
const MINUTES: u64 = 4 * 60;
/// The same for training.
const TRAINING_MINUTES: u64 = 24 * 60;
/// Factors between what was measured and what is asked for: cases differ, and so do hosts.
const ROOM: f64 = 2.0;
/// Least that is asked for.
const LEAST_MEMORY_MIB: u64 = 1 << 10;
const LEAST_MINUTES: u64 = 15;

/// Memory of the jobs of a step, or of all jobs, in MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory(OfStep<u64>);

/// Time limit of the jobs of a step, or of all jobs, in minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLimit(OfStep<u64>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct OfStep<T> {
    /// First stage of the step; `None` for all.
    stage: Option<Stage>,
    value: T,
}

impl<T> OfStep<T> {
    fn parse(text: &str, value: impl Fn(&str) -> Option<T>, expected: &str) -> Result<Self, String> {
        let wrong = || format!("expected {expected}, or the same after STEP=, found {text}");
        let (stage, rest) = match text.split_once('=') {
            None => (None, text),
            Some((name, rest)) => {
                let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
                (
                    Some(stage.ok_or_else(|| format!("{text}: expected the name of a stage, found {name}"))?),
                    rest,
                )
            }
        };
        Ok(Self { stage, value: value(rest).ok_or_else(wrong)? })
    }

    fn applies_to(&self, step: &Step) -> bool {
        self.stage.is_none_or(|stage| step.stages.contains(&stage))
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mebibytes = |text: &str| {
            let (number, factor) = match text.strip_suffix('G') {
                Some(number) => (number, 1 << 10),
                None => (text.strip_suffix('M')?, 1),
            };
            number.parse::<u64>().ok()?.checked_mul(factor).filter(|size| *size > 0)
        };
        OfStep::parse(text, mebibytes, "a size such as 8G or 500M").map(Self)
    }
}

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minutes = |text: &str| {
            let parts: Vec<u64> = text.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
            match parts.as_slice() {
                [hours, minutes, seconds] if *minutes < 60 && *seconds < 60 => {
                    Some(hours.checked_mul(60)? + minutes + seconds.div_ceil(60)).filter(|total| *total > 0)
                }
                _ => None,
            }
        };
        OfStep::parse(text, minutes, "a time such as 2:00:00").map(Self)
    }
}

/// Memory and time of the jobs of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Minutes.
    pub minutes: u64,
}

/// Costs of the stages of an earlier run.
#[derive(Debug, Default)]
pub struct Measured(BTreeMap<String, Cost>);

#[derive(Clone, Copy, Debug, Deserialize)]
struct Cost {
    seconds: f64,
    peak_memory_mib: Option<u64>,
}

impl Measured {
    /// Reads the manifest of a run.
    ///
    /// # Errors
    /// Returns an error that names the file if it can't be read.
    pub fn read(run: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Manifest {
            #[serde(default)]
            stages: BTreeMap<String, Cost>,
        }
        let path = run.join("manifest.json");
        let read = || anyhow::Ok(serde_json::from_slice::<Manifest>(&std::fs::read(&path)?)?);
        Ok(Self(read().with_context(|| format!("--measured: reading {}", path.display()))?.stages))
    }

    /// Returns what a step needs if it takes what its stages took, with room: the peak of any, and the time of all by shard.
    fn of(&self, step: &Step) -> Option<Resources> {
        let costs: Vec<Cost> =
            step.stages.iter().filter_map(|stage| self.0.get(stage.name()).copied()).collect();
        let peak = costs.iter().filter_map(|cost| cost.peak_memory_mib).max()?;
        let seconds: f64 = costs.iter().map(|cost| cost.seconds).sum();
        // Shards do not divide evenly: the largest can have one case more.
        let seconds = ROOM * seconds / step.shards.unwrap_or(1) as f64;
        Some(Resources {
            memory_mib: ((ROOM * peak as f64).ceil() as u64).max(LEAST_MEMORY_MIB),
            minutes: ((seconds / 60.0).ceil() as u64).max(LEAST_MINUTES),
        })
    }
}

/// Returns what the jobs of a step ask for: the last option that applies, else what was measured, else the default.
pub fn of_step(step: &Step, measured: &Measured, memory: &[Memory], time: &[TimeLimit]) -> Resources {
    let default = match step.stages.contains(&Stage::Train) || step.stages.contains(&Stage::PerturbTrain) {
        true => Resources { memory_mib: TRAINING_MEMORY_MIB, minutes: TRAINING_MINUTES },
        false => Resources { memory_mib: MEMORY_MIB, minutes: MINUTES },
    };
    let found = measured.of(step).unwrap_or(default);
    let option = |options: &mut dyn DoubleEndedIterator<Item = &OfStep<u64>>| {
        // One for the step counts more than one for all, wherever it stands.
        let applying: Vec<&OfStep<u64>> = options.filter(|option| option.applies_to(step)).collect();
        let of_step = applying.iter().rev().find(|option| option.stage.is_some());
        of_step.or(applying.last()).map(|option| option.value)
    };
    Resources {
        memory_mib: option(&mut memory.iter().map(|option| &option.0)).unwrap_or(found.memory_mib),
        minutes: option(&mut time.iter().map(|option| &option.0)).unwrap_or(found.minutes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(stages: &[Stage], shards: Option<usize>) -> Step {
        Step { stages: stages.to_vec(), shards }
    }

    #[test]
    fn sizes_and_times_are_parsed() {
        let memory = |text: &str| text.parse::<Memory>().map(|memory| (memory.0.stage, memory.0.value));
        assert_eq!(memory("8G"), Ok((None, 8192)));
        assert_eq!(memory("train=500M"), Ok((Some(Stage::Train), 500)));
        for wrong in ["8", "G", "0G", "-1G", "8T", "training=8G", "train=", "99999999999999999999G"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
        let time = |text: &str| text.parse::<TimeLimit>().map(|time| (time.0.stage, time.0.value));
        assert_eq!(time("2:00:01"), Ok((None, 121)));
        assert_eq!(time("score=0:30:00"), Ok((Some(Stage::Score), 30)));
        for wrong in ["2", "2:00", "0:00:00", "1:60:00", "a:00:00", "1:2:3:4"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_count_more_than_measurements_and_those_more_than_defaults() {
        let score = step(&[Stage::Score], Some(4));
        let of = |measured: &Measured, memory: &[&str]| {
            let memory: Vec<Memory> = memory.iter().map(|text| text.parse().unwrap()).collect();
            of_step(&score, measured, &memory, &[]).memory_mib
        };
        let cost = Cost { seconds: 7200.0, peak_memory_mib: Some(3000) };
        let measured = Measured(BTreeMap::from([("score".to_owned(), cost)]));
        assert_eq!(of(&Measured::default(), &[]), MEMORY_MIB);
        assert_eq!(of(&measured, &[]), 6000);
        assert_eq!(of(&measured, &["9G"]), 9216);
        assert_eq!(of(&measured, &["score=5G", "9G", "train=7G"]), 5120);
        assert_eq!(of_step(&score, &measured, &[], &[]).minutes, 60);
        let whole = step(&[Stage::Evaluate], None);
        assert_eq!(of_step(&whole, &measured, &[], &[]).minutes, MINUTES);
    }
}
