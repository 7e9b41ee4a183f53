//! Signal intensity of each tissue on each sequence.
//!
//! Values are relative to normal white matter on T1. They follow textbook contrasts of spin-echo T1 before and after
//! gadolinium, T2 and FLAIR at 1.5 T, and were not measured on scans.

use rand_chacha::ChaCha8Rng;

use super::smooth::around;
use super::tissue::Tissue;
use super::tumour::{Share, Tumour};

/// Relative intensity of each tissue on one sequence.
#[derive(Clone, Copy)]
pub(super) struct Contrast {
    fluid: f32,
    grey: f32,
    deep: f32,
    white: f32,
    lesion: f32,
    oedema: f32,
    /// Non-enhancing solid tumour.
    solid: f32,
    /// Solid tumour with the T2-FLAIR mismatch.
    mismatch: f32,
    necrosis: f32,
    rim: f32,
    vessel: f32,
    /// Increase by contrast agent in tissue that takes it up.
    agent: f32,
    /// Strength of the flow void in vessels.
    void: f32,
}

const T1: Contrast = Contrast {
    fluid: 0.32,
    grey: 0.74,
    deep: 0.84,
    white: 1.0,
    lesion: 0.88,
    oedema: 0.78,
    solid: 0.64,
    mismatch: 0.60,
    necrosis: 0.48,
    rim: 0.72,
    vessel: 0.70,
    agent: 0.0,
    void: 0.3,
};

/// Increase by contrast agent on T1ce, which otherwise equals T1.
const AGENT: f32 = 0.85;

const T2: Contrast = Contrast {
    fluid: 1.35,
    grey: 0.70,
    deep: 0.58,
    white: 0.50,
    lesion: 0.85,
    oedema: 1.00,
    solid: 1.06,
    mismatch: 1.14,
    necrosis: 1.10,
    rim: 0.88,
    vessel: 0.40,
    agent: 0.0,
    void: 0.5,
};

const FLAIR: Contrast = Contrast {
    fluid: 0.20,
    grey: 0.66,
    deep: 0.58,
    white: 0.54,
    lesion: 1.00,
    oedema: 1.10,
    solid: 1.00,
    mismatch: 0.66,
    necrosis: 0.70,
    rim: 0.92,
    vessel: 0.45,
    agent: 0.0,
    void: 0.3,
};

impl Contrast {
    /// Draws the contrasts of one case, in the order of [`SEQUENCES`](super::SEQUENCES), with random variation between
    /// scanners and between tissues.
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> [Self; 4] {
        let tissue: [f32; 6] = std::array::from_fn(|_| around(rng, 1.0, 0.03));
        let mut vary = |base: Self, by: f32| {
            let gain = around(rng, 1.0, by);
            let away = |value: f32, by: f32| base.white + (value - base.white) * gain * by;
            Self {
                fluid: away(base.fluid, tissue[0]).max(0.1),
                grey: away(base.grey, tissue[1]),
                deep: away(base.deep, tissue[2]),
                lesion: away(base.lesion, 1.0),
                oedema: away(base.oedema, around(rng, 1.0, 0.12) * tissue[3]),
                solid: away(base.solid, around(rng, 1.0, 0.12) * tissue[4]),
                necrosis: away(base.necrosis, around(rng, 1.0, 0.10) * tissue[5]),
                ..base
            }
        };
        // T1ce is often acquired with another pulse sequence than T1, from spin echo to inversion recovery, so that its
        // contrast varies more between scanners.
        let [t1, t1ce, t2, flair] = [vary(T1, 0.10), vary(T1, 0.25), vary(T2, 0.10), vary(FLAIR, 0.10)];
        let agent = AGENT * around(rng, 1.0, 0.08);
        [t1, Self { agent, ..t1ce }, t2, flair]
    }

