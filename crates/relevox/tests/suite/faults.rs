//! Faults of the machine during a run: each ends with one message, and the same command resumes after the fault is mended.

#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::harness::{self, assert_same_tree, files, made, refuse, relevox, stderr, succeed, tiny, tree};

/// Runs a shell script that ends with `"$@"`, in which the command stands.
fn through_shell(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    shell
}

/// Starts a command whose stderr goes to a file, and waits until that has a line with `text`.
fn start_until(mut command: Command, log: &Path, text: &str) -> Child {
    let mut child = command.stdout(Stdio::null()).stderr(File::create(log).unwrap()).spawn().unwrap();
    loop {
        let ended = child.try_wait().unwrap().is_some();
        let said = fs::read_to_string(log).unwrap();
        if said.contains(text) {
            return child;
        }
        assert!(!ended, "{text} was not printed: {said}");
        sleep(Duration::from_millis(2));
    }
}

/// Returns the exit code and the error of a command whose stderr went to a file: exactly one, on the last line.
#[track_caller]
fn ended(mut child: Child, log: &Path) -> (Option<i32>, String) {
    let code = child.wait().unwrap().code();
    let said = fs::read_to_string(log).unwrap();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(said.trim_end().ends_with(errors[0]) && !said.contains("panicked"), "{said}");
    (code, errors[0].to_owned())
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Flips the lowest bit of a file's middle byte and leaves its time.
fn flip(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    set_modified(path, time);
}

#[test]
fn a_limit_on_the_size_of_files_ends_a_run_that_then_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|name| folder.path().join(name));
    succeed(tiny("reproduce", &whole, &[]));
    let mut sizes: Vec<u64> = files(&whole).values().map(|bytes| bytes.len() as u64).collect();
    sizes.sort_unstable();
    // The largest file does not fit, then only some, so that different stages fail.
    for share in [50, 90, 99] {
        let blocks = sizes[sizes.len() * share / 100] / 512;
        // Without the signal, writes fail as those to a full disk do.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        refuse(through_shell(&script, &tiny("reproduce", &run, &[])), &["File too large", "run"]);
    }
    succeed(tiny("reproduce", &run, &[]));
    assert_same_tree(&tree(&run), &tree(&whole));
}

#[test]
fn a_full_disk_ends_a_run_that_then_resumes() {
    let namespace = ["--map-root-user", "--mount"];
    let mut mount = Command::new("unshare");
    mount.args(namespace).args(["mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no file system can be mounted in a namespace of its own");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [whole, disk, copy] = ["whole", "disk", "copy"].map(|name| folder.path().join(name));
    succeed(tiny("reproduce", &whole, &[]));
    fs::create_dir(&disk).unwrap();
    let bytes: u64 = files(&whole).values().map(|bytes| (bytes.len() as u64).next_multiple_of(4096)).sum();
    // Fails three times, each time with more room, and then has enough.
    let mut script = format!("mount -t tmpfs -o size=4k none {0} || exit 99\n", disk.display());
    for tenth in [2, 5, 8, 40] {
        script += &format!(
            "mount -o remount,size={} {} || exit 99\n\"$@\" 2>{}-{tenth}.log; echo $?\n",
            bytes * tenth / 10,
            disk.display(),
            copy.display()
        );
    }
    script += &format!("cp -a {} {}\n", disk.join("run").display(), copy.display());
    let inner = through_shell(&script, &tiny("reproduce", &disk.join("run"), &[]));
    let mut outer = Command::new("unshare");
    outer.args(namespace).arg(inner.get_program()).args(inner.get_args());
    let output = succeed(outer);
    let codes = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = |tenth: usize| fs::read_to_string(format!("{}-{tenth}.log", copy.display())).unwrap();
    assert_eq!(codes.split_whitespace().collect::<Vec<_>>(), ["2", "2", "2", "0"], "{}", log(8));
    for tenth in [2, 5, 8] {
        let said = log(tenth);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("No space left on device"), "{said}");
        assert!(said.trim_end().ends_with(errors[0]), "{said}");
    }
    assert_same_tree(&tree(&copy), &tree(&whole));
}

/// Lists a folder and those in it.
fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(folders(&path));
        }
    }
    found
}

