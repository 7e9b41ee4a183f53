//! State dicts in the files of PyTorch's `torch.save`: a zip archive of a pickle, which names the tensors, and of their
//! storages.
//!
//! No code of the pickle is run. The tensors take no more memory than the file, and the pickle's values a multiple of
//! its size that is bounded.

use super::pickle::{Pickle, Value};
use super::zip::Archive;
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Keys under which checkpoints hold a state dict.
const NESTED: [&str; 5] = ["state_dict", "model_state_dict", "model", "net", "network"];
/// Levels of dictionaries around a state dict.
const LEVELS: usize = 3;
/// Entries of a dictionary that is searched for a state dict under another key.
const FEW: usize = 64;
/// Limit of a pickle's values, in units of 8 bytes, by byte of its file. A tensor takes about 80 units and 400 bytes.
const BYTES_BY_VALUE: usize = 4;
/// The same limit for the smallest file.
const VALUES: usize = 4096;
/// Fewest bytes of a file by tensor of its state dict.
const BYTES_BY_TENSOR: usize = 96;
/// Tensors that the smallest file may have.
const TENSORS: usize = 64;
/// What to do with a file that holds more or other than a state dict.
pub(super) const SAVE_AGAIN: &str = "save torch.save(model.state_dict(), PATH), or safetensors";

/// Reads the tensors of a state dict by name. PyTorch's counts of batches are left out.
///
/// # Errors
/// Returns what was found instead.
pub(super) fn state_dict(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let archive = Archive::read(bytes)?;
    let folder = folder(&archive)?;
    if let Some(order) = archive.content(&format!("{folder}byteorder"))?
        && order != b"little"
    {
        return Err("a PyTorch file with big-endian values".to_owned());
    }
    let pickle = archive.content(&format!("{folder}data.pkl"))?.unwrap_or_default();
    let pickle = Pickle::read(pickle, VALUES + bytes.len() / BYTES_BY_VALUE)?;
    let entries = find(&pickle)?;
    let mut reader = Storages { archive, folder, pickle: &pickle, storages: HashMap::new() };
    let mut tensors = BTreeMap::new();
    let mut room = bytes.len();
    let mut spend = |count: usize| {
        room = room.checked_sub(count).ok_or("a state dict that is larger than its file")?;
        Ok::<_, String>(())
    };
    for &(key, value) in entries {
        let (Some(name), Some(stored)) = (pickle.text(key), stored(&pickle, value)?) else { continue };
        if name.ends_with(".num_batches_tracked") || name == "num_batches_tracked" {
            continue;
        }
        spend(name.len())?;
        if tensors.len() > TENSORS + bytes.len() / BYTES_BY_TENSOR {
            return Err("a state dict with more tensors than its file has room for".to_owned());
        }
        let tensor = reader.tensor(&stored, &mut spend).map_err(|found| format!("{found} ({name})"))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// Returns the folder of the archive that holds `data.pkl`, with a slash at its end.
fn folder<'a>(archive: &Archive<'a>) -> Result<&'a str, String> {
    let pickles: Vec<&str> = archive.names().filter_map(|name| name.strip_suffix("data.pkl")).collect();
    let pickles: Vec<&str> =
        pickles.into_iter().filter(|folder| folder.is_empty() || folder.ends_with('/')).collect();
    let has = |folder: &str, name: &str| archive.names().any(|entry| entry == format!("{folder}{name}"));
    match pickles[..] {
        [folder] if has(folder, "constants.pkl") => Err(format!("a TorchScript archive; {SAVE_AGAIN}")),
        [folder] => Ok(folder),
        [] => {
            let mut names = archive.names();
            if names.by_ref().any(|name| name.ends_with(".npy")) {
                return Err(format!("a NumPy archive; {SAVE_AGAIN}"));
            }
            if archive.names().any(|name| name.ends_with("model.weights.h5")) {
                return Err("a Keras model; only PyTorch's networks are read".to_owned());
            }
            if archive.names().any(|name| name.ends_with("archive_format")) {
                return Err(format!("a program of torch.export; {SAVE_AGAIN}"));
            }
            let first = archive.names().next().map_or("no entry".to_owned(), |name| format!("{name:?}"));
            Err(format!("a zip archive that is not PyTorch's (it has {first} and no data.pkl)"))
        }
        _ => Err("a zip archive of several PyTorch files".to_owned()),
    }
}

