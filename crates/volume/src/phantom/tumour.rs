//! Gliomas: location, extent and composition.
//!
//! Every case has a *malignancy* from 0 (low-grade) to 1 (high-grade), drawn around its grade; each feature is drawn around
//! the malignancy. High-grade tumours have a necrotic core, an enhancing rim and oedema that spreads along white matter.
//! Low-grade ones are smooth and homogeneous, often with a dark centre on FLAIR (the T2-FLAIR mismatch, Patel et al. 2017,
//! doi:10.1158/1078-0432.CCR-17-0560), and enhance faintly or not at all.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::head::Head;
use super::push::Push;
use super::settings::PhantomConfig;
use super::smooth::{Part, Smooth, around, normal, stream};
use super::space::{Grid, Point, inside, norm, rotate, rotation, sub};
use super::tissue::Tissue;

/// Sites of origin in the standard brain, with their relative frequency for low and high grades.
const SITES: [(Point, f32, f32); 7] = [
    ([26.0, -44.0, 22.0], 3.0, 1.5), // frontal
    ([20.0, -20.0, 42.0], 1.5, 1.0), // superior frontal
    ([38.0, -8.0, 2.0], 2.0, 0.8),   // insular
    ([42.0, 0.0, -22.0], 1.5, 2.0),  // temporal
    ([30.0, 32.0, 30.0], 1.0, 2.0),  // parietal
    ([26.0, 58.0, 10.0], 0.5, 1.5),  // occipital
    ([24.0, 12.0, 26.0], 0.5, 1.5),  // periventricular
];
/// Nominal volume of a brain, from which a tumour's radius is computed before the brain exists.
const BRAIN_ML: f32 = 1350.0;

/// Parameters of one tumour.
pub(super) struct Tumour {
    centre: Point,
    radius_mm: f32,
    axes: [Point; 3],
    squeeze: Point,
    core_offset: Point,
    fraction: f32,
    push_mm: f32,
    /// Distance that grey matter adds for oedema, which makes it spread along white matter.
    grey_barrier_mm: f32,
    edge_mm: f32,
    core_edge_mm: f32,
    core_share: f32,
    rim_mm: f32,
    rim_share: f32,
    pub(super) uptake: f32,
    pub(super) necrosis: f32,
    pub(super) mismatch: f32,
    pub(super) texture: f32,
    patch_share: f32,
}

/// Tumour fractions of a voxel, 0 to 1: `core` is part of `whole`, `rim` part of `core`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) whole: f32,
    pub(super) core: f32,
    pub(super) rim: f32,
    /// Smooth texture with mean 0 and standard deviation 1.
    pub(super) texture: f32,
}

// BraTS's labels.
pub(super) const CORE: u32 = 1;
pub(super) const OEDEMA: u32 = 2;
pub(super) const ENHANCING: u32 = 4;

