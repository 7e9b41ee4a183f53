//! What Python imports.

use pyo3::prelude::*;

/// Functions and classes behind the package `relevox`.
#[pymodule(name = "_relevox")]
mod exported {
    #[pymodule_export]
    use crate::ablation::ablate;
    #[pymodule_export]
    use crate::curves::curve;
    #[pymodule_export]
    use crate::evaluation::{area, dice, dice_at, hausdorff95, mass, oracle, threshold};
    #[pymodule_export]
    use crate::explain::explain;
    #[pymodule_export]
    use crate::explanation::Explained;
    #[pymodule_export]
    use crate::network::Network;
    #[pymodule_export]
    use crate::pool::{pool, pool_for_label};
    #[pymodule_export]
    use crate::slic::slic;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
