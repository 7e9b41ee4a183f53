//! Hostile and damaged files of PyTorch.

use super::pickle::Pickle;
use super::pytorch;
use super::zip::Archive;
use candle_core::Tensor;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights");
    std::fs::read(folder.join(name)).unwrap()
}

/// A zip archive of stored entries without checksums.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let (len, offset) = ((content.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
        let name_len = (name.len() as u16).to_le_bytes();
        directory.extend([&b"PK\x01\x02"[..], &[0; 16], &len, &len, &name_len, &[0; 12], &offset].concat());
        directory.extend(name.as_bytes());
        file.extend([&b"PK\x03\x04"[..], &[0; 14], &len, &len, &name_len, &[0; 2], name.as_bytes()].concat());
        file.extend(*content);
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (len, offset) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    let end = [&b"PK\x05\x06"[..], &[0; 4], &count, &count, &len, &offset, &[0; 2]].concat();
    [file, directory, end].concat()
}

/// A file with this pickle and one storage.
fn file(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(&[("a/data.pkl", pickle), ("a/data/0", storage)])
}

/// The opcodes of a tensor of this shape and these strides in storage 0, each a number up to 255.
fn tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let ints = |ints: &[u8]| ints.iter().flat_map(|&int| [b'K', int]).collect::<Vec<u8>>();
    let id = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ";
    let parts: [&[u8]; 9] = [
        b"ctorch._utils\n_rebuild_tensor_v2\n(",
        id,
        b"K\x00(",
        &ints(shape),
        b"t(",
        &ints(strides),
        b"t\x89)",
        b"t",
        b"R",
    ];
    parts.concat()
}

fn dict(items: &[u8]) -> Vec<u8> {
    [&b"\x80\x02}("[..], items, b"u."].concat()
}

fn key(name: &str) -> Vec<u8> {
    [&b"X"[..], &(name.len() as u32).to_le_bytes(), name.as_bytes()].concat()
}

fn values(tensors: &BTreeMap<String, Tensor>) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let bits = |tensor: &Tensor| {
        let values = tensor.to_dtype(candle_core::DType::F32).unwrap().flatten_all().unwrap();
        values.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.dims().to_vec(), bits(tensor))).collect()
}

