//! The kernels compiled for each shape of tiles.

use super::cube::{self, Cubes};
use super::halved::{self, Halves};
use super::inputs::{Inputs, Plane};
use super::outputs::{Back, Outputs, Planes};
use super::weights::{Points, Weights};
use super::{GAP, Shape};
use crate::blocked::window::BLOCK;
use crate::simd::scratch::Scratch;
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
        let conv = self.conv;
        let columns = self.segments.last().map_or(0, |segment| segment.place + segment.len);
        let by_point = conv.group * columns * BLOCK + GAP;
        let by_group = conv.points() * by_point;
        let mut scratch = Scratch::take();
        let (sums, _) = scratch.lend(self.groups.len() * by_group, 0);
        // SAFETY: the caller has V's instructions; sums are as long as the groups' points take.
        unsafe {
            self.products::<V>(sums, columns, by_point);
            let back = Back { of: &self, sums, columns, by_point, way: PhantomData };
            match conv.shape {
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