impl Tumour {
    pub(super) fn draw(seed: u64, case: usize, positive: bool, config: &PhantomConfig, head: &Head) -> Self {
        let mut rng = stream(seed, case, Part::Tumour, 0);
        let rng = &mut rng;
        let overlap = config.overlap as f32;
        let middle = if positive { 0.78 } else { 0.22 };
        let malignancy = around(rng, middle, 0.36 * overlap);
        let trait_of = |rng: &mut ChaCha8Rng| around(rng, malignancy, 0.10).clamp(0.0, 1.0);

        let [smallest, largest] = config.tumour_fraction.map(|f| f as f32);
        // Large tumours are slightly more often high-grade; the range is the same.
        let size = rng.random::<f32>().powf(if positive { 0.9 } else { 1.1 });
        let fraction = smallest * (largest / smallest).powf(size);
        let radius_mm = (fraction * BRAIN_ML * 1000.0 * 3.0 / (4.0 * std::f32::consts::PI)).cbrt();
        let rim = trait_of(rng);
        let completeness = smoothstep(0.30, 0.85, rim);
        let core_trait = trait_of(rng);
        Self {
            centre: centre(rng, positive, radius_mm, head),
            radius_mm,
            axes: rotation([0; 3].map(|_| rng.random_range(-1.5_f32..1.5))),
            squeeze: [0; 3].map(|_| rng.random_range(0.80..1.25_f32)),
            core_offset: [0; 3].map(|_| 0.14 * radius_mm * normal(rng).clamp(-1.5, 1.5)),
            fraction,
            push_mm: config.mass_effect as f32 * radius_mm * rng.random_range(0.5..1.5_f32) * 0.6,
            grey_barrier_mm: lerp(1.0, 6.0, trait_of(rng)),
            edge_mm: radius_mm * lerp(0.08, 0.17, trait_of(rng)),
            core_edge_mm: radius_mm * lerp(0.06, 0.12, trait_of(rng)),
            core_share: rng.random_range(0.42..0.72),
            rim_mm: lerp(2.5, 8.0, trait_of(rng)) * rng.random_range(0.85..1.2_f32),
            rim_share: completeness * rng.random_range(0.8..1.0_f32),
            uptake: lerp(0.15, 1.05, smoothstep(0.1, 0.9, trait_of(rng))),
            necrosis: smoothstep(0.2, 0.8, core_trait),
            mismatch: (1.0 - malignancy).clamp(0.0, 1.0) * rng.random::<f32>(),
            texture: lerp(0.03, 0.10, trait_of(rng)),
            patch_share: if rng.random::<f32>() < 0.45 { rng.random_range(0.02..0.10) } else { 0.0 },
        }
    }

    pub(super) fn push(&self) -> Push {
        Push { centre: self.centre, radius_mm: self.radius_mm, strength_mm: self.push_mm }
    }

    /// Computes tumour fractions and labels of every voxel.
    ///
    /// Whole tumour and core are level sets with the drawn volumes, whatever the voxel size.
    pub(super) fn grow(
        &self,
        seed: u64,
        case: usize,
        head: &Head,
        grid: &Grid,
        tissue: &[Tissue],
    ) -> (Vec<Share>, Vec<u32>) {
        let texture = Texture::draw(seed, case, self.radius_mm);
        let soft = grid.voxel_mm();
        let nowhere = f32::INFINITY;
        let fields: Vec<[f32; 2]> = (0..grid.len())
            .into_par_iter()
            .map(|index| {
                let here = &tissue[index];
                if !here.brain || here.ventricle > 0.5 {
                    return [nowhere; 2];
                }
                let p = head.standard(grid.point_at(index));
                if norm(sub(p, self.centre)) > 2.6 * self.radius_mm {
                    [nowhere; 2]
                } else {
                    self.fields(p, here, &texture)
                }
            })
            .collect();

        let brain = tissue.iter().filter(|t| t.brain).count();
        let wanted = (self.fraction * brain as f32).round().max(8.0) as usize;
        let edge = level(fields.iter().map(|f| f[0]), wanted);
        let core_wanted = (self.core_share * wanted as f32) as usize;
        let core_edge = level(fields.iter().filter(|f| f[0] < edge - 0.5 * soft).map(|f| f[1]), core_wanted);

        let parts = |index: usize| -> (Share, u32) {
            let [whole_field, core_field] = fields[index];
            let whole = inside(whole_field - edge, soft);
            if whole <= 0.0 {
                return (Share::default(), 0);
            }
            let own = self.own(head.standard(grid.point_at(index)));
            let core = inside(core_field - core_edge, soft).min(whole);
            let rim =
                if core > 0.0 { core * self.rim(own, core_edge - core_field, &texture, soft) } else { 0.0 };
            let label = if whole_field > edge {
                0
            } else if rim > 0.5 && self.uptake > 0.22 {
                ENHANCING
            } else if core >= 0.5 {
                CORE
            } else {
                OEDEMA
            };
            (Share { whole, core, rim, texture: texture.grain.at(own) }, label)
        };
        (0..grid.len()).into_par_iter().map(parts).unzip()
    }

    /// Maps a point to the tumour's own axes, which differ between cases.
    fn own(&self, p: Point) -> Point {
        rotate(&self.axes, sub(p, self.centre))
    }

