//! Several cases in one call: one folder each, and those that are done are skipped.

use std::path::PathBuf;
use std::time::Instant;

use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::{ExitStatus, exit_status, invalid_input, message};
use relevox_experiment::interrupt;
use relevox_experiment::progress::{Progress, print_status};
use relevox_experiment::run::{hash_bytes, hash_file};
use relevox_volume::CaseFiles;
use serde_json::{Value, json};

use super::args::ExplainArgs;
use super::document;
use super::files;
use super::methods::FillOption;
use super::notes::Notes;
use super::one;
use super::pooled::Pool;
use super::scans::Scans;
use super::work::Work;
use crate::MethodSettings;
use crate::cli::print_result;
use crate::cli::scans::{FoundCases, ScansArgs};

/// Key of the document that identifies what it was computed from.
const REQUEST: &str = "request";

/// Explains every case into a folder of its own. A case whose files cannot be used is reported and left out. Returns the
/// summary for stdout.
///
/// # Errors
/// Returns an error if the network cannot be loaded, a result cannot be written, the classifier fails, or, once the others
/// are done, if a case failed.
pub(super) fn explain(work: &Work<'_>, device: &DeviceOptions, mut notes: Notes) -> anyhow::Result<Value> {
    let args = work.args;
    let scans = Scans::load(work, device, &mut notes)?;
    let sequences = scans.preprocess().sequences();
    let FoundCases { cases, patients, left_out } =
        args.scans.files(sequences, &mut |line| print_status(format!("warning: {line}")))?;
    for (case, reason) in &left_out {
        print_status(format!("warning: case {case} left out: {reason}"));
    }
    let options = options_key(args, &scans)?;
    let progress = Progress::start("explain", cases.len(), "cases");
    let start = Instant::now();
    let (mut explained, mut skipped) = (Vec::new(), Vec::new());
    let mut failed = left_out;
    let mut pool = if work.pooled.is_empty() { None } else { Some(Pool::new(work, &scans, patients)?) };
    for case in cases {
        interrupt::check()?;
        let id = case.id.clone();
        let folder = args.out.join(folder_name(&id));
        let request = json!(request(&options, &case)?);
        let documents = document::paths(work, &folder, &id);
        let is_done = |path: &PathBuf| {
            document::read(path).ok().flatten().is_some_and(|earlier| earlier[REQUEST] == request)
        };
        match documents.iter().all(is_done) {
            true => {
                if let Some(pool) = &mut pool {
                    pool.add_earlier(&case, &folder)?;
                }
                skipped.push(id);
            }
            false => {
                let mut own = notes.clone();
                let done = scans.open(work, case.clone(), &folder, &mut own).and_then(|subject| {
                    // An interruption must not leave documents of an earlier request next to new maps.
                    files::discard_earlier(&folder)?;
                    documents.iter().try_for_each(|path| document::discard(path))?;
                    let (explanation, _) = one::explain(work, &subject, &folder, own)?;
                    documents.iter().try_for_each(|path| document::add(path, REQUEST, &request))?;
                    pool.iter_mut().try_for_each(|pool| pool.add(&case, &folder, &subject, &explanation))
                });
                match done {
                    Ok(()) => explained.push(id),
                    Err(error) if exit_status(&error) == ExitStatus::InvalidInput => {
                        print_status(format!("warning: case {id} left out: {}", message(&error)));
                        failed.push((id, message(&error)));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        progress.advance(1);
    }
    drop(progress);
    if !skipped.is_empty() {
        let cases = if skipped.len() == 1 { "case was" } else { "cases were" };
        print_status(format!(
            "{} {cases} explained before with the same files and options: skipped",
            skipped.len()
        ));
    }
    let pooled = pool.map(Pool::finish).transpose()?;
    let mut result = json!({
        "explained": explained,
        "skipped": skipped,
        "failed": failed.iter().map(|(id, error)| json!({ "case": id, "error": error })).collect::<Vec<_>>(),
        "seconds": start.elapsed().as_secs_f64(),
    });
    if let Some(pooled) = pooled {
        result["pooled"] = pooled;
    }
    match failed.first() {
        None => Ok(result),
        Some((id, error)) => {
            print_result(&result)?;
            let cases = explained.len() + skipped.len() + failed.len();
            Err(invalid_input(format!(
                "{} of {cases} cases failed; the first is {id}: {error}",
                failed.len()
            )))
        }
    }
}

/// A case's folder.
fn folder_name(id: &str) -> PathBuf {
    PathBuf::from(id.replace(['/', '\\'], "_"))
}

/// Identifies options, weights and contract.
fn options_key(args: &ExplainArgs, scans: &Scans) -> anyhow::Result<String> {
    // Without what does not change the results.
    let same = ExplainArgs { scans: ScansArgs::default(), out: PathBuf::new(), memory: None, ..args.clone() };
    let mut files: Vec<&PathBuf> = args.weights.iter().chain(&args.labels).collect();
    if let Some(FillOption::Learned(unet)) = &args.methods.fill {
        files.push(unet);
    }
    let hashes: Vec<String> = files.into_iter().map(|path| hash_file(path)).collect::<anyhow::Result<_>>()?;
    // Settings without an option: a build with others does not count what an earlier one explained as done.
    let settings = MethodSettings::default();
    Ok(format!("{} {same:?} {settings:?} {} {hashes:?}", env!("CARGO_PKG_VERSION"), scans.key()))
}

/// Identifies what a case is computed from.
fn request(options: &str, case: &CaseFiles) -> anyhow::Result<String> {
    let mut text = options.to_owned();
    let outline = case.segmentation.iter().map(|file| ("outline", file));
    for (name, file) in case.sequences.iter().map(|(name, file)| (name.as_str(), file)).chain(outline) {
        // A file that cannot be read is reported when the case is.
        text += &format!("{name} {:?}", file.volume);
        text += &hash_file(file.path()).unwrap_or_default();
    }
    Ok(hash_bytes(text.as_bytes()))
}