    /// Intensity of a voxel of this composition.
    pub(super) fn value(&self, tissue: &Tissue, share: &Share, tumour: &Tumour) -> f32 {
        let normal = tissue.fluid * self.fluid
            + tissue.grey * self.grey
            + tissue.deep * self.deep
            + tissue.lesion * self.lesion
            + (tissue.white() - tissue.lesion).max(0.0) * self.white;
        let normal = normal + self.void * tissue.vessel.min(1.0) * (self.vessel - normal);
        let solid = self.solid + tumour.mismatch * (self.mismatch - self.solid);
        let centre = solid + tumour.necrosis * (self.necrosis - solid);
        // Oedema retains some of the contrast of the tissue below it.
        let oedema = self.oedema + 0.25 * (normal - self.white).clamp(-0.3, 0.3);
        let rim = self.rim + self.agent * tumour.uptake;
        let grain = tumour.texture * share.texture.clamp(-1.7, 1.7);
        let abnormal = (share.whole - share.core) * oedema
            + (share.core - share.rim) * centre * (1.0 + grain)
            + share.rim * rim * (1.0 + 0.5 * grain);
        (1.0 - share.whole) * normal + abnormal + self.agent * tissue.vessel * (1.0 - share.core)
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::Head;
    use super::super::settings::PhantomConfig;
    use super::super::smooth::{Part, stream};
    use super::super::space::Grid;
    use super::*;

    /// A tumour of a solid core without texture, mismatch or necrosis, which takes up half of the agent.
    fn tumour() -> Tumour {
        let config = PhantomConfig::default();
        let head = Head::draw(&mut stream(1, 1, Part::Head, 0), &config, &Grid::new(&config));
        let mut tumour = Tumour::draw(1, 1, true, &config, &head);
        (tumour.uptake, tumour.necrosis, tumour.mismatch, tumour.texture) = (0.5, 0.0, 0.0, 0.0);
        tumour
    }

    #[track_caller]
    fn assert_close(found: f32, expected: f32) {
        assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
    }

    #[test]
    fn a_healthy_voxel_is_the_mean_of_its_tissues() {
        let value =
            |contrast: Contrast, tissue: Tissue| contrast.value(&tissue, &Share::default(), &tumour());
        let none = Tissue::default();
        for contrast in [T1, T2, FLAIR] {
            assert_close(value(contrast, none), contrast.white);
            assert_close(value(contrast, Tissue { fluid: 1.0, ..none }), contrast.fluid);
            assert_close(value(contrast, Tissue { grey: 1.0, ..none }), contrast.grey);
            assert_close(value(contrast, Tissue { deep: 1.0, ..none }), contrast.deep);
            assert_close(value(contrast, Tissue { lesion: 1.0, ..none }), contrast.lesion);
        }
        // 0.5 · 0.74 + 0.25 · 0.32 + 0.25 · 1.
        assert_close(value(T1, Tissue { grey: 0.5, fluid: 0.25, ..none }), 0.7);
        // 0.4 · 0.88 + 0.6 · 1.
        assert_close(value(T1, Tissue { lesion: 0.4, ..none }), 0.952);
        // A vessel is dark by flow, 0.3 of the way from 1 to 0.7, and bright by the agent.
        assert_close(value(T1, Tissue { vessel: 1.0, ..none }), 0.91);
        assert_close(value(T1, Tissue { vessel: 0.5, ..none }), 0.955);
        assert_close(value(Contrast { agent: 0.8, ..T1 }, Tissue { vessel: 0.5, ..none }), 0.955 + 0.4);
    }

    #[test]
    fn a_tumour_replaces_tissue_by_its_parts() {
        let agent = Contrast { agent: 0.8, ..T1 };
        let plain = tumour();
        let none = Tissue::default();
        let grey = Tissue { grey: 1.0, ..none };
        let share = |whole, core, rim| Share { whole, core, rim, texture: 0.0 };
        assert_close(agent.value(&none, &share(1.0, 0.0, 0.0), &plain), 0.78);
        // A quarter of the difference between grey and white matter shows through oedema.
        assert_close(agent.value(&grey, &share(1.0, 0.0, 0.0), &plain), 0.78 - 0.25 * 0.26);
        assert_close(agent.value(&none, &share(1.0, 1.0, 0.0), &plain), 0.64);
        let [mut mismatched, mut necrotic, mut grained] = [tumour(), tumour(), tumour()];
        (mismatched.mismatch, necrotic.necrosis, grained.texture) = (1.0, 1.0, 0.1);
        assert_close(agent.value(&none, &share(1.0, 1.0, 0.0), &mismatched), 0.60);
        assert_close(agent.value(&none, &share(1.0, 1.0, 0.0), &necrotic), 0.48);
        // The rim takes up half of the agent.
        assert_close(agent.value(&none, &share(1.0, 1.0, 1.0), &plain), 0.72 + 0.4);
        // A quarter each of white matter, oedema, core and rim.
        let parts = 0.25 * (1.0 + 0.78 + 0.64 + 1.12);
        assert_close(agent.value(&none, &share(0.75, 0.5, 0.25), &plain), parts);
        // The texture counts in full in the core and half in the rim.
        let textured = |core, rim| Share { texture: 1.0, ..share(1.0, core, rim) };
        assert_close(agent.value(&none, &textured(1.0, 0.0), &grained), 0.64 * 1.1);
        assert_close(agent.value(&none, &textured(1.0, 1.0), &grained), 1.12 * 1.05);
        assert_close(agent.value(&none, &textured(0.0, 0.0), &grained), 0.78);
        // A vessel shows its agent outside of the core only.
        let vessel = Tissue { vessel: 1.0, ..none };
        assert_close(agent.value(&vessel, &share(1.0, 1.0, 0.0), &plain), 0.64);
    }

    #[test]
    fn scanners_vary_and_only_one_sequence_has_the_agent() {
        let drawn: Vec<[Contrast; 4]> =
            (0..50).map(|case| Contrast::draw(&mut stream(2, case, Part::Contrast, 0))).collect();
        let [mut least, mut most] = [f32::MAX, f32::MIN];
        for [t1, t1ce, t2, flair] in &drawn {
            assert_eq!([t1.agent, t2.agent, flair.agent], [0.0; 3]);
            assert!((0.71..=0.99).contains(&t1ce.agent), "{}", t1ce.agent);
            for (contrast, base) in [(t1, T1), (t1ce, T1), (t2, T2), (flair, FLAIR)] {
                assert_eq!(contrast.white, base.white, "all else is relative to white matter");
                assert!(contrast.fluid >= 0.1);
                // Grey matter differs from white matter as in the textbook, by 0.45 to 1.6 times as much.
                let ratio = (contrast.grey - base.white) / (base.grey - base.white);
                assert!((0.45..1.6).contains(&ratio), "{ratio}");
            }
            let ratio = (t1.grey - 1.0) / (T1.grey - 1.0);
            (least, most) = (least.min(ratio), most.max(ratio));
        }
        assert!(least < 0.9 && most > 1.1, "{least} to {most}");
    }
}
