//! The command line of the program `relevox`, which `cargo xtask` nests.

mod explain;
mod grids;
mod inspect;
mod labels;
mod library_error;
mod listed;
mod output;
mod run_args;
mod scans;
mod slic;
mod table;
mod verify;
mod view;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::{ExitStatus, exit_status, help, message};
use relevox_experiment::progress::print_status;
use relevox_experiment::{commands, interrupt, memory, program};
use relevox_models::Precision;

pub use explain::ExplainArgs;
pub use inspect::InspectArgs;
pub use run_args::{ReproduceArgs, RunArgs};
pub use slic::SlicArgs;
pub use verify::VerifyArgs;
pub use view::ViewArgs;

/// Licences of the packages that the program contains, made by `cargo xtask licenses`.
pub const LICENSES: &str = include_str!("licenses.txt");

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Where networks run: cpu, cuda, cuda:N or metal.
    #[arg(long, global = true, default_value = "cpu")]
    pub device: String,
    /// Precision of convolutions on CUDA: f32 (as on the CPU), tf32 or bf16.
    #[arg(long, global = true, default_value = "f32", value_name = "f32|tf32|bf16")]
    pub precision: Precision,
    /// Number of threads [default: one per core]. Results do not depend on it.
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Computes with AVX2 and FMA on all x86-64 processors, so that results do not depend on the processor; slower on those with
    /// AVX-512. Not for networks that ONNX Runtime runs.
    #[arg(long, global = true)]
    pub portable: bool,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the whole experiment: every stage below that is not done yet, then the report. Or some stages, or a share of them.
    Reproduce(ReproduceArgs),
    /// Generates the synthetic cohort in BraTS's layout.
    Phantom(RunArgs),
    /// Trains the classifier on the cohort.
    Train(RunArgs),
    /// Scores partitions of different sequences and sizes (Table 3) and selects one on the validation split.
    Grid(RunArgs),
    /// Computes the selected partition of each case.
    Regions(RunArgs),
    /// Trains the learned fills on the selected partition.
    PerturbTrain(RunArgs),
    /// Scores the selected partition with every fill and explainer, and computes relevance maps and their faithfulness.
    Score(RunArgs),
    /// Computes tables and summary.json from scores and maps.
    Evaluate(RunArgs),
    /// Draws the figures and writes report.html.
    Report(RunArgs),
    /// Compares the files of a run with what was written: lists files that are missing, were changed, or belong to no artefact.
    ///
    /// Every command compares sizes, and contents of files that are newer than their record; this compares all contents.
    Verify(VerifyArgs),
    /// Describes scans, a case or a cohort, and what a network's contract would do with them; needs no network.
    Inspect(InspectArgs),
    /// Segments a NIfTI volume into supervoxels; needs no run.
    Slic(SlicArgs),
    /// Explains cases, or a tensor, with given weights; needs no run.
    ///
    /// Writes relevance maps and masks on the scan's own grid, tables, a picture, and an interactive viewer page. The network's input is
    /// described by a contract: in the checkpoint's metadata (of weights trained by this program), in MODEL.input.toml
    /// next to the model, or in the file of --input. A model without one is refused, with an example. Properties that cannot be
    /// read from weights (stem stride, max pool) are in the contract's table `network`.
    Explain(Box<ExplainArgs>),
    /// Opens the page of an explanation in a browser, or makes one from scans and a map on one grid.
    ///
    /// `view DIR` opens DIR/index.html. `view SCAN… MAP -o OUT.html` writes a page that shows the map over the scans; the
    /// files can have any orientation but must share their grid. Pages hold their data and connect to no network.
    View(ViewArgs),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// Any failure; [`exit_status`] classifies it.
    pub fn run(self, options: &DeviceOptions) -> anyhow::Result<()> {
        match self {
            Self::Reproduce(args) => {
                let (run, part) = args.split();
                commands::reproduce(run, &part, options)
            }
            Self::Phantom(args) => commands::phantom(args.into(), options),
            Self::Train(args) => commands::train(args.into(), options),
            Self::Grid(args) => commands::grid(args.into(), options),
            Self::Regions(args) => commands::regions(args.into(), options),
            Self::PerturbTrain(args) => commands::perturb_train(args.into(), options),
            Self::Score(args) => commands::score(args.into(), options),
            Self::Evaluate(args) => commands::evaluate(args.into(), options),
            Self::Report(args) => commands::report(args.into(), options),
            Self::Verify(args) => options.require_cpu("verify").and_then(|()| verify::run(&args)),
            Self::Slic(args) => options.require_cpu("slic").and_then(|()| slic::run(&args)),
            Self::Inspect(args) => options.require_cpu("inspect").and_then(|()| inspect::run(&args)),
            Self::Explain(args) => explain::run(&args, options),
            Self::View(args) => options.require_cpu("view").and_then(|()| view::run(&args)),
        }
    }
}

/// Starts the program `name`: allocator, Ctrl-C and threads; runs `command` on the device of the options; reports an
/// error on stderr and returns the exit code.
///
/// `parse` runs first, before there are threads.
pub fn start<C>(
    name: &'static str,
    parse: impl FnOnce() -> (GlobalArgs, C),
    command: impl FnOnce(C, &DeviceOptions) -> anyhow::Result<()>,
) -> ExitCode {
    memory::retain_freed();
    program::set_name(name);
    let (global, parsed) = parse();
    let run = || {
        interrupt::install_handler()?;
        let threads = usize::from(global.threads.unwrap_or(0));
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("starting threads")?;
        let GlobalArgs { device, precision, portable, .. } = global;
        let options = DeviceOptions { device, precision, portable };
        options.choose_instruction_set()?;
        command(parsed, &options)
    };
    match run() {
        Ok(()) => ExitStatus::Success.into(),
        Err(error) => {
            // The error is the last line.
            if let Some(help) = help(&error) {
                print_status(format!("help: {help}"));
            }
            print_status(format!("error: {}", message(&error)));
            exit_status(&error).into()
        }
    }
}

/// Prints a command's result: one JSON object, the last line of stdout.
///
/// # Errors
/// A closed stdout.
pub fn print_result(result: &serde_json::Value) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{result}")?;
    Ok(stdout.flush()?)
}

/// As [`print_result`], unless stdout is a terminal: for results that people have read as lines or find in a file.
///
/// # Errors
/// A closed stdout.
fn print_for_programs(result: &serde_json::Value) -> anyhow::Result<()> {
    if std::io::stdout().is_terminal() { Ok(()) } else { print_result(result) }
}

/// Prints a text for people on stdout.
///
/// # Errors
/// A closed stdout.
pub fn print_text(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
