//! Contracts and configurations in TOML.

use relevox::ContractKeys;
use relevox_experiment::config::{Layers, Profile, Source};
use relevox_volume::input::example;

use super::Read;

pub(super) fn contract_seeds() -> Vec<Vec<u8>> {
    let network = "[network]\nstem_stride = [1, 2, 2]\nmax_pool = true\n[regions]\nsequence = \"t1\"\ncount = 100\ncompactness = 0.1\n";
    let window =
        example(4, 3).replace("{ kind = \"minmax\" }", "{ kind = \"window\", low = -100, high = 300.5 }");
    [example(4, 1), format!("{}{network}", example(4, 2)), window].map(String::into_bytes).to_vec()
}

pub(super) fn config_seeds() -> Vec<Vec<u8>> {
    Profile::ALL.map(|profile| profile.text().as_bytes().to_vec()).to_vec()
}

pub(super) fn read_contract(input: &[u8]) -> Result<Read, String> {
    let read = |accepted| Ok(Read { decoded_bytes: input.len(), accepted });
    let Ok(text) = std::str::from_utf8(input) else { return read(false) };
    let contract = ContractKeys::parse("m.input.toml", text)
        .map_err(|error| error.to_string())
        .and_then(|keys| keys.check(4, 1).map_err(|error| error.to_string()));
    match contract.map(|contract| contract.input.check()) {
        Ok(Ok(input)) if input.preprocess().sequences().len() != 4 => Err("other channels".to_owned()),
        Ok(Ok(_)) => read(true),
        Err(message) if message.contains('\n') => Err(format!("an error of several lines: {message:?}")),
        Ok(Err(_)) | Err(_) => read(false),
    }
}

pub(super) fn read_config(input: &[u8]) -> Result<Read, String> {
    let read = |accepted| Ok(Read { decoded_bytes: input.len(), accepted });
    let Ok(text) = std::str::from_utf8(input) else { return read(false) };
    let source = Source { name: "run.toml".to_owned(), text: text.to_owned() };
    read(Layers { base: Some(source), ..Layers::default() }.resolve().is_ok())
}
