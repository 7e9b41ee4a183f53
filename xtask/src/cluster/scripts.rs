//! Job scripts for Slurm, and the script that submits them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox::cli::RunArgs;
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::{ExitStatus, invalid_input};
use relevox_experiment::run::replace;
use relevox_experiment::steps::Step;

use super::Job;
use super::args::SlurmArgs;
use super::resources::{Measured, Resources, of_step};

/// Name of the script that submits the others.
pub const SUBMIT: &str = "submit.sh";

/// Returns the options that determine a run's configuration, with absolute paths.
///
/// # Errors
/// Returns an error if the working directory can't be read, or a path is not UTF-8.
pub fn run_options(run: &RunArgs) -> anyhow::Result<Vec<String>> {
    let absolute = |path: &Path| -> anyhow::Result<String> {
        let path = std::path::absolute(path)?;
        let text = path.to_str().with_context(|| format!("{}: expected a path in UTF-8", path.display()))?;
        Ok(text.to_owned())
    };
    let mut options = Vec::new();
    let mut add = |name: &str, value: String| options.extend([format!("--{name}"), value]);
    if let Some(profile) = run.profile {
        add("profile", profile.name().to_owned());
    }
    if let Some(file) = &run.config {
        add("config", absolute(file)?);
    }
    for pair in &run.set {
        add("set", pair.clone());
    }
    if let Some(cohort) = &run.cohort {
        add("cohort", absolute(cohort)?);
    }
    if let Some(seed) = run.seed {
        add("seed", seed.to_string());
    }
    if run.strict {
        options.push("--strict".to_owned());
    }
    Ok(options)
}

/// Writes a script for each step and one that submits them, and returns their paths.
///
/// # Errors
/// Returns an error if a file can't be written, or an option can't be part of a script.
pub fn write(
    job: &Job,
    args: &SlurmArgs,
    device: &DeviceOptions,
    first: &[String],
    folder: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let program = std::env::current_exe().context("finding this program")?;
    let measured = args.measured.as_deref().map(Measured::read).transpose()?.unwrap_or_default();
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
    let text = |path: &Path| -> anyhow::Result<String> {
        path.to_str()
            .map(ToOwned::to_owned)
            .with_context(|| format!("{}: expected a path in UTF-8", path.display()))
    };
    let mut written = Vec::new();
    for (at, step) in job.steps.iter().enumerate() {
        let mut command = vec![text(&program)?, "reproduce".to_owned()];
        command.extend(["--stage".to_owned(), step.stages_option(), "--out".to_owned(), text(&job.root)?]);
        if at == 0 {
            command.extend(first.iter().cloned());
        }
        command.extend(["--device".to_owned(), device.device.clone()]);
        command.extend(["--precision".to_owned(), device.precision.to_string()]);
        command.extend(device.portable.then(|| "--portable".to_owned()));
        let name = format!("{:02}-{}", at + 1, step.name());
        let script = Script {
            step,
            log: text(&logs.join(&name))?,
            command: joined(&command)?,
            resources: of_step(step, &measured, &args.memory, &args.time),
            cpus: args.cpus,
            further: &args.sbatch,
        };
        let path = folder.join(format!("{name}.sh"));
        replace(&path, script.text()?.as_bytes())?;
        written.push(path);
    }
    let path = folder.join(SUBMIT);
    replace(&path, submit_text(&written)?.as_bytes())?;
    written.push(path);
    Ok(written)
}

struct Script<'a> {
    step: &'a Step,
    log: String,
    command: String,
    resources: Resources,
    cpus: u16,
    further: &'a [String],
}

impl Script<'_> {
    fn text(&self) -> anyhow::Result<String> {
        let Resources { memory_mib, minutes } = self.resources;
        let (log, shard) = match self.step.shards {
            Some(count) => {
                (format!("{}-%a.log", self.log), format!(" --shard \"$SLURM_ARRAY_TASK_ID/{count}\""))
            }
            None => (format!("{}.log", self.log), String::new()),
        };
        let mut options = vec![format!("--job-name=relevox-{}", self.step.name()), format!("--output={log}")];
        if let Some(count) = self.step.shards {
            options.push(format!("--array=1-{count}"));
        }
        options.extend([
            format!("--cpus-per-task={}", self.cpus),
            format!("--mem={memory_mib}M"),
            format!("--time={}", minutes_text(minutes)),
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
        ]);
        options.extend(self.further.iter().cloned());
        let mut lines = vec!["#!/bin/bash".to_owned()];
        for option in options {
            if option.contains(['\n', '\r']) || !option.starts_with('-') {
                return Err(invalid_input(format!(
                    "--sbatch: expected an option on one line, such as --sbatch=--account=lab, found {option:?}"
                )));
            }
            lines.push(format!("#SBATCH {option}"));
        }
        let (command, not_ready) = (&self.command, ExitStatus::NotReady as u8);
        lines.push(format!(
            r#"
# A job that was killed at any point, or is started twice, ends with the same files. Exit code {not_ready}: files that others wrote are not
# visible here yet, as on network file systems that cache what a folder lacks.
for attempt in 1 2 3 4 5; do
    {command}{shard} --threads "$SLURM_CPUS_PER_TASK"
    code=$?
    [ "$code" -eq {not_ready} ] || break
    sleep "${{RELEVOX_WAIT:-30}}"
done
exit "$code""#
        ));
        Ok(lines.join("\n") + "\n")
    }
}