/// Returns the entries of the state dict: of the top level, or of the dictionary in it that holds one.
fn find<'p>(pickle: &'p Pickle<'_>) -> Result<&'p [(Value, Value)], String> {
    let mut at = pickle.top();
    for _ in 0..LEVELS {
        let Some(entries) = pickle.dict(at) else { break };
        let nested = known(pickle, entries);
        match nested[..] {
            [] => {}
            [chosen] => {
                let alike = alike(pickle, entries, chosen);
                if alike.len() > 1 {
                    return Err(format!("several state dicts ({}); {SAVE_AGAIN}", names(pickle, &alike)));
                }
                at = chosen.1;
                continue;
            }
            _ => return Err(format!("several state dicts ({}); {SAVE_AGAIN}", names(pickle, &nested))),
        }
        if has_tensors(pickle, at) {
            return Ok(entries);
        }
        let others: Vec<(Value, Value)> = match entries.len() {
            0..=FEW => entries.iter().copied().filter(|&(_, value)| has_tensors(pickle, value)).collect(),
            _ => Vec::new(),
        };
        match others[..] {
            [(_, inner)] => at = inner,
            [] => break,
            _ => return Err(format!("several state dicts ({}); {SAVE_AGAIN}", names(pickle, &others))),
        }
    }
    match pickle.dict(at) {
        Some(entries) if has_tensors(pickle, at) => Ok(entries),
        Some(entries) => match entries.iter().find_map(|&(_, value)| module(pickle, value)) {
            Some(class) => Err(format!("a whole pickled object ({class}); {SAVE_AGAIN}")),
            None => Err(format!("a dictionary without tensors ({}); {SAVE_AGAIN}", names(pickle, entries))),
        },
        None if !matches!(stored(pickle, at), Ok(None)) => Err(format!("a single tensor; {SAVE_AGAIN}")),
        None => Err(match module(pickle, at) {
            Some(class) => format!("a whole pickled object ({class}); {SAVE_AGAIN}"),
            None => format!("a pickle of something else than a state dict; {SAVE_AGAIN}"),
        }),
    }
}

/// Returns the entries with one of the usual keys that hold a dictionary with tensors, or with such an entry.
fn known(pickle: &Pickle<'_>, entries: &[(Value, Value)]) -> Vec<(Value, Value)> {
    let usual = |entries: &[(Value, Value)]| -> Vec<(Value, Value)> {
        let is_usual = |key| pickle.text(key).is_some_and(|key| NESTED.contains(&key));
        entries.iter().copied().filter(|&(key, _)| is_usual(key)).take(NESTED.len()).collect()
    };
    let holds = |value| {
        let inner = usual(pickle.dict(value).unwrap_or_default());
        has_tensors(pickle, value) || inner.iter().any(|&(_, value)| has_tensors(pickle, value))
    };
    usual(entries).into_iter().filter(|&(_, value)| holds(value)).collect()
}

/// Returns the entries that hold tensors of the same names as the chosen one, itself included: beside a network's parameters,
/// their moving averages.
fn alike(pickle: &Pickle<'_>, entries: &[(Value, Value)], chosen: (Value, Value)) -> Vec<(Value, Value)> {
    let named = |value| tensors(pickle, value).filter_map(|key| pickle.text(key));
    let names: HashSet<&str> = named(chosen.1).collect();
    let is_alike = |value| named(value).any(|name| names.contains(name));
    let is_chosen = |(key, _): (Value, Value)| pickle.text(key) == pickle.text(chosen.0);
    entries.iter().copied().filter(|&entry| is_chosen(entry) || is_alike(entry.1)).collect()
}

fn has_tensors(pickle: &Pickle<'_>, value: Value) -> bool {
    tensors(pickle, value).next().is_some()
}

/// Returns the keys of a dictionary's tensors, also of damaged ones.
fn tensors<'p>(pickle: &'p Pickle<'_>, value: Value) -> impl Iterator<Item = Value> + 'p {
    let entries = pickle.dict(value).unwrap_or_default().iter();
    entries.filter(|&&(_, value)| !matches!(stored(pickle, value), Ok(None))).map(|&(key, _)| key)
}

/// Lists the first keys of a dictionary.
fn names(pickle: &Pickle<'_>, entries: &[(Value, Value)]) -> String {
    let mut names: Vec<&str> = entries.iter().filter_map(|&(key, _)| pickle.text(key)).take(6).collect();
    if entries.len() > 6 {
        names.push("…");
    }
    if names.is_empty() { "no names".to_owned() } else { names.join(", ").chars().take(200).collect() }
}

/// Returns the class of an object that is not part of a state dict.
fn module(pickle: &Pickle<'_>, value: Value) -> Option<String> {
    let (module, name) = pickle.class(pickle.call(value)?.0)?;
    Some(format!("{module}.{name}").chars().take(200).collect())
}

