//! The kernels compiled for each shape of tiles.

use super::cube::{self, Cubes};
use super::halved::{self, Halves};
use super::inputs::{Inputs, Plane};
use super::outputs::{Back, Fused, Outputs, Planes};
use super::weights::{Points, Weights};
use super::{Segment, Shape};
use crate::simd::scratch::{Scratch, SharedMut};
use crate::simd::{Kernel, Vector};
use std::marker::PhantomData;

impl Kernel for Weights<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has V's instructions.
        unsafe {
            match self.shape {
                Shape::Plane { outputs: 2, .. } => V::enter(Points::<4, 3> { of: self }),
                Shape::Plane { .. } => V::enter(Points::<6, 3> { of: self }),
                Shape::Cube { outputs: 2 } => V::enter(cube::Kernels::<4> { of: self }),
                Shape::Cube { .. } => V::enter(cube::Kernels::<6> { of: self }),
                Shape::Halved => V::enter(halved::Kernels { of: self }),
                Shape::Stem { .. } => V::enter(Points::<7, 4> { of: self }),
            }
        }
    }
}

impl Kernel for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has V's instructions.
        unsafe {
            match self.shape {
                Shape::Plane { outputs: 2, .. } => V::enter(Plane::<4> { of: self }),
                Shape::Plane { .. } => V::enter(Plane::<6> { of: self }),
                Shape::Cube { outputs: 2 } => V::enter(cube::Columns::<4> { of: self }),
                Shape::Cube { .. } => V::enter(cube::Columns::<6> { of: self }),
                Shape::Halved => V::enter(halved::Columns { of: self }),
                Shape::Stem { .. } => V::enter(Plane::<7> { of: self }),
            }
        }
    }
}

impl Kernel for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let mut scratch = Scratch::take();
        let (sums, _) = scratch.lend(self.values_of_sums(), 0);
        // SAFETY: the caller has V's instructions; sums are as long as the groups' points take.
        unsafe { self.compute::<V>(sums) };
    }
}

impl Outputs<'_> {
    /// Computes the sums and their outputs.
    ///
    /// # Safety
    /// The CPU must have V's instructions.
    #[inline(always)]
    unsafe fn compute<V: Vector>(&self, sums: &mut [f32]) {
        // SAFETY: the caller's contract.
        unsafe {
            self.products::<V>(sums);
            let back = Back { of: self, sums, way: PhantomData };
            match self.conv.shape {
                Shape::Plane { outputs: 2, .. } => V::enter(back.by::<Planes<4, 2>>()),
                Shape::Plane { .. } => V::enter(back.by::<Planes<6, 4>>()),
                Shape::Cube { outputs: 2 } => V::enter(back.by::<Cubes<4, 2>>()),
                Shape::Cube { .. } => V::enter(back.by::<Cubes<6, 4>>()),
                Shape::Halved => V::enter(back.by::<Halves>()),
                Shape::Stem { .. } => V::enter(back.by::<Planes<7, 4>>()),
            }
        }
    }
}

impl Kernel for Fused<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Fused { conv, parts, from, item } = self;
        let blocks = conv.in_blocks;
        let segments = &[Segment { item: 0, first: 0, len: item.columns(), place: 0 }];
        let items = std::slice::from_ref(item);
        let outputs = |groups, values| Outputs { conv, parts, items, segments, groups, values };
        let by_group = outputs(0..1, SharedMut::new(&mut [])).values_of_sums();
        let mut scratch = Scratch::take();
        let (sums, values) = scratch.lend(by_group, item.layout(conv.shape, blocks).total);
        let values = SharedMut::new(values);
        // SAFETY: the caller has V's instructions; sums and values are as long as the columns take, and this task's alone.
        unsafe {
            for block in 0..blocks {
                let stacks = 0..item.stacks.len();
                Inputs { shape: conv.shape, blocks, from, item, block, plane: 0, stacks, values }.run::<V>();
            }
            for group in 0..conv.out_blocks.div_ceil(conv.group) {
                outputs(group..group + 1, values).compute::<V>(sums);
            }
        }
    }
}
