//! Synthetic gliomas: cohorts of brains with tumours of two grades, for trying the method where no scans may go.
//!
//! Each case is an anatomy of its own (folded cortex, ventricles, deep nuclei, pose), a tumour of high or low grade,
//! and a scanner (bias fields, noise, intensity scale), seen on four sequences with a segmentation in BraTS's labels.
//! The grade shows in the tumour (necrosis and enhancing rim against a smooth, homogeneous mass), while volumes, mean
//! values and bright distractors are alike in both, and the grades overlap. Cases are drawn from a seed and their
//! index alone: no case depends on another, on the number of threads or on the order in which they are made.
//!
//! In the spirit of the simulated brains of BrainWeb (Collins et al. 1998, doi:10.1109/42.712135), but wholly made of
//! formulas: no scan went into it. It is a stand-in to test software with, and says nothing about patients.

mod anatomy;
mod config;
mod contrast;
mod deep;
mod distractors;
mod head;
mod scanner;
mod smooth;
mod space;
mod tumour;
mod write;

#[cfg(test)]
mod tests;

use ndarray::Array3;
use rayon::prelude::*;

pub use config::{BadPhantomConfig, PhantomConfig, SEQUENCES};
pub use write::{write_case, write_cohort};

use anatomy::{Anatomy, Tissue};
use contrast::Contrast;
use scanner::Scanner;
use smooth::{Part, stream};
use space::Grid;
use tumour::{Share, Tumour};

/// One synthetic case.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomCase {
    /// The name of its folder and files.
    pub name: String,
    /// Whether it is high-grade.
    pub positive: bool,
    /// Each of [`SEQUENCES`] with its voxels `[z, y, x]`: whole numbers from 0 to 32 767, 0 in air and nowhere else.
    pub sequences: Vec<(String, Array3<f32>)>,
    /// 1 non-enhancing core, 2 oedema, 4 enhancing tumour, 0 elsewhere; `[z, y, x]`.
    pub seg: Array3<u32>,
}

/// Makes case `index` of the cohort that `config` and `seed` describe: the same case whatever else is made.
pub fn generate(config: &PhantomConfig, seed: u64, index: usize) -> PhantomCase {
    let made = Made::new(config, seed, index);
    let grid = Grid::new(config);
    let sequences = SEQUENCES
        .iter()
        .zip(made.pictures(config, seed, index))
        .map(|(name, picture)| ((*name).to_owned(), array(&grid, picture)))
        .collect();
    PhantomCase {
        name: case_name(index),
        positive: config.is_positive(index),
        sequences,
        seg: array(&grid, made.labels),
    }
}

fn case_name(index: usize) -> String {
    format!("phantom_{index:05}")
}

fn array<T: Clone>(grid: &Grid, voxels: Vec<T>) -> Array3<T> {
    let [_, ny, nx] = grid.shape;
    Array3::from_shape_fn(grid.shape, |(z, y, x)| voxels[(z * ny + y) * nx + x].clone())
}

/// A case before it is scanned.
struct Made {
    grid: Grid,
    tissue: Vec<Tissue>,
    tumour: Tumour,
    shares: Vec<Share>,
    labels: Vec<u32>,
}

impl Made {
    fn new(config: &PhantomConfig, seed: u64, index: usize) -> Self {
        let grid = Grid::new(config);
        let anatomy = Anatomy::draw(seed, index, config, &grid);
        let tumour = Tumour::draw(seed, index, config.is_positive(index), config, &anatomy.head);
        let push = tumour.push();
        let soft = grid.voxel_mm();
        let tissue: Vec<Tissue> = (0..grid.len())
            .into_par_iter()
            .map(|voxel| anatomy.tissue(grid.point_at(voxel), &push, soft))
            .collect();
        let (shares, labels) = tumour.grow(seed, index, &anatomy.head, &grid, &tissue);
        Self { grid, tissue, tumour, shares, labels }
    }

    /// The sequences as a scanner measures them.
    fn pictures(&self, config: &PhantomConfig, seed: u64, index: usize) -> Vec<Vec<f32>> {
        let contrasts = Contrast::draw(&mut stream(seed, index, Part::Contrast, 0));
        let scanners = Scanner::draw(seed, index, contrasts.len(), config);
        let measured = |(sequence, (contrast, scanner)): (usize, (&Contrast, &Scanner))| {
            let mut picture: Vec<f32> =
                self.tissue
                    .par_iter()
                    .zip(&self.shares)
                    .map(|(tissue, share)| {
                        if tissue.brain { contrast.value(tissue, share, &self.tumour).max(0.02) } else { 0.0 }
                    })
                    .collect();
            scanner.measure(&mut picture, seed, index, sequence, &self.grid);
            picture
        };
        contrasts.iter().zip(&scanners).enumerate().map(measured).collect()
    }
}
