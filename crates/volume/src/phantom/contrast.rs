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
