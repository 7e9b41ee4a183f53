//! Tests of pages in a browser are in `tests/viewer`; `cargo ci --browser` runs them.
