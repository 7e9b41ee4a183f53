//! This crate beside PyTorch and MONAI, on their own values; `tests/fixtures/make.py` made them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

/// Defines a test for each residual network of the fixtures, which calls `$check` with its depth.
macro_rules! each_resnet {
    ($check:ident) => {
        #[test]
        fn resnet10_shortcut_b_stride_2() {
            $check(10);
        }

        #[test]
        fn resnet18_shortcut_a_stride_1() {
            $check(18);
        }

        #[test]
        fn resnet34_shortcut_a_stride_2() {
            $check(34);
        }

        #[test]
        fn resnet50_shortcut_b_stride_1_without_bias() {
            $check(50);
        }
    };
}

mod adam;
mod densenet;
mod fixture;
mod loss;
mod operations;
#[path = "../../../conv3d/tests/parity/fixture.rs"]
mod peers;
mod plan;
mod resnet;
mod unet;
mod weights;