    /// Distance-like fields of the whole tumour and of its core, increasing outwards.
    fn fields(&self, p: Point, here: &Tissue, texture: &Texture) -> [f32; 2] {
        let own = self.own(p);
        let fingers = texture.fingers.at(own);
        let whole = norm([0, 1, 2].map(|axis| own[axis] * self.squeeze[axis]))
            + self.edge_mm * (1.4 * texture.lobes.at(own) + 0.8 * fingers);
        let below_tentorium = f32::from(here.cerebral_depth_mm < 0.0);
        let barrier = self.grey_barrier_mm * (here.grey + 1.5 * here.deep)
            + 3.0 * here.fluid
            + 12.0 * below_tentorium
            // The falx confines it to one side, except at the corpus callosum.
            + 0.6 * (-p[0] * self.centre[0].signum()).max(0.0);
        let core = norm(
            [0, 1, 2].map(|axis| (own[axis] - self.core_offset[axis]) * (0.5 + 0.5 * self.squeeze[2 - axis])),
        ) + self.core_edge_mm * (1.3 * texture.core.at(own) + 0.5 * fingers);
        let core_barrier = 1.5 * here.fluid + 0.3 * self.grey_barrier_mm * here.grey;
        [whole + barrier, core + core_barrier]
    }

    /// Enhancing fraction of the core at a depth below its surface.
    fn rim(&self, own: Point, depth: f32, texture: &Texture, soft: f32) -> f32 {
        let mut share = 0.0_f32;
        if self.rim_share > 0.02 {
            let thickness = self.rim_mm * (1.0 + 0.35 * texture.thickness.at(own)).max(0.3);
            // The rim is present where a smooth field is below the quantile of this fraction.
            let present = inside(texture.gaps.at(own) - normal_quantile(self.rim_share), 0.6);
            share = inside(depth - thickness, soft) * present;
        }
        if self.patch_share > 0.0 {
            share = share.max(inside(texture.patches.at(own) - normal_quantile(self.patch_share), 0.5));
        }
        share
    }
}

/// Random fields that shape one tumour.
struct Texture {
    lobes: Smooth,
    fingers: Smooth,
    core: Smooth,
    thickness: Smooth,
    gaps: Smooth,
    patches: Smooth,
    grain: Smooth,
}

impl Texture {
    fn draw(seed: u64, case: usize, radius_mm: f32) -> Self {
        let mut rng = stream(seed, case, Part::TumourTexture, 0);
        let rng = &mut rng;
        Self {
            lobes: Smooth::draw(rng, 0.55 * radius_mm),
            fingers: Smooth::draw(rng, 0.25 * radius_mm),
            core: Smooth::draw(rng, 0.40 * radius_mm),
            thickness: Smooth::draw(rng, 8.0),
            gaps: Smooth::draw(rng, 0.35 * radius_mm),
            patches: Smooth::draw(rng, 6.0),
            grain: Smooth::draw(rng, 4.0),
        }
    }
}

/// Draws a centre in the cerebrum, deep enough for the tumour's radius.
fn centre(rng: &mut ChaCha8Rng, positive: bool, radius_mm: f32, head: &Head) -> Point {
    let weight = |&(_, low, high): &(Point, f32, f32)| if positive { high } else { low };
    let mut left = rng.random::<f32>() * SITES.iter().map(weight).sum::<f32>();
    let mut site = SITES[0].0;
    for entry in &SITES {
        site = entry.0;
        left -= weight(entry);
        if left < 0.0 {
            break;
        }
    }
    let side = if rng.random::<bool>() { 1.0 } else { -1.0 };
    let jittered = |rng: &mut ChaCha8Rng| {
        let at = [0, 1, 2].map(|axis| site[axis] + 8.0 * normal(rng).clamp(-2.0, 2.0));
        [side * at[0].max(12.0), at[1], at[2]]
    };
    for _ in 0..50 {
        let point = jittered(rng);
        if -head.outline(point).cerebrum > 0.55 * radius_mm {
            return point;
        }
    }
    [side * site[0] * 0.8, site[1] * 0.8, site[2] * 0.8]
}

