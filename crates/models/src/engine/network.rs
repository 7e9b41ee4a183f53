//! The networks that an engine runs.

use std::borrow::Cow;

use crate::graph::Graph;
use crate::graph::tensor::TensorGraph;
use crate::{Error, ResNet3d, UNet3d};

/// A network that an [`Engine`](super::Engine) runs: [`ResNet3d`], [`UNet3d`] or, as a [`TensorGraph`], any other.
pub trait Network: Sized + private::Sealed {
    /// Returns the network in evaluation mode.
    #[doc(hidden)]
    fn description(&self) -> Result<Cow<'_, Graph>, Error>;

    /// Returns whether an image has outputs `[k]`, and not a map of values of its size.
    #[doc(hidden)]
    fn is_classifier(&self) -> bool;

    /// Returns the voxels of the map that a network other than a classifier returns for an image of `size`.
    #[doc(hidden)]
    fn map_size(&self, size: [usize; 3]) -> Result<[usize; 3], Error> {
        Ok(size)
    }

    /// Returns the number that the graph's images must be divisible by; others are padded at their far ends.
    #[doc(hidden)]
    fn multiple(&self) -> usize {
        1
    }

    /// Estimates the bytes that a whole image `[c, z, y, x]` takes in a forward pass.
    #[doc(hidden)]
    fn image_bytes(&self, shape: [usize; 4]) -> usize;
}

mod private {
    /// Only this crate's networks have executors.
    pub trait Sealed {}
    impl Sealed for crate::ResNet3d {}
    impl Sealed for crate::UNet3d {}
    impl Sealed for crate::graph::tensor::TensorGraph {}
}

impl Network for ResNet3d {
    fn description(&self) -> Result<Cow<'_, Graph>, Error> {
        self.graph().map(Cow::Owned)
    }

    fn is_classifier(&self) -> bool {
        true
    }

    fn image_bytes(&self, shape: [usize; 4]) -> usize {
        // The first stage is the largest: with stride 2 and 64 channels it is twice as large as four sequences, and an
        // operation holds its input, its output and a rearranged copy.
        8 * shape.iter().product::<usize>() * size_of::<f32>()
    }
}

impl Network for UNet3d {
    fn description(&self) -> Result<Cow<'_, Graph>, Error> {
        self.graph().map(Cow::Owned)
    }

    fn is_classifier(&self) -> bool {
        false
    }

    fn multiple(&self) -> usize {
        UNet3d::multiple(self)
    }

    fn image_bytes(&self, [_, z, y, x]: [usize; 4]) -> usize {
        // The first level of 16 channels, its skip connection, and an operation's input, output and rearranged copy.
        16 * 6 * z * y * x * size_of::<f32>()
    }
}

impl Network for TensorGraph {
    fn description(&self) -> Result<Cow<'_, Graph>, Error> {
        Ok(Cow::Borrowed(self.graph()))
    }

    fn is_classifier(&self) -> bool {
        self.graph().is_classifier()
    }

    fn map_size(&self, size: [usize; 3]) -> Result<[usize; 3], Error> {
        let shapes = self.graph().sizes(size)?;
        Ok(shapes[self.graph().output().index()][1..].try_into().unwrap_or(size))
    }

    fn image_bytes(&self, [_, z, y, x]: [usize; 4]) -> usize {
        // An operation holds its inputs, its output and a rearranged copy.
        let sizes = self.graph().sizes([z, y, x]).unwrap_or_default();
        let largest = sizes.iter().map(|shape| shape.iter().product::<usize>()).max();
        4 * largest.unwrap_or(0) * size_of::<f32>()
    }
}
