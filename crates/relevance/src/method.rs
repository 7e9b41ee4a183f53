//! The explainers by name.

use crate::named::named;

named! {
    /// An explainer of this crate, as it is chosen by name.
    pub enum Method, "method" {
        /// One region replaced at a time: [`Perturbation`](crate::Perturbation).
        Perturb = "perturb", "Perturbation";
        /// The same, smoothed over neighbouring regions that are alike: [`Diffusion`](crate::Diffusion).
        Diffused = "diffused", "Diffused";
        /// A linear model over random coalitions: [`Lime`](crate::Lime).
        Lime = "lime", "LIME";
        /// The same with the weights of Shapley values: [`Weighting::KernelShap`](crate::Weighting::KernelShap).
        KernelShap = "kernel_shap", "KernelSHAP";
        /// The mean over random masks: [`Rise`](crate::Rise).
        Rise = "rise", "RISE";
        /// A sliding box: [`Occlusion`](crate::Occlusion).
        Occlusion = "occlusion", "Occlusion";
        /// The gradient-weighted activations of the last stage (feature `candle`).
        GradCam = "gradcam", "Grad-CAM";
        /// The same with weights by position (feature `candle`).
        GradCamPlusPlus = "gradcam_pp", "Grad-CAM++";
    }
}
