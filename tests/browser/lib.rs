//! Tests of pages in a browser are in `tests/viewer`; `cargo xtask ci --browser` runs them.