#[test]
fn a_tensor_is_read_by_its_strides() {
    let storage: Vec<u8> = (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect();
    let items = [key("rows"), tensor(&[2, 3], &[3, 1]), key("columns"), tensor(&[3, 2], &[1, 3])].concat();
    let found = pytorch::state_dict(&file(&dict(&items), &storage)).unwrap();
    assert_eq!(found["rows"].to_vec2::<f32>().unwrap(), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
    assert_eq!(found["columns"].to_vec2::<f32>().unwrap(), [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]);
}

#[test]
fn parameters_and_their_moving_averages_are_two_state_dicts() {
    let inner = |name: &str| [&b"}("[..], &key(name), &tensor(&[1], &[1]), b"u"].concat();
    let read = |beside: &str, name: &str| {
        let items = [key("state_dict"), inner("fc.weight"), key(beside), inner(name)].concat();
        pytorch::state_dict(&file(&dict(&items), &[0; 4])).map(|tensors| tensors.len())
    };
    let message = read("state_dict_ema", "fc.weight").unwrap_err();
    assert!(message.starts_with("several state dicts (state_dict, state_dict_ema)"), "{message}");
    // What a loss or an optimiser keeps has other names.
    assert_eq!(read("loss", "class_weights"), Ok(1));
}

#[test]
fn tensors_that_claim_more_than_the_file_are_refused() {
    let refused = |items: &[u8], part: &str| {
        let found = pytorch::state_dict(&file(&dict(items), &[0; 64])).unwrap_err();
        assert!(found.contains(part), "{found}");
    };
    refused(&[key("a"), tensor(&[255; 7], &[0; 7])].concat(), "larger than its file");
    refused(&[key("a"), tensor(&[255; 8], &[255; 8])].concat(), "damaged");
    refused(&[key("a"), tensor(&[17], &[1])].concat(), "truncated storage");
    refused(&[key("a"), tensor(&[2, 2], &[1])].concat(), "damaged");
    // Many names of one tensor.
    let again: Vec<u8> =
        (0..20_000).flat_map(|name| [key(&format!("{name}")), b"h\x00".to_vec()].concat()).collect();
    let items = [key("a"), tensor(&[1], &[1]), b"q\x00".to_vec(), again].concat();
    refused(&items, "more tensors than its file has room for");
}

#[test]
fn entries_that_overlap_are_refused() {
    let mut bytes = zip(&[("a/data/0", &[0; 500]), ("a/data/1", &[0; 4])]);
    let len = bytes.windows(4).rposition(|four| four == [4, 0, 0, 0]).unwrap();
    bytes[len - 4..len + 4].copy_from_slice(&[0, 2, 0, 0, 0, 2, 0, 0]);
    assert!(Archive::read(&bytes).unwrap_err().contains("larger than the file"));
}

#[test]
fn a_pickle_cannot_take_more_memory_than_its_limit() {
    let refused = |pickle: &[u8], part: &str| {
        let found = Pickle::read(pickle, 4096 + pickle.len() / 4).unwrap_err();
        assert!(found.contains(part), "{found}");
    };
    // Lists of lists that double.
    let doubling: Vec<u8> = (0..200u8).flat_map(|at| [b'h', at, b'h', at, 0x86, b'q', at + 1]).collect();
    let pickle = [b"\x80\x02)q\x00", &doubling[..], b"."].concat();
    assert!(Pickle::read(&pickle, 4096).is_ok(), "shared, not copied");
    refused(&vec![b'N'; 100_000], "far more values");
    refused(&[&b"K\x01"[..], &[0x85; 100_000]].concat(), "far more values");
    refused(&vec![b'('; 100_000], "far more values");
    refused(b"X\xff\xff\xff\xffa", "damaged");
    refused(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", "damaged");
    refused(b"\x8b\xff\xff\xff\xff\x00", "damaged");
    refused(b"}(N0.", "damaged");
    refused(b"h\x07.", "damaged");
    refused(b"", "damaged");
    refused(&[&b"c"[..], &[b'a'; 2000], b"\nb\n."].concat(), "damaged");
    // Deep containers are dropped without recursion.
    let deep = [&b")"[..], &[0x85; 100_000], b"."].concat();
    assert!(Pickle::read(&deep, 1 << 20).is_ok());
}

#[test]
fn long_numbers_are_read_as_python_writes_them() {
    for (pickle, value) in [
        (&b"\x8a\x00."[..], Some(0)),
        (b"\x8a\x01\xff.", Some(-1)),
        (b"\x8a\x05\x00\x00\x00\x00\x01.", Some(1 << 32)),
        (b"\x8b\x02\x00\x00\x00\xff\x00.", Some(255)),
        (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", None),
    ] {
        let pickle = Pickle::read(pickle, 10).unwrap();
        assert_eq!(pickle.int(pickle.top()), value);
    }
}

#[test]
fn a_damaged_file_is_refused_or_reads_as_before() {
    for name in ["nested.pth", "parameters.pth"] {
        let bytes = fixture(name);
        let whole = values(&pytorch::state_dict(&bytes).unwrap());
        let mut refused = 0;
        let count = 600;
        for at in 0..count {
            let mut damaged = bytes.clone();
            let bit = (at * 2_654_435_761usize) % (bytes.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
            match pytorch::state_dict(&damaged) {
                Ok(found) => assert_eq!(values(&found), whole, "{name}: bit {bit}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > count / 4, "{name}: only {refused} of {count} were noticed");
        for len in (0..bytes.len()).step_by(97) {
            assert!(pytorch::state_dict(&bytes[..len]).is_err(), "{name}: {len} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_pickle_panics(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), name in 0usize..2,
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = fixture(["nested.pth", "parameters.pth"][name]);
        let archive = Archive::read(&bytes).unwrap();
        let of = |part: &str| archive.names().find(|name| name.ends_with(part)).unwrap();
        let mut pickle = archive.content(of("data.pkl")).unwrap().unwrap().to_vec();
        for (place, byte) in places {
            *place.get_mut(&mut pickle) = byte;
        }
        pickle.truncate(pickle.len() - cut.index(pickle.len()) / 8);
        let _ = pytorch::state_dict(&file(&pickle, &[0; 5000]));
    }

    #[test]
    fn no_opcodes_panic(
        opcodes in prop::collection::vec(prop::sample::select(b"(tRQu}]sebaq\x00h\x01)K\x02cX\x85\x86\x87\x93\x81\x94.dl".to_vec()), 0..200),
    ) {
        let _ = pytorch::state_dict(&file(&opcodes, &[0; 100]));
    }
}