#[test]
fn a_folder_that_becomes_read_only_ends_a_run_that_then_resumes() {
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    let [whole, run, log] = ["whole", "run", "log"].map(|name| folder.path().join(name));
    fs::create_dir(&run).unwrap();
    // Permissions do not bind root.
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    if is_root {
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        chown(&run, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let command = || {
        let mut command = tiny("reproduce", &run, &[]);
        if is_root {
            command.uid(NOBODY).gid(NOBODY).current_dir("/");
        }
        command
    };
    if command().arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("skipped: the program can't be started by another user than root");
        return;
    }
    succeed(tiny("reproduce", &whole, &[]));
    let child = start_until(command(), &log, "\ntrain: epoch 1/");
    let locked = folders(&run);
    for folder in &locked {
        fs::set_permissions(folder, PermissionsExt::from_mode(0o555)).unwrap();
    }
    let (code, error) = ended(child, &log);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("Permission denied"), "{error}");
    // It can't resume before the folder is writable.
    let again = command().stderr(File::create(&log).unwrap()).spawn().unwrap();
    let (code, error) = ended(again, &log);
    assert_eq!(code, Some(2), "{error}");
    for folder in &locked {
        fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    succeed(command());
    assert_same_tree(&tree(&run), &tree(&whole));
}

#[test]
fn records_and_inputs_damaged_on_the_disk_are_named_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeed(tiny("reproduce", &run, &[]));
    let expected = tree(&run);
    let sidecars = || expected.keys().filter(|path| path.to_string_lossy().ends_with(".made.json"));
    let first_of = |folder: &str| sidecars().find(|path| path.starts_with(folder)).unwrap().clone();
    for sidecar in [
        PathBuf::from("classifier.made.json"),
        "phantom.made.json".into(),
        "perturbation.made.json".into(),
        "grid.json.made.json".into(),
        first_of("regions"),
        first_of("scores"),
        first_of("maps"),
    ] {
        let path = run.join(&sidecar);
        let shown = path.display().to_string();
        File::options().write(true).open(&path).unwrap().set_len(30).unwrap();
        let verify = relevox(&["verify", run.to_str().unwrap()]).output().unwrap();
        assert_eq!(verify.status.code(), Some(2));
        assert!(stderr(&verify).contains(&format!("{shown}: can't be read")), "{}", stderr(&verify));
        let said = stderr(&succeed(tiny("reproduce", &run, &[])));
        assert!(said.contains(&format!("{shown}: expected the record of")), "{said}");
        assert_same_tree(&tree(&run), &expected);
    }
    // A trained classifier without a record is made again, and this is said.
    fs::remove_file(run.join("classifier.made.json")).unwrap();
    let said = stderr(&succeed(tiny("reproduce", &run, &[])));
    assert!(said.contains("classifier: has no record of what it was made from; making it again"), "{said}");
    assert_same_tree(&tree(&run), &expected);
    // A bit that flipped on the disk leaves size and time.
    for weights in ["classifier/best.safetensors", "perturbation/unet.safetensors"] {
        flip(&run.join(weights));
        refuse(tiny("reproduce", &run, &[]), &[weights, "was changed since it was made; remove it"]);
        fs::remove_file(run.join(weights)).unwrap();
        succeed(tiny("reproduce", &run, &[]));
        assert_same_tree(&tree(&run), &expected);
    }
}

#[test]
fn a_damaged_state_of_training_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, run, log] = ["whole", "run", "log"].map(|name| folder.path().join(name));
    // Enough time for a kill before the last epoch.
    let command = |out: &Path| tiny("reproduce", out, &["--set", "classifier.epochs=8"]);
    succeed(command(&whole));
    for damage in [|path: &Path| flip(path), |path: &Path| fs::write(path, b"half").unwrap()] {
        let _ = fs::remove_dir_all(&run);
        let mut child = start_until(command(&run), &log, "\ntrain: epoch 1/");
        let state = run.join("classifier/last.safetensors");
        while !state.exists() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!fs::read_to_string(&log).unwrap().contains("\ntrain: selected"), "killed too late");
        damage(&state);
        let said = stderr(&succeed(command(&run)));
        assert!(said.contains("last.safetensors: ") && said.contains("training again"), "{said}");
        assert_same_tree(&tree(&run), &tree(&whole));
    }
}

