//! Tissue composition of a brain without a tumour.
//!
//! The cortex is a ribbon of grey matter along the outer surface and along sulci. Sulci are sheets of fluid that extend
//! inwards from the surface: the zero level sets of a smooth random field, stretched towards the centre. The parameters
//! were not measured on scans.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::deep::Deep;
use super::distractors::Distractors;
use super::head::Head;
use super::push::Push;
use super::settings::PhantomConfig;
use super::smooth::{Part, Smooth, around, stream};
use super::space::{Grid, Point, inside, norm};
use super::tissue::Tissue;

/// The brain of one case.
pub(super) struct Anatomy {
    pub(super) head: Head,
    deep: Deep,
    distractors: Distractors,
    sulci: Smooth,
    small_sulci: Smooth,
    reach: Smooth,
    folia: Smooth,
    grey_mm: f32,
    sulcus_mm: f32,
    depth_mm: f32,
    margin_mm: f32,
    sylvian_z: f32,
}

impl Anatomy {
    pub(super) fn draw(seed: u64, case: usize, config: &PhantomConfig, grid: &Grid) -> Self {
        let head = Head::draw(&mut stream(seed, case, Part::Head, 0), config, grid);
        let mut rng = stream(seed, case, Part::Cortex, 0);
        let rng: &mut ChaCha8Rng = &mut rng;
        let atrophy = rng.random::<f32>();
        let cell = around(rng, 6.0, 0.4);
        Self {
            head,
            deep: Deep::draw(rng, atrophy),
            distractors: Distractors::draw(
                &mut stream(seed, case, Part::Distractors, 0),
                config.distractors as f32,
            ),
            sulci: Smooth::draw(rng, cell),
            small_sulci: Smooth::draw(rng, 3.9),
            reach: Smooth::draw(rng, 16.0),
            folia: Smooth::draw(rng, 3.2),
            grey_mm: around(rng, 2.9, 0.2),
            sulcus_mm: 0.45 + 0.9 * atrophy,
            depth_mm: around(rng, 17.0, 1.5),
            margin_mm: rng.random_range(0.3..1.6),
            sylvian_z: around(rng, -8.0, 1.5),
        }
    }

    /// Tissue at a point of the scan, displaced by the tumour's mass effect.
    pub(super) fn tissue(&self, scan_point: Point, push: &Push, voxel_mm: f32) -> Tissue {
        let point = self.head.standard(scan_point);
        if norm([point[0] / 74.0, point[1] / 92.0, point[2] / 76.0]) > 1.0 {
            return Tissue::default();
        }
        let outline = self.head.outline(point);
        let near_edge = outline.brain > -1.0;
        if near_edge && outline.brain > self.margin_mm * (1.0 + 0.5 * self.reach.at(point)) {
            return Tissue::default();
        }
        let origin = push.origin(point);
        let mut tissue = if outline.cerebrum < outline.cerebellum.min(outline.stem) {
            self.cerebrum(origin, -outline.cerebrum, voxel_mm)
        } else if outline.cerebellum < outline.stem {
            self.cerebellum(origin, -outline.cerebellum, voxel_mm)
        } else {
            Tissue { grey: 0.25, fluid: inside(-outline.stem - 0.3, voxel_mm), ..Tissue::default() }
        };
        // A film of fluid separates the cerebrum from the cerebellum and the brain stem.
        let gap = (outline.cerebrum - outline.cerebellum.min(outline.stem)).abs() / 2.0;
        if origin[1] > 12.0 {
            tissue.fluid = tissue.fluid.max(inside(gap - 0.8, voxel_mm));
        }
        self.deep.add_to(&mut tissue, origin, voxel_mm);
        tissue.grey = tissue.grey.min(1.0 - tissue.fluid);
        tissue.deep = tissue.deep.min(1.0 - tissue.fluid - tissue.grey);
        tissue.brain = true;
        tissue.cerebral_depth_mm = -outline.cerebrum;
        self.distractors.add_to(&mut tissue, origin, &outline, &self.deep, voxel_mm);
        tissue
    }

    fn cerebrum(&self, p: Point, depth: f32, voxel_mm: f32) -> Tissue {
        let sheet = self.sheet_mm(p, depth);
        // A sheet thinner than a voxel fills only part of it.
        let thin = (2.0 * self.sulcus_mm / voxel_mm).min(1.0);
        let fluid =
            inside(depth - self.sulcus_mm, voxel_mm).max(thin * inside(sheet - self.sulcus_mm, voxel_mm));
        let ribbon = inside(depth.min(sheet) - self.sulcus_mm - self.grey_mm, voxel_mm);
        Tissue { fluid, grey: (ribbon - fluid).max(0.0), ..Tissue::default() }
    }

