//! Tests that cross crates stand in `tests/tests`; this library is empty.
