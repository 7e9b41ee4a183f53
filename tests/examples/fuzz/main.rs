//! Searches for inputs that make a reader panic, hang, allocate too much or return an invalid result.
//!
//!     cargo run --release -p relevox-tests --example fuzz -- TARGET|all SECONDS SEED
//!
//! Seeds are built in code and mutated; the same arguments visit the same inputs in the same order. An input that is
//! found is written to the current folder as `fuzz-TARGET-N.bin`, and the exit code is 1. To search another reader, add
//! it to [`TARGETS`].

#![allow(clippy::print_stdout, reason = "the result of a program")]

#[path = "../../../crates/volume/tests/memory/allocations.rs"]
mod allocations;
mod files;
mod mutate;
mod nifti;
mod onnx;
mod settings;
mod tables;
mod weights;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// A reader to search.
struct Target {
    name: &'static str,
    /// Whether seeds are text.
    is_text: bool,
    seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input, or returns what is wrong with the result.
    read: fn(&[u8]) -> Result<Read, String>,
}

/// An input that was read or refused, as it should be.
struct Read {
    decoded_bytes: usize,
    accepted: bool,
}

const TARGETS: [Target; 14] = [
    Target { name: "nifti", is_text: false, seeds: nifti::seeds, read: nifti::read },
    Target { name: "gzip", is_text: false, seeds: nifti::compressed_seeds, read: nifti::read },
    Target { name: "compressed", is_text: false, seeds: nifti::seeds, read: nifti::read_compressed },
    Target { name: "labels", is_text: false, seeds: nifti::label_seeds, read: nifti::read_labels },
    Target { name: "files", is_text: false, seeds: nifti::seeds, read: files::read },
    Target { name: "manifest", is_text: true, seeds: tables::manifest_seeds, read: tables::read_manifest },
    Target { name: "name_mapping", is_text: true, seeds: tables::mapping_seeds, read: tables::read_mapping },
    Target {
        name: "participants",
        is_text: true,
        seeds: tables::participant_seeds,
        read: tables::read_participants,
    },
    Target { name: "data_set", is_text: true, seeds: tables::data_set_seeds, read: tables::read_data_set },
    Target {
        name: "contract",
        is_text: true,
        seeds: settings::contract_seeds,
        read: settings::read_contract,
    },
    Target { name: "config", is_text: true, seeds: settings::config_seeds, read: settings::read_config },
    Target { name: "safetensors", is_text: false, seeds: weights::safetensors_seeds, read: weights::read },
    Target { name: "pickle", is_text: false, seeds: weights::pickle_seeds, read: weights::read },
    Target { name: "onnx", is_text: false, seeds: onnx::seeds, read: onnx::read },
];

/// Memory that a reader may use whatever the size of its input: its buffers.
const FIXED_BYTES: usize = 1 << 20;
/// Memory in use relative to the decoded size of the input.
const LARGEST_RATIO: usize = 4;
const SLOW: Duration = Duration::from_secs(5);
/// A reader that is still running then is ended.
const HANG: Duration = Duration::from_secs(30);
const MOST_FINDINGS: usize = 20;

/// Inputs read so far, for the thread that watches for a hang.
static DONE: AtomicU64 = AtomicU64::new(0);
/// Whether a panic is a finding, which is not printed by the hook.
static READING: AtomicBool = AtomicBool::new(false);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let usage = "usage: fuzz TARGET|all SECONDS SEED";
    let [name, seconds, seed] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err(usage.into());
    };
    let targets: Vec<&Target> = TARGETS.iter().filter(|t| name == "all" || name == t.name).collect();
    if targets.is_empty() {
        return Err(format!("{usage}; targets: {}", TARGETS.map(|t| t.name).join(", ")).into());
    }
    let (seconds, seed): (u64, u64) = (seconds.parse()?, seed.parse()?);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !READING.load(Ordering::Relaxed) {
            report(panic);
        }
    }));
    watch();
    let mut findings = 0;
    for target in targets {
        findings += search(target, Duration::from_secs(seconds), seed)?;
    }
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ends the program if no input is finished for a while.
fn watch() {
    thread::spawn(|| {
        let mut last = DONE.load(Ordering::Relaxed);
        loop {
            thread::sleep(HANG);
            let done = DONE.load(Ordering::Relaxed);
            if done == last {
                println!("hang: input {done} takes more than {} s", HANG.as_secs());
                std::process::exit(1);
            }
            last = done;
        }
    });
}

/// Searches one target, and returns the number of inputs found.
fn search(target: &Target, time: Duration, seed: u64) -> Result<usize, Box<dyn Error>> {
    let seeds = (target.seeds)();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let start = Instant::now();
    let (mut inputs, mut accepted, mut findings, mut largest) = (0_u64, 0_u64, 0, 0.0_f64);
    while start.elapsed() < time && findings < MOST_FINDINGS {
        let index = inputs as usize;
        let input = match seeds.get(index) {
            Some(seed) => seed.clone(),
            None => {
                let [one, other] = std::array::from_fn(|_| &seeds[rng.random_range(0..seeds.len())]);
                mutate::mutate(&mut rng, one, other, target.is_text)
            }
        };
        let begun = Instant::now();
        READING.store(true, Ordering::Relaxed);
        let (result, used) = allocations::peak(|| catch_unwind(AssertUnwindSafe(|| (target.read)(&input))));
        READING.store(false, Ordering::Relaxed);
        inputs += 1;
        DONE.fetch_add(1, Ordering::Relaxed);
        let wrong = match result {
            Err(panic) => Some(format!("panic: {}", message(&*panic))),
            Ok(Err(wrong)) => Some(wrong),
            Ok(Ok(Read { decoded_bytes: decoded, accepted: was_accepted })) => {
                accepted += u64::from(was_accepted);
                let beyond = used.saturating_sub(FIXED_BYTES);
                largest = largest.max(beyond as f64 / decoded.max(1) as f64);
                let too_much = beyond > LARGEST_RATIO * decoded;
                too_much.then(|| format!("{used} bytes in use for {decoded} decoded bytes"))
            }
        };
        let slow = || (begun.elapsed() > SLOW).then(|| format!("{:?}", begun.elapsed()));
        if let Some(wrong) = wrong.or_else(slow) {
            let path = format!("fuzz-{}-{findings}.bin", target.name);
            std::fs::write(&path, &input)?;
            println!("{}: input {}: {wrong} ({path})", target.name, inputs - 1);
            findings += 1;
        }
    }
    println!(
        "{}: {inputs} inputs ({accepted} accepted), {findings} findings, {:.0} s, at most {largest:.2} times \
         the decoded size in use beyond {FIXED_BYTES} bytes",
        target.name,
        start.elapsed().as_secs_f64(),
    );
    Ok(findings)
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a message").to_owned()
}
