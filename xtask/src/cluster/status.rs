//! State of a run that is divided into shards, read from its folder: tasks that are done, failed and left.

use relevox::cli::print_result;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::StageState;
use relevox_experiment::steps::{TaskState, task_state};
use serde_json::{Value, json};

use super::Job;

/// Numbers of tasks by state, and lines about those that did not end well.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    done: usize,
    started: usize,
    failed: usize,
    left: usize,
    lines: Vec<String>,
}

impl Counts {
    fn add(&mut self, task: &str, state: TaskState) {
        let record = match state {
            TaskState::Done => return self.done += 1,
            TaskState::Left => return self.left += 1,
            TaskState::Other(record) => record,
        };
        let host = record.host.as_deref().unwrap_or("a host without a name");
        let by = match &record.job {
            Some(job) => format!("job {job} on {host}"),
            None => format!("process {} on {host}", record.process),
        };
        let error = record.error.as_deref().unwrap_or_default();
        match record.state {
            StageState::Done => self.done += 1,
            StageState::Started => {
                self.started += 1;
                self.lines.push(format!("{task}: running, or killed: {by}"));
            }
            StageState::Failed => {
                self.failed += 1;
                self.lines.push(format!("{task}: failed: {by}: {error}"));
            }
            // The same command goes on later.
            StageState::Interrupted | StageState::NotReady => {
                self.left += 1;
                self.lines.push(format!("{task}: {error} ({by})"));
            }
        }
    }
}

/// Prints a line for each step, a line for each task that did not end well, and the numbers of tasks as JSON.
///
/// # Errors
/// Returns an error that names the file if one can't be read.
pub fn print(job: &Job) -> anyhow::Result<()> {
    let mut totals = Counts::default();
    let mut steps: Vec<Value> = Vec::new();
    for step in &job.steps {
        let mut counts = Counts::default();
        for shard in step.tasks() {
            let task = match shard {
                Some(shard) => format!("{} {shard}", step.name()),
                None => step.name(),
            };
            counts.add(&task, task_state(&job.root, &job.config, step, shard)?);
        }
        let Counts { done, started, failed, left, lines } = counts;
        let all = done + started + failed + left;
        print_status(format!(
            "{:<14} {done:>4} of {all} done, {started} started, {failed} failed, {left} left",
            step.name()
        ));
        lines.iter().for_each(|line| print_status(format!("    {line}")));
        steps.push(json!({
            "step": step.name(), "stages": step.stages_option(), "done": done, "started": started, "failed": failed, "left": left,
        }));
        totals.done += done;
        totals.started += started;
        totals.failed += failed;
        totals.left += left;
    }
    let Counts { done, started, failed, left, .. } = totals;
    print_result(&json!({
        "run": job.root.display().to_string(),
        "done": done, "started": started, "failed": failed, "left": left,
        "steps": steps,
    }))
}
