//! Checksums of training states.
//!
//! A training resumes from its state without a record of what was written: a damaged state would go unnoticed into the weights.

use std::collections::BTreeMap;

use crc32fast::Hasher;
use safetensors::{SafeTensors, View};
use serde_json::Value;

use super::sorted;

/// Key of the checksum in the metadata.
const CHECKSUM: &str = "checksum";

/// Adds the checksum of tensors and metadata to the metadata of a training state; other metadata remain as they are.
pub(super) fn add<V: View>(tensors: &BTreeMap<String, V>, metadata: &mut Value) {
    if metadata.get("state").is_some() {
        metadata[CHECKSUM] = compute(tensors, metadata).into();
    }
}

/// Removes the checksum from metadata, if they have one, and compares it with that of the file's tensors and metadata.
///
/// # Errors
/// Returns what was found if they differ, or if the tensors can't be read.
pub(super) fn verify(bytes: &[u8], metadata: &mut Value) -> Result<(), String> {
    let Some(stored) = metadata.as_object_mut().and_then(|metadata| metadata.remove(CHECKSUM)) else {
        return Ok(());
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let found = compute(&tensors.tensors().into_iter().collect(), metadata);
    if stored == found {
        return Ok(());
    }
    Err(format!(
        "content with the checksum {found} instead of {stored}: the file was changed since it was written"
    ))
}

/// Computes the CRC-32 of names, types, shapes and values of tensors, and of metadata.
fn compute<V: View>(tensors: &BTreeMap<String, V>, metadata: &Value) -> u32 {
    let mut hasher = Hasher::new();
    for (name, tensor) in tensors {
        hasher.update(format!("{name} {:?} {:?}\n", tensor.dtype(), tensor.shape()).as_bytes());
        hasher.update(&tensor.data());
    }
    hasher.update(sorted(metadata.clone()).to_string().as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};
    use serde_json::json;

    use super::super::{Metadata, Network, load, save};
    use super::*;
    use crate::{Error, UNetConfig};

    fn state(state: Value) -> (BTreeMap<String, Tensor>, Metadata) {
        let weights = Tensor::new(&[0.1_f32, -1e-30, 3.0], &Device::Cpu).unwrap();
        let network = Network::Unet(UNetConfig { in_channels: 1, out_channels: 1, widths: vec![2, 4] });
        let metadata = Metadata { state, ..Metadata::new(network, json!({"crop": [1.5, 0.1]})) };
        (BTreeMap::from([("a.weight".to_owned(), weights)]), metadata)
    }

    #[test]
    fn a_bit_flipped_anywhere_in_a_state_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let (tensors, metadata) = state(json!({"loss": [0.1, 1.0 / 3.0]}));
        save(&path, &tensors, &metadata).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let values = |tensors: &BTreeMap<String, Tensor>| tensors["a.weight"].to_vec1::<f32>().unwrap();
        let mut noticed = 0;
        for (index, bit) in (0..bytes.len()).flat_map(|index| [(index, 0), (index, 5)]) {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1 << bit;
            std::fs::write(&path, &flipped).unwrap();
            match load(&path) {
                // A file without metadata is not a training state.
                Err(Error::Format { .. }) | Ok((_, None)) => noticed += 1,
                Err(other) => panic!("byte {index}: {other}"),
                // In the key of the checksum or the spaces at the end of the header.
                Ok((found, Some(of_file))) => {
                    assert_eq!(
                        (values(&found), of_file),
                        (values(&tensors), metadata.clone()),
                        "byte {index}"
                    );
                }
            }
        }
        assert!(noticed > 2 * bytes.len() - 60, "{noticed} of {} flipped bits noticed", 2 * bytes.len());
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(load(&path).unwrap().1.unwrap(), metadata);
    }

    #[test]
    fn weights_have_no_checksum_so_that_their_metadata_can_be_edited() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let (tensors, metadata) = state(Value::Null);
        save(&path, &tensors, &metadata).unwrap();
        assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(CHECKSUM));
    }
}
