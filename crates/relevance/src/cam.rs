//! Methods that weight the channels of a network's last feature map.

named! {
    /// A method that weights the channels of a network's last feature map, and needs no perturbed scan.
    pub enum Cam, "class activation map" {
        /// R. R. Selvaraju et al., ICCV 2017, <https://doi.org/10.1109/ICCV.2017.74>.
        GradCam = "gradcam", "Grad-CAM";
        /// A. Chattopadhay et al., WACV 2018, <https://doi.org/10.1109/WACV.2018.00097>.
        GradCamPlusPlus = "gradcam-pp", "Grad-CAM++";
    }
}
