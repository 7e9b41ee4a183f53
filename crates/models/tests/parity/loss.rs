//! Binary cross-entropy and its gradient against PyTorch's.

use crate::fixture::{assert_close, read};
use relevox_models::loss::bce_with_logits;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Vec<bool>,
    positive_weight: f64,
}

#[test]
fn cross_entropy_and_gradient() {
    let fixture = read("loss");
    let cases: Vec<Case> = fixture.metadata("cases");
    assert!(!cases.is_empty());
    for Case { name, labels, positive_weight } in cases {
        let of = |key: &str| fixture.get(&format!("{name}.{key}"));
        let x = fixture.var(&format!("{name}.x"));
        let y = bce_with_logits(x.as_tensor(), &labels, positive_weight).unwrap();
        assert_close("loss", &y, of("y"), 1e-5);
        let store = (y * of("direction")).unwrap().backward().unwrap();
        assert_close("gradient", store.get(&x).unwrap(), of("grad.x"), 1e-5);
    }
}
