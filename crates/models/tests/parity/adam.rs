//! Adam, five steps, also across saving.

use crate::fixture::{assert_close, read};
use relevox_models::adam::{Adam, AdamConfig};

#[test]
fn five_steps() {
    let fixture = read("adam");
    for (name, weight_decay) in [("adam", 0.0), ("adamw", 0.1)] {
        let config = AdamConfig { weight_decay, ..AdamConfig::default() };
        let var = fixture.var(&format!("{name}.start"));
        let parameters = vec![("w".to_owned(), var.clone())];
        let mut adam = Adam::new(parameters.clone(), config).unwrap();
        for step in 0..5 {
            if step == 3 {
                let (saved, steps) = (adam.tensors().unwrap(), adam.steps());
                adam = Adam::new(parameters.clone(), config).unwrap();
                adam.load(&saved, steps).unwrap();
            }
            let gradient = fixture.get(&format!("{name}.gradient.{step}"));
            let store = (var.as_tensor() * gradient).unwrap().sum_all().unwrap().backward().unwrap();
            adam.step(&store, 0.05).unwrap();
            let after = fixture.get(&format!("{name}.after.{step}"));
            assert_close(&format!("{name}, step {step}"), var.as_tensor(), after, 1e-6);
        }
        let moments = adam.tensors().unwrap();
        assert_close("first", &moments["adam.first.w"], fixture.get(&format!("{name}.first")), 1e-6);
        assert_close("second", &moments["adam.second.w"], fixture.get(&format!("{name}.second")), 1e-6);
    }
}
