//! Networks in ONNX files, and what other runtimes read of them.

use relevox_models::onnx;

use super::Read;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/models/tests/fixtures/onnx");
/// Seeds of this size or less, so that mutations reach all parts of a file.
const LARGEST_SEED: u64 = 8 << 10;
/// Memory that a network may take relative to its file: numbers of one byte become eight, and weights are copied when
/// they are transposed.
const RATIO: usize = 4;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(FIXTURES) else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|file| file.len() <= LARGEST_SEED))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

pub(super) fn read(input: &[u8]) -> Result<Read, String> {
    let decoded_bytes = RATIO * input.len();
    let mut external = |location: &str| match onnx::is_inside_folder(location) {
        true => Ok(vec![0; 64]),
        false => panic!("asked for {location:?}"),
    };
    let others = [
        onnx::read_header(input, &mut external).err(),
        onnx::external_files(input).err(),
        onnx::with_output(input, "logits").err(),
    ];
    if let Some(error) = others.into_iter().flatten().find(|error| error.to_string().contains('\n')) {
        return Err(format!("an error of several lines: {error:?}"));
    }
    match onnx::read(input, None, &mut external) {
        Ok(network) => match network.graph.sizes([12; 3]) {
            Err(error) if error.to_string().contains('\n') => {
                Err(format!("an error of several lines: {error:?}"))
            }
            _ => Ok(Read { decoded_bytes, accepted: true }),
        },
        Err(error) if error.to_string().contains('\n') => {
            Err(format!("an error of several lines: {error:?}"))
        }
        Err(_) => Ok(Read { decoded_bytes, accepted: false }),
    }
}
