//! The page's script: one subject a file, concatenated into one scope.
//!
//! The files are JavaScript with types in JSDoc, so that a type checker reads them (`cargo ci --browser`, where `tsc`
//! is installed) and no step is needed to build them.

/// Says that a browser is too old, in the syntax that old ones read.
pub(super) const BROWSER_CHECK: &str = include_str!("js/browser.js");

/// In the order in which they are read.
const MODULES: [&str; 16] = [
    include_str!("js/decode.js"),
    include_str!("js/planes.js"),
    include_str!("js/colour.js"),
    include_str!("js/data.js"),
    include_str!("js/format.js"),
    include_str!("js/state.js"),
    include_str!("js/threshold.js"),
    include_str!("js/contour.js"),
    include_str!("js/slice.js"),
    include_str!("js/draw.js"),
    include_str!("js/pointer.js"),
    include_str!("js/readout.js"),
    include_str!("js/controls.js"),
    include_str!("js/table.js"),
    include_str!("js/keys.js"),
    include_str!("js/main.js"),
];

/// Returns the script.
pub(super) fn script() -> String {
    let mut script = String::from("\"use strict\";\n(() => {\n");
    for module in MODULES {
        script.push_str(module);
        script.push('\n');
    }
    script.push_str("})();\n");
    script
}