    /// Approximate distance to the nearest sulcus or fissure.
    fn sheet_mm(&self, p: Point, depth: f32) -> f32 {
        let side = p[0].abs();
        let bend = self.reach.at(p);
        let meander = 1.2 * self.reach.at([0.0, p[1], p[2]]);
        // The interhemispheric fissure ends at the corpus callosum.
        let callosum = (norm([0.0, (p[1] - 2.0) / 48.0, (p[2] - 2.0) / 28.0]) - 1.0) * 30.0;
        let fissure = ((p[0] - meander).abs() - 0.4).hypot((-callosum).max(0.0));
        // The Sylvian fissure ascends posteriorly and laterally.
        let slope = self.sylvian_z + 0.45 * (p[1] + 8.0) + 0.5 * (side - 46.0) + 2.5 * bend;
        let sylvian = ((p[2] - slope).abs() - 0.5)
            .max(0.0)
            .hypot((32.0 - side).max(0.0))
            .hypot(((p[1] + 4.0).abs() - 34.0).max(0.0));
        let mut nearest = fissure.min(sylvian);
        let reach = self.depth_mm * (1.0 + 0.4 * bend).max(0.3);
        // The medial surfaces of the hemispheres are folded like the lateral ones.
        let inner = side + 3.0 + 2.0 * (8.0 - callosum).max(0.0);
        let radius = norm([p[0] / 67.0, p[1] / 84.0, (p[2] - 7.0) / 58.0]).clamp(0.3, 1.1);
        // The base of the brain is smooth near the midline.
        let surface = depth.min(inner) + 60.0 * (0.6 - radius).max(0.0);
        if surface < 1.5 * self.depth_mm + 8.0 {
            let stretch = radius.powf(-0.7);
            let on_hull = [p[0] * stretch, p[1] * stretch, (p[2] - 7.0) * stretch];
            let sulcus = self.sulci.distance_to_zero_mm(on_hull) / stretch;
            nearest = nearest.min(sulcus.hypot((surface - reach).max(0.0)));
            let small = self.small_sulci.distance_to_zero_mm(on_hull) / stretch + 0.7;
            nearest = nearest.min(small.hypot((surface - 0.35 * reach).max(0.0)));
        }
        nearest
    }

    fn cerebellum(&self, p: Point, depth: f32, voxel_mm: f32) -> Tissue {
        let leaves = self.folia.at([0.5 * p[0], 0.6 * p[1], 1.8 * p[2]]);
        let white = inside(11.0 - depth + 4.0 * leaves.abs() - 2.0, 4.0);
        let fluid =
            (0.30 * inside(leaves.abs() - 0.25, 0.5) * (1.0 - white)).max(inside(depth - 0.4, voxel_mm));
        Tissue { fluid, grey: (1.0 - white) * (1.0 - fluid), ..Tissue::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brains(count: usize) -> Vec<Anatomy> {
        let config = PhantomConfig::default();
        let grid = Grid::new(&config);
        (0..count).map(|case| Anatomy::draw(12, case, &config, &grid)).collect()
    }

    #[test]
    fn sulci_and_ribbon_have_the_drawn_widths() {
        let brains = brains(40);
        let range = |of: fn(&Anatomy) -> f32| {
            let values = brains.iter().map(of);
            values.fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(value), most.max(value)))
        };
        let (least, most) = range(|brain| brain.sulcus_mm);
        assert!((0.45..0.6).contains(&least) && (1.2..=1.35).contains(&most), "{least} to {most}");
        let (least, most) = range(|brain| brain.grey_mm);
        assert!(least > 2.499 && most < 3.301 && most - least > 0.4, "{least} to {most}");
        for brain in &brains[..4] {
            let fine = 0.2;
            for p in (0..60).map(|i| [20.0 + (i % 6) as f32 * 4.0, -40.0 + i as f32, 30.0]) {
                assert_eq!(brain.cerebrum(p, 0.0, fine).fluid, 1.0, "fluid covers the surface");
                let ribbon = brain.cerebrum(p, brain.sulcus_mm + 0.5 * brain.grey_mm, fine);
                assert!((ribbon.fluid + ribbon.grey - 1.0).abs() < 1e-6, "no white matter in the ribbon");
                // Below the ribbon of the surface only a sulcus brings fluid or grey matter.
                let depth = brain.sulcus_mm + brain.grey_mm + 0.3;
                let (sheet, tissue) = (brain.sheet_mm(p, depth), brain.cerebrum(p, depth, fine));
                let (fluid, grey, white) = (tissue.fluid > 0.99, tissue.grey > 0.99, tissue.white() > 0.99);
                let beyond = sheet - brain.sulcus_mm;
                let expected = match beyond {
                    _ if beyond < -0.12 => [true, false, false],
                    _ if beyond > 0.12 && beyond < brain.grey_mm - 0.12 => [false, true, false],
                    _ if beyond > brain.grey_mm + 0.12 => [false, false, true],
                    _ => continue,
                };
                assert_eq!([fluid, grey, white], expected, "{sheet} mm from a sulcus");
            }
        }
    }

