//! Name of the program, for messages that suggest a command.

use std::sync::OnceLock;

static NAME: OnceLock<&'static str> = OnceLock::new();

/// Sets the name, such as `cargo xtask`. Only the first call has an effect; call it before any command runs.
pub fn set_name(name: &'static str) {
    NAME.get_or_init(|| name);
}

/// Returns the name: `relevox` by default.
pub fn name() -> &'static str {
    NAME.get().copied().unwrap_or("relevox")
}