/// Value below which `count` of the values lie.
fn level(values: impl Iterator<Item = f32>, count: usize) -> f32 {
    let mut finite: Vec<f32> = values.filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return f32::NEG_INFINITY;
    }
    let at = count.min(finite.len() - 1);
    *finite.select_nth_unstable_by(at, f32::total_cmp).1
}

/// Approximate quantile of the standard normal distribution (logistic approximation).
fn normal_quantile(probability: f32) -> f32 {
    let p = probability.clamp(0.005, 0.995);
    (p / (1.0 - p)).ln() / 1.702
}

fn smoothstep(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn lerp(low: f32, high: f32, t: f32) -> f32 {
    low + (high - low) * t
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(case: usize) -> Head {
        let config = PhantomConfig::default();
        Head::draw(&mut stream(3, case, Part::Head, 0), &config, &Grid::new(&config))
    }

    #[test]
    fn a_level_has_the_wanted_number_of_values_below_it() {
        let values = [5.0, 1.0, f32::INFINITY, 3.0, 4.0, 2.0];
        for (count, expected) in [(0, 1.0), (2, 3.0), (4, 5.0), (9, 5.0)] {
            assert_eq!(level(values.into_iter(), count), expected);
        }
        assert_eq!(level([f32::INFINITY].into_iter(), 1), f32::NEG_INFINITY);
    }

    #[test]
    fn a_quantile_is_close_to_that_of_the_normal_distribution() {
        // From a table of the normal distribution.
        for (probability, expected) in
            [(0.05, -1.645), (0.1587, -1.0), (0.5, 0.0), (0.6915, 0.5), (0.8413, 1.0), (0.95, 1.645)]
        {
            let found = normal_quantile(probability);
            assert!((found - expected).abs() < 0.1, "{probability}: {found}, expected {expected}");
        }
        assert!(normal_quantile(0.0).is_finite() && normal_quantile(1.0).is_finite());
    }

    #[test]
    fn a_smooth_step_goes_from_0_to_1_and_is_level_at_both_ends() {
        let at = |value: f32| smoothstep(2.0, 6.0, value);
        assert_eq!([1.0, 2.0, 4.0, 6.0, 7.0].map(at), [0.0, 0.0, 0.5, 1.0, 1.0]);
        assert!(at(2.04) < 0.001 && at(5.96) > 0.999);
        assert!((at(3.0) - 0.15625).abs() < 1e-6 && (at(5.0) - 0.84375).abs() < 1e-6);
        assert_eq!([0.0, 0.25, 1.0].map(|t| lerp(2.0, 6.0, t)), [2.0, 3.0, 6.0]);
    }

    #[test]
    fn a_tumour_starts_near_a_site_on_either_side_and_deep_enough() {
        let radius_mm = 22.0;
        let (mut left, mut deep, mut points) = (0, 0, Vec::new());
        for case in 0..200 {
            let head = head(case);
            let mut rng = stream(3, case, Part::Tumour, 0);
            let point = centre(&mut rng, case % 2 == 0, radius_mm, &head);
            let near = |site: &Point| {
                (point[0].abs() - site[0]).abs() <= 16.0
                    && (1..3).all(|axis| (point[axis] - site[axis]).abs() <= 16.0)
            };
            assert!(SITES.iter().any(|(site, ..)| near(site)), "{point:?}");
            left += usize::from(point[0] > 0.0);
            deep += usize::from(-head.outline(point).cerebrum > 0.55 * radius_mm);
            points.push(point.map(f32::to_bits));
        }
        assert!((60..=140).contains(&left), "{left} of 200 on the left");
        assert!(deep >= 190, "only {deep} of 200 are deep enough");
        points.sort_unstable();
        points.dedup();
        assert!(points.len() > 190, "only {} places", points.len());
    }

    #[test]
    fn grades_prefer_their_own_sites() {
        let radius_mm = 5.0;
        // The frontal site is twice as frequent among low grades, the occipital one three times among high grades.
        let share = |positive: bool, behind: bool| {
            let found = (0..400).filter(|&case| {
                let point = centre(&mut stream(4, case, Part::Tumour, 0), positive, radius_mm, &head(case));
                if behind { point[1] > 42.0 } else { point[1] < -28.0 }
            });
            found.count() as f32 / 400.0
        };
        assert!(share(false, false) > 1.4 * share(true, false));
        assert!(share(true, true) > 1.8 * share(false, true));
        assert!(share(false, false) > 0.2 && share(true, true) > 0.08);
    }

    #[test]
    fn sizes_and_mass_effect_are_as_configured() {
        let mut fractions = Vec::new();
        for case in 0..60 {
            for (mass_effect, positive) in [(0.0, false), (0.5, true)] {
                let config = PhantomConfig { mass_effect, ..PhantomConfig::default() };
                let tumour = Tumour::draw(3, case, positive, &config, &head(case));
                // The ball of this radius has the drawn share of a brain of 1350 ml.
                let ball_ml = 4.0 / 3.0 * std::f32::consts::PI * (tumour.radius_mm / 10.0).powi(3);
                assert!((ball_ml / 1350.0 / tumour.fraction - 1.0).abs() < 1e-3);
                fractions.push(tumour.fraction);
                let push = tumour.push();
                let by = push.strength_mm / (0.6 * tumour.radius_mm);
                let [low, high] = [0.5 * mass_effect as f32, 1.5 * mass_effect as f32];
                assert!((low - 1e-4..=high + 1e-4).contains(&by), "{by} radii for {mass_effect}");
                assert_eq!((push.centre, push.radius_mm), (tumour.centre, tumour.radius_mm));
            }
        }
        let (least, most) = fractions.iter().fold((1.0_f32, 0.0_f32), |(l, m), &f| (l.min(f), m.max(f)));
        assert!((0.05..0.06).contains(&least) && (0.16..=0.1801).contains(&most), "{least} to {most}");
    }

    #[test]
    fn a_core_is_off_centre_in_any_direction_and_the_tentorium_confines_the_tumour() {
        let mut offsets = Vec::new();
        for case in 0..30 {
            let tumour = Tumour::draw(3, case, true, &PhantomConfig::default(), &head(case));
            offsets.extend(tumour.core_offset.map(|offset| offset / tumour.radius_mm));
            let texture = Texture::draw(3, case, tumour.radius_mm);
            let at = |cerebral_depth_mm: f32| {
                let here = Tissue { cerebral_depth_mm, ..Tissue::default() };
                tumour.fields(tumour.centre, &here, &texture)
            };
            let ([above, core], [below, core_below]) = (at(5.0), at(-5.0));
            assert!((below - above - 12.0).abs() < 1e-3, "outside of the cerebrum it is 12 mm further away");
            assert_eq!(core, core_below);
        }
        let (least, most) =
            offsets.iter().fold((0.0_f32, 0.0_f32), |(l, m), &offset| (l.min(offset), m.max(offset)));
        assert!((-0.2101..-0.15).contains(&least) && (0.15..0.2101).contains(&most), "{least} to {most}");
    }

    #[test]
    fn a_tumour_s_own_axes_keep_distances_to_its_centre() {
        let tumour = Tumour::draw(3, 1, true, &PhantomConfig::default(), &head(1));
        assert_eq!(tumour.own(tumour.centre), [0.0; 3]);
        let mut seen = Vec::new();
        for step in [[7.0, 0.0, 0.0], [0.0, 7.0, 0.0], [0.0, 0.0, 7.0]] {
            let own = tumour.own([0, 1, 2].map(|axis| tumour.centre[axis] + step[axis]));
            assert!((norm(own) - 7.0).abs() < 1e-3);
            seen.push(own);
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let cosine: f32 = (0..3).map(|axis| seen[a][axis] * seen[b][axis]).sum::<f32>() / 49.0;
            assert!(cosine.abs() < 1e-3, "axes {a} and {b} are not at right angles");
        }
    }
}