    #[test]
    fn sulci_are_many_near_the_surface_and_few_in_the_core() {
        let (mut near, mut core, brains) = (Vec::new(), Vec::new(), brains(8));
        for brain in &brains {
            for i in 0..200 {
                let turn = i as f32 * 0.1;
                // On a shell 5 mm below the surface, and around the middle of a hemisphere.
                let shell = [60.0 * turn.cos(), 75.0 * turn.sin(), 10.0 + 0.1 * i as f32];
                near.push(brain.sheet_mm(shell, 5.0) < 3.0);
                let middle = [12.0 + 0.02 * i as f32, 15.0 * turn.sin(), 12.0 + 6.0 * turn.cos()];
                core.push(brain.sheet_mm(middle, 40.0) < 3.0);
            }
        }
        let share = |of: &[bool]| of.iter().filter(|is_near| **is_near).count() as f32 / of.len() as f32;
        assert!(share(&near) > 0.35, "{} near the surface", share(&near));
        assert!(share(&core) < 0.05, "{} in the core", share(&core));
        // At one depth there are fewer sulci towards the centre: the base near the midline is smooth.
        let share_at = |radius: f32| {
            let mut close = Vec::new();
            for brain in &brains {
                for i in 0..150 {
                    let turn = std::f32::consts::PI * (i as f32 / 150.0 - 0.5);
                    let p = [radius * 67.0 * turn.cos().max(0.3), radius * 80.0 * turn.sin(), 9.0];
                    close.push(brain.sheet_mm(p, 10.0) < 3.0);
                }
            }
            share(&close)
        };
        assert!(3.0 * share_at(0.35) < share_at(0.9), "{} {}", share_at(0.35), share_at(0.9));
        // The fissure between the hemispheres, and the Sylvian one, which is lateral.
        for brain in &brains {
            let midline = (-40..40).map(|y| brain.sheet_mm([0.0, y as f32, 45.0], 15.0));
            assert!(midline.filter(|sheet| *sheet < 2.5).count() > 60);
            let lateral = (-20..20).map(|z| brain.sheet_mm([50.0, 0.0, z as f32], 14.0));
            assert!(lateral.fold(f32::MAX, f32::min) < 1.0);
        }
    }

    #[test]
    fn a_cerebellum_is_white_inside_and_leafed_outside() {
        let brains = brains(6);
        let mean = |depth: f32, of: fn(&Tissue) -> f32| {
            let mut sum = 0.0;
            for brain in &brains {
                for i in 0..100 {
                    let p =
                        [(i % 10) as f32 * 7.0 - 32.0, 20.0 + (i / 10) as f32 * 5.0, -35.0 + i as f32 * 0.13];
                    let tissue = brain.cerebellum(p, depth, 1.0);
                    assert!((0.0..=1.0).contains(&(tissue.fluid + tissue.grey)));
                    sum += of(&tissue) / 600.0;
                }
            }
            sum
        };
        let white = |depth: f32| mean(depth, Tissue::white);
        assert!(white(3.0) < 0.01 && white(26.0) > 0.97, "{} {}", white(3.0), white(26.0));
        // Half of it is white where 9 mm and four leaves of 0.8 on average are passed.
        assert!(white(11.0) < 0.5 && white(13.5) > 0.5, "{} {}", white(11.0), white(13.5));
        assert!(mean(0.0, |tissue| tissue.fluid) > 0.85 && mean(30.0, |tissue| tissue.fluid) < 0.01);
        let leaves = mean(4.0, |tissue| tissue.fluid);
        assert!((0.02..0.2).contains(&leaves), "{leaves}");
        assert!(mean(4.0, |tissue| tissue.grey) > 0.75);
    }
}