/// Place of a tensor's values.
struct Stored {
    storage: Value,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Returns where a tensor is stored, or `None` if the value is something else.
fn stored(pickle: &Pickle<'_>, mut value: Value) -> Result<Option<Stored>, String> {
    // A parameter, or a tensor of a class of its own, wraps a tensor.
    for _ in 0..4 {
        let Some((mut function, arguments)) = pickle.call(value) else { return Ok(None) };
        let mut arguments = pickle.tuple(arguments).unwrap_or_default();
        if pickle.class(function) == Some(("torch._tensor", "_rebuild_from_type_v2")) {
            let &[inner, _, inner_arguments, ..] = arguments else { return Err(damaged()) };
            function = inner;
            arguments = pickle.tuple(inner_arguments).ok_or_else(damaged)?;
        }
        match pickle.class(function) {
            Some(("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")) => {
                value = *arguments.first().ok_or_else(damaged)?;
            }
            Some(("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor")) => {
                let &[storage, offset, shape, strides, ..] = arguments else { return Err(damaged()) };
                let whole = |value: Value| usize::try_from(pickle.int(value)?).ok();
                let all = |value: Value| -> Option<Vec<usize>> {
                    pickle.tuple(value)?.iter().map(|&value| whole(value)).collect()
                };
                let storage = pickle.persistent(storage);
                return match (storage, whole(offset), all(shape), all(strides)) {
                    (Some(storage), Some(offset), Some(shape), Some(strides))
                        if shape.len() == strides.len() && shape.len() <= 8 =>
                    {
                        Ok(Some(Stored { storage, offset, shape, strides }))
                    }
                    _ => Err(damaged()),
                };
            }
            Some(("torch._utils", name)) if name.starts_with("_rebuild") => {
                return Err(format!("tensors of another kind ({name})"));
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn damaged() -> String {
    "a damaged state dict".to_owned()
}

/// The storages of an archive.
struct Storages<'a> {
    archive: Archive<'a>,
    folder: &'a str,
    pickle: &'a Pickle<'a>,
    /// Those that were checked, by key.
    storages: HashMap<&'a str, &'a [u8]>,
}

impl Storages<'_> {
    /// Reads a tensor; `spend` counts the bytes of its values.
    fn tensor(
        &mut self,
        stored: &Stored,
        mut spend: impl FnMut(usize) -> Result<(), String>,
    ) -> Result<Tensor, String> {
        let id = self.pickle.tuple(stored.storage).unwrap_or_default();
        let &[_, class, key, ..] = id else { return Err(damaged()) };
        let class = self.pickle.class(class).ok_or_else(damaged)?.1;
        let key = self.pickle.text(key).ok_or_else(damaged)?;
        let dtype = match class {
            "FloatStorage" => DType::F32,
            "DoubleStorage" => DType::F64,
            "HalfStorage" => DType::F16,
            "BFloat16Storage" => DType::BF16,
            "LongStorage" => DType::I64,
            "ByteStorage" => DType::U8,
            other => return Err(format!("tensors of {other}")),
        };
        let bytes = match self.storages.get(key) {
            Some(bytes) => bytes,
            None => {
                let bytes = self.archive.content(&format!("{}data/{key}", self.folder))?;
                let bytes = bytes.ok_or_else(|| format!("no storage {key}"))?;
                self.storages.insert(key, bytes);
                bytes
            }
        };
        let size = dtype.size_in_bytes();
        let count = stored.shape.iter().try_fold(size, |product, &n| product.checked_mul(n));
        spend(count.ok_or_else(damaged)?)?;
        let values = gathered(bytes, size, stored).ok_or("a truncated storage")?;
        Tensor::from_raw_buffer(&values, dtype, &stored.shape, &Device::Cpu)
            .map_err(|error| error.to_string())
    }
}

/// Returns the values of a tensor of `size` bytes each in C order, or `None` if they do not lie in the storage.
fn gathered(bytes: &[u8], size: usize, stored: &Stored) -> Option<Vec<u8>> {
    let Stored { offset, shape, strides, .. } = stored;
    let count = shape.iter().product::<usize>();
    if count == 0 {
        return Some(Vec::new());
    }
    // The last value lies furthest, as strides are not negative.
    let mut last = *offset;
    for (&n, &stride) in shape.iter().zip(strides) {
        last = last.checked_add((n - 1).checked_mul(stride)?)?;
    }
    if last.checked_add(1)?.checked_mul(size)? > bytes.len() {
        return None;
    }
    let mut contiguous = 1;
    let is_contiguous = shape.iter().zip(strides).rev().all(|(&n, &stride)| {
        let expected = contiguous;
        contiguous *= n;
        n == 1 || stride == expected
    });
    if is_contiguous {
        return Some(bytes[offset * size..][..count * size].to_vec());
    }
    let mut values = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = offset + index.iter().zip(strides).map(|(at, stride)| at * stride).sum::<usize>();
        values.extend_from_slice(&bytes[at * size..][..size]);
        for (at, &n) in index.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < n {
                break;
            }
            *at = 0;
        }
    }
    Some(values)
}