/// Returns the script that submits the others: each after all jobs of the one before it ended well.
fn submit_text(scripts: &[PathBuf]) -> anyhow::Result<String> {
    let mut lines = vec![
        "#!/bin/bash".to_owned(),
        "# Submits all steps, each after the one before it, and prints the numbers of their jobs.".to_owned(),
        "# Those that are done end at once.".to_owned(),
        "set -eu".to_owned(),
    ];
    for (at, path) in scripts.iter().enumerate() {
        let path = joined(&[path.display().to_string()])?;
        let after = if at == 0 { "" } else { " --kill-on-invalid-dep=yes --dependency=afterok:\"$job\"" };
        lines.push(format!("job=$(sbatch --parsable{after} {path})"));
        // `sbatch --parsable` appends the cluster's name on some sites.
        lines.push("job=${job%%;*}".to_owned());
        lines.push("echo \"$job\"".to_owned());
    }
    Ok(lines.join("\n") + "\n")
}

fn joined(words: &[String]) -> anyhow::Result<String> {
    shlex::try_join(words.iter().map(String::as_str)).context("writing a command for a shell")
}

/// Formats minutes as Slurm reads them.
fn minutes_text(minutes: u64) -> String {
    format!("{}:{:02}:00", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relevox_experiment::stage::Stage;

    fn text(shards: Option<usize>, further: &[&str]) -> anyhow::Result<String> {
        let further: Vec<String> = further.iter().map(ToString::to_string).collect();
        let step = Step { stages: vec![Stage::Maps, Stage::Faithfulness], shards };
        Script {
            step: &step,
            log: "/jobs/logs/12-maps".to_owned(),
            command: joined(&["/bin/relevox".to_owned(), "--out".to_owned(), "/my runs/a".to_owned()])
                .unwrap(),
            resources: Resources { memory_mib: 2048, minutes: 75 },
            cpus: 4,
            further: &further,
        }
        .text()
    }

    #[test]
    fn arrays_have_a_task_for_each_shard() {
        let script = text(Some(8), &["--account=lab"]).unwrap();
        for line in [
            "#SBATCH --array=1-8",
            "#SBATCH --output=/jobs/logs/12-maps-%a.log",
            "#SBATCH --mem=2048M",
            "#SBATCH --time=1:15:00",
            "#SBATCH --requeue",
            "#SBATCH --account=lab",
            "    /bin/relevox --out '/my runs/a' --shard \"$SLURM_ARRAY_TASK_ID/8\" --threads \"$SLURM_CPUS_PER_TASK\"",
        ] {
            assert!(script.lines().any(|found| found == line), "no {line} in {script}");
        }
        let whole = text(None, &[]).unwrap();
        assert!(!whole.contains("--array") && !whole.contains("--shard"), "{whole}");
    }

    #[test]
    fn options_that_would_end_the_line_are_refused() {
        for wrong in ["--account=lab\nrm", "account=lab"] {
            assert!(text(None, &[wrong]).unwrap_err().to_string().contains("--sbatch"), "{wrong}");
        }
    }

    #[test]
    fn each_step_waits_for_the_one_before() {
        let script = submit_text(&["/jobs/01-a.sh".into(), "/my jobs/02-b.sh".into()]).unwrap();
        let submitted: Vec<&str> = script.lines().filter(|line| line.contains("sbatch --parsable")).collect();
        assert_eq!(submitted[0], "job=$(sbatch --parsable /jobs/01-a.sh)");
        assert!(
            submitted[1].contains("--dependency=afterok:\"$job\" '/my jobs/02-b.sh')"),
            "{}",
            submitted[1]
        );
    }
}
