//! ONNX Runtime's shared library: where it is found, and its one environment of this process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;

use super::error::RuntimeError;

/// Names the library's file.
const VARIABLE: &str = "ORT_DYLIB_PATH";
/// Prints the libraries of Python's package, one a line. The working directory is not a place to import from.
const SCRIPT: &str = r#"
import sys
sys.path = [place for place in sys.path if place]
import glob, importlib.util, os
package = importlib.util.find_spec("onnxruntime")
for place in (package.submodule_search_locations or []) if package else []:
    for name in ("libonnxruntime.so*", "libonnxruntime.*dylib", "onnxruntime.dll"):
        for path in sorted(glob.glob(os.path.join(glob.escape(place), "capi", name))):
            print(path)
"#;

/// The loaded library.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) environment: Environment,
    /// Empty if it is not known.
    pub(super) version: String,
}

/// The library, once it is loaded. A process has one.
static LOADED: Mutex<Option<Library>> = Mutex::new(None);

/// Loads the library that `ORT_DYLIB_PATH` names, else that of Python's package.
///
/// # Errors
/// Returns [`RuntimeError::NotFound`] if there is none, and [`RuntimeError::Library`] if it cannot be used.
pub(super) fn load() -> Result<Library, RuntimeError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = &*loaded {
        return Ok(library.clone());
    }
    let library = open(&find()?)?;
    *loaded = Some(library.clone());
    Ok(library)
}

/// Loads a library. Telemetry is off, and messages that errors do not carry are dropped.
fn open(path: &Path) -> Result<Library, RuntimeError> {
    let refuse = |found: String| RuntimeError::Library { path: path.to_owned(), found };
    let environment = ort::init_from(path)
        .map_err(|error| refuse(error.to_string()))?
        .with_name("relevox")
        .with_telemetry(false)
        .with_logger(Arc::new(|_, _, _, _, _| {}))
        .build()
        .map_err(|error| refuse(error.to_string()))?;
    Ok(Library { environment, version: version(path) })
}

/// Returns the version in the name of the library's file, or an empty text.
fn version(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or(path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut numbers =
        name.split(|part: char| !part.is_ascii_digit() && part != '.').map(|part| part.trim_matches('.'));
    numbers.rfind(|part| part.contains('.')).unwrap_or_default().to_owned()
}

/// Returns the library's file.
fn find() -> Result<PathBuf, RuntimeError> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        // A name without a folder is looked up by the system.
        let is_name = path.components().count() == 1 && !path.exists();
        return Ok(if is_name { path } else { std::path::absolute(&path).unwrap_or(path) });
    }
    let mut asked = Vec::new();
    for python in pythons() {
        let printed = Command::new(&python)
            .args(["-X", "utf8", "-c", SCRIPT])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let Ok(printed) = printed else { continue };
        let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
        match printed.lines().map(str::trim).find(|line| !line.is_empty()) {
            Some(path) => return Ok(PathBuf::from(path)),
            None => asked.push(python.to_string_lossy().into_owned()),
        }
    }
    let searched = match &asked[..] {
        [] => format!("{VARIABLE} is not set, and there is no Python on PATH"),
        asked => format!(
            "{VARIABLE} is not set, and {} has no package onnxruntime 1.19 or newer",
            asked.join(" or ")
        ),
    };
    Err(RuntimeError::NotFound { searched })
}

/// Returns the interpreters to ask: that of the active virtual environment, and those on PATH.
fn pythons() -> Vec<OsString> {
    let inside = |folder: OsString| {
        Path::new(&folder).join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
    };
    let environment = std::env::var_os("VIRTUAL_ENV").filter(|folder| !folder.is_empty());
    let environment = environment.map(|folder| inside(folder).into_os_string());
    environment.into_iter().chain(["python3", "python"].map(OsString::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_file_s_name() {
        for name in ["/absent/libonnxruntime.so.1.31.1", "/absent/libonnxruntime.1.31.1.dylib"] {
            assert_eq!(version(Path::new(name)), "1.31.1", "{name}");
        }
        for name in ["/absent/libonnxruntime.so", "onnxruntime.dll", ""] {
            assert_eq!(version(Path::new(name)), "", "{name}");
        }
    }
}
