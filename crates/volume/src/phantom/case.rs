//! Generation of one synthetic case.

use ndarray::Array3;
use rayon::prelude::*;

use super::anatomy::Anatomy;
use super::contrast::Contrast;
use super::scanner::Scanner;
use super::settings::{PhantomConfig, SEQUENCES, ValidPhantomConfig};
use super::smooth::{Part, stream};
use super::space::Grid;
use super::tissue::Tissue;
use super::tumour::{Share, Tumour};

/// A synthetic case.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomCase {
    /// Name of its folder and files.
    pub name: String,
    /// Whether it is high-grade.
    pub positive: bool,
    /// Voxels `[z, y, x]` of each of [`SEQUENCES`]: whole numbers from 0 to 32 767, 0 in air and nowhere else.
    pub sequences: Vec<(String, Array3<f32>)>,
    /// Segmentation, `[z, y, x]`: 1 non-enhancing core, 2 oedema, 4 enhancing tumour, 0 elsewhere.
    pub segmentation: Array3<u32>,
}

/// Generates case `index` of the cohort with this configuration and seed, on all threads. The result is independent of
/// other cases.
pub fn generate(config: &ValidPhantomConfig, seed: u64, index: usize) -> PhantomCase {
    let config = config.settings();
    let positive = config.is_positive(index);
    let body = Body::new(config, seed, index, positive);
    let grid = Grid::new(config);
    let sequences = SEQUENCES
        .iter()
        .zip(body.scan(config, seed, index))
        .map(|(name, image)| ((*name).to_owned(), array(&grid, image)))
        .collect();
    PhantomCase { name: case_name(index), positive, sequences, segmentation: array(&grid, body.labels) }
}

fn case_name(index: usize) -> String {
    format!("phantom_{index:05}")
}

fn array<T: Clone>(grid: &Grid, voxels: Vec<T>) -> Array3<T> {
    let [_, ny, nx] = grid.shape;
    Array3::from_shape_fn(grid.shape, |(z, y, x)| voxels[(z * ny + y) * nx + x].clone())
}

/// A case before it is scanned: tissues and tumour of each voxel.
pub(super) struct Body {
    pub(super) grid: Grid,
    pub(super) tissue: Vec<Tissue>,
    tumour: Tumour,
    pub(super) shares: Vec<Share>,
    pub(super) labels: Vec<u32>,
}

impl Body {
    pub(super) fn new(config: &PhantomConfig, seed: u64, index: usize, positive: bool) -> Self {
        let grid = Grid::new(config);
        let anatomy = Anatomy::draw(seed, index, config, &grid);
        let tumour = Tumour::draw(seed, index, positive, config, &anatomy.head);
        let push = tumour.push();
        let soft = grid.voxel_mm();
        let tissue: Vec<Tissue> = (0..grid.len())
            .into_par_iter()
            .map(|voxel| anatomy.tissue(grid.point_at(voxel), &push, soft))
            .collect();
        let (shares, labels) = tumour.grow(seed, index, &anatomy.head, &grid, &tissue);
        Self { grid, tissue, tumour, shares, labels }
    }

    /// Simulates the scan of each sequence.
    pub(super) fn scan(&self, config: &PhantomConfig, seed: u64, index: usize) -> Vec<Vec<f32>> {
        let contrasts = Contrast::draw(&mut stream(seed, index, Part::Contrast, 0));
        let scanners = Scanner::draw(seed, index, contrasts.len(), config);
        let measured = |(sequence, (contrast, scanner)): (usize, (&Contrast, &Scanner))| {
            let mut image: Vec<f32> =
                self.tissue
                    .par_iter()
                    .zip(&self.shares)
                    .map(|(tissue, share)| {
                        if tissue.brain { contrast.value(tissue, share, &self.tumour).max(0.02) } else { 0.0 }
                    })
                    .collect();
            scanner.measure(&mut image, seed, index, sequence, &self.grid);
            image
        };
        contrasts.iter().zip(&scanners).enumerate().map(measured).collect()
    }
}