#[test]
fn times_in_the_past_or_future_change_nothing_and_hide_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeed(tiny("reproduce", &run, &[]));
    let expected = tree(&run);
    let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
    for time in [SystemTime::UNIX_EPOCH + day, now + 400 * day] {
        expected.keys().for_each(|name| set_modified(&run.join(name), time));
        let made = made(&succeed(tiny("reproduce", &run, &[])));
        assert!(made.values().all(|&count| count == 0), "{made:?}");
    }
    // The clock was ahead when the run was made. With the right time, changes are older than its records.
    expected.keys().for_each(|name| set_modified(&run.join(name), now + day));
    for name in ["report.html", "cases.json", "summary.json"] {
        let path = run.join(name);
        flip(&path);
        set_modified(&path, now);
    }
    let again = succeed(tiny("reproduce", &run, &[]));
    assert!(stderr(&again).contains("was changed since it was made"), "{}", stderr(&again));
    assert_same_tree(&tree(&run), &expected);
}

#[test]
fn of_two_runs_in_one_folder_the_second_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|name| folder.path().join(name));
    succeed(tiny("reproduce", &whole, &[]));
    let logs: Vec<PathBuf> = (0..4).map(|index| folder.path().join(format!("log-{index}"))).collect();
    let children: Vec<Child> = logs
        .iter()
        .map(|log| {
            let mut command = tiny("reproduce", &run, &[]);
            command.stdout(Stdio::null()).stderr(File::create(log).unwrap()).spawn().unwrap()
        })
        .collect();
    let mut successes = 0;
    for (mut child, log) in children.into_iter().zip(&logs) {
        if child.wait().unwrap().success() {
            successes += 1;
        } else {
            let (code, error) = ended(child, log);
            assert_eq!(code, Some(2), "{error}");
            assert!(error.contains("another command is using this run folder"), "{error}");
        }
    }
    assert!(successes >= 1);
    assert_same_tree(&tree(&run), &tree(&whole));
}

#[test]
fn a_scan_changed_during_a_run_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let [scans, whole, run, log] = ["scans", "whole", "run", "log"].map(|name| folder.path().join(name));
    harness::cohort(&scans, 12);
    let cohort = ["--cohort", scans.to_str().unwrap(), "--set", "classifier.epochs=12"];
    let crop = ["--set", "preprocess.crop=[16, 20, 16]"];
    let command = |out: &Path| tiny("reproduce", out, &[&cohort[..], &crop].concat());
    succeed(command(&whole));
    // After a kill in training, scans of the test split are read last: none is in memory while the training resumes.
    let mut child = start_until(command(&run), &log, "\ntrain: epoch 1/");
    child.kill().unwrap();
    child.wait().unwrap();
    let list = fs::read_to_string(run.join("cohort.csv")).unwrap();
    let test_case = list.lines().find(|line| line.split(',').nth(3) == Some("test")).unwrap();
    let scan = PathBuf::from(test_case.split(',').nth(4).unwrap());
    let (original, other) = (
        fs::read(&scan).unwrap(),
        fs::read(list.lines().nth(1).unwrap().split(',').nth(4).unwrap()).unwrap(),
    );
    assert_ne!(original, other);
    let child = start_until(command(&run), &log, "cohort: 0 made");
    fs::write(&scan, other).unwrap();
    let (code, error) = ended(child, &log);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains(scan.to_str().unwrap()) && error.contains("was changed while"), "{error}");
    fs::write(&scan, original).unwrap();
    succeed(command(&run));
    assert_same_tree(&tree(&run), &tree(&whole));
}

// Other systems do not enforce the limit.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_memory_ends_a_run_that_then_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|name| folder.path().join(name));
    succeed(tiny("reproduce", &whole, &[]));
    let mut exhausted = 0;
    // Until there is enough.
    for mebibytes in (80..2000).step_by(40) {
        let script = format!("ulimit -v {}; exec \"$@\"", mebibytes * 1024);
        let log = folder.path().join("log");
        let mut command = through_shell(&script, &tiny("reproduce", &run, &["--threads", "2"]));
        let mut child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        let (code, error) = ended(child, &log);
        if error.contains("more memory, found none") {
            assert_eq!(code, Some(2), "{error}");
            exhausted += 1;
        } else {
            // Threads can't be started.
            assert!(code == Some(1) && error.contains("thread"), "{mebibytes} MiB: {code:?} {error}");
        }
    }
    assert!(exhausted > 0);
    succeed(tiny("reproduce", &run, &[]));
    assert_same_tree(&tree(&run), &tree(&whole));
}
