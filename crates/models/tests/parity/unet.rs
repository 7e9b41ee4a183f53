//! The U-Net beside the same architecture of PyTorch's layers.

use crate::fixture::{assert_close, image, path, read};
use candle_core::{Device, Tensor, Var};
use relevox_models::{
    Parameters, UNet3d, UNetConfig,
    checkpoint::{self, load_unet},
    graph::tensor::TensorGraph,
};

const TOLERANCE: f32 = 5e-5;

/// Every third voxel along each axis.
fn thinned(y: &Tensor) -> Tensor {
    let mut y = y.clone();
    for dim in 2..5 {
        let at: Vec<u32> = (0..y.dim(dim).unwrap() as u32).step_by(3).collect();
        let count = at.len();
        y = y.contiguous().unwrap();
        y = y.index_select(&Tensor::from_vec(at, count, &Device::Cpu).unwrap(), dim).unwrap();
    }
    y
}

#[test]
fn evaluation_mode() {
    let expected = read("unet-expected");
    let config: UNetConfig = expected.metadata("config");
    let trained = load_unet(&path("unet"), Some(&config), &Device::Cpu).unwrap();
    let y = trained.network.forward_t(&image(&expected.metadata::<Vec<usize>>("size")), false).unwrap();
    assert_close("output", &thinned(&y), expected.get("y"), TOLERANCE);
}

#[test]
fn its_graph_takes_images_that_fit_the_levels() {
    let config: UNetConfig = read("unet-expected").metadata("config");
    let network = load_unet(&path("unet"), Some(&config), &Device::Cpu).unwrap().network;
    let graph = TensorGraph::new(network.graph().unwrap(), &Device::Cpu).unwrap();
    let x = image(&[2, config.in_channels, 16, 24, 8]);
    let expected = network.forward_t(&x, false).unwrap();
    assert_close("graph", &graph.forward(&x).unwrap(), &expected, 1e-5);
    let message = graph.forward(&image(&[1, config.in_channels, 16, 24, 12])).unwrap_err().to_string();
    assert!(message.contains("concatenation"), "{message}");
}

#[test]
fn training_mode() {
    let expected = read("unet-expected");
    let config: UNetConfig = expected.metadata("config");
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let network = UNet3d::new(&config, parameters.builder()).unwrap();
    parameters.load(&checkpoint::load(&path("unet")).unwrap().0).unwrap();
    let x = Var::from_tensor(&image(&expected.metadata::<Vec<usize>>("size"))).unwrap();
    let y = thinned(&network.forward_t(x.as_tensor(), true).unwrap());
    assert_close("output", &y, expected.get("train.y"), TOLERANCE);
    let store = (&y * image(y.dims())).unwrap().sum_all().unwrap().backward().unwrap();
    let of_x = store.get(x.as_tensor()).unwrap().flatten_all().unwrap().narrow(0, 0, 500).unwrap();
    assert_close("gradient of x", &of_x, expected.get("train.grad.x.first"), TOLERANCE);
    for (key, var) in parameters.trainable() {
        let peer = expected.get(&format!("train.grad.{key}"));
        assert_close(&format!("gradient of {key}"), store.get(var.as_tensor()).unwrap(), peer, TOLERANCE);
    }
    let after = parameters.tensors();
    for (key, peer) in expected.under("train.after.") {
        assert_close(key, &after[key], peer, TOLERANCE);
    }
}
