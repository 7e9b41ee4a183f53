//! Compiled plans beside the networks that they were compiled from, with the fixtures' weights.

use crate::fixture::{assert_close, image, path, read};
use candle_core::{Device, Tensor};
use relevox_models::{
    ResNetConfig, UNetConfig,
    checkpoint::{WeightsHints, load_resnet, load_unet},
    plan::Plan,
};

const TOLERANCE: f32 = 1e-4;

/// Two images of the fixture's size: its own and another.
fn batch(size: &[usize]) -> Tensor {
    let x = image(size);
    Tensor::cat(&[&x, &((&x * -0.7).unwrap() + 0.1).unwrap()], 0).unwrap()
}

fn run(plan: &Plan, x: &Tensor) -> Vec<f32> {
    let shape: [usize; 5] = x.dims().try_into().unwrap();
    plan.forward(&x.flatten_all().unwrap().to_vec1().unwrap(), shape).unwrap()
}

fn check(depth: usize) {
    let expected = read(&format!("resnet{depth}-expected"));
    let config: ResNetConfig = expected.metadata("config");
    let network = load_resnet(&path(&format!("resnet{depth}")), &WeightsHints::from(&config), &Device::Cpu)
        .unwrap()
        .network;
    let x = batch(&expected.metadata::<Vec<usize>>("size"));
    let plan = Plan::resnet(&network).unwrap();
    let found = run(&plan, &x);
    let wanted = network.forward_t(&x, false).unwrap();
    let found = Tensor::from_vec(found, wanted.dims(), &Device::Cpu).unwrap();
    assert_close("logits", &found, &wanted, TOLERANCE);
    let count = x.dim(0).unwrap() / 2;
    let own = found.narrow(0, 0, count).unwrap().squeeze(1).unwrap();
    assert_close("logits of the peer", &own, expected.get("logits"), TOLERANCE);
    let alone = run(&plan, &x.narrow(0, 0, 1).unwrap());
    assert_eq!(alone[0], found.to_vec2::<f32>().unwrap()[0][0], "companions change a logit");
}

each_resnet!(check);

#[test]
fn unet() {
    let expected = read("unet-expected");
    let config: UNetConfig = expected.metadata("config");
    let network = load_unet(&path("unet"), Some(&config), &Device::Cpu).unwrap().network;
    let x = batch(&expected.metadata::<Vec<usize>>("size"));
    let wanted = network.forward_t(&x, false).unwrap();
    let found = run(&Plan::unet(&network).unwrap(), &x);
    assert_close(
        "values",
        &Tensor::from_vec(found, wanted.dims(), &Device::Cpu).unwrap(),
        &wanted,
        TOLERANCE,
    );
}
