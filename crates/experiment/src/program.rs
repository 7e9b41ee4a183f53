//! The name under which this program was started, as messages repeat it.

use std::sync::OnceLock;

static NAME: OnceLock<&'static str> = OnceLock::new();

/// Sets the name, such as `cargo xtask`. Only the first call has an effect; a program makes it before anything else.
pub fn set_name(name: &'static str) {
    NAME.get_or_init(|| name);
}

/// Returns the name: `relevox`, unless the program set another.
pub fn name() -> &'static str {
    NAME.get().copied().unwrap_or("relevox")
}
