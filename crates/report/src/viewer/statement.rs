//! What a page states about its own data: crop, levels, orientation.

use super::payload::{Grid, ImageData, OverlayData, Payload};

/// Share of clipped voxels from which they are mentioned.
const MENTIONED: f64 = 1e-6;
/// An affine stored in single precision can miss the axes by this much.
const OBLIQUE_DEGREES: f64 = 0.05;

/// Returns sentences for a list.
pub(super) fn statements(payload: &Payload) -> Vec<String> {
    let mut lines = orientation(&payload.grid);
    lines.push(crop(&payload.grid));
    lines.extend(payload.images.iter().map(image));
    lines.extend(payload.overlays.iter().map(overlay));
    lines
}

fn orientation(grid: &Grid) -> Vec<String> {
    let mut lines = Vec::new();
    if !grid.oriented {
        lines.push(
            "The file does not state its orientation. Planes are turned as if x pointed to the patient’s right, y to the \
             front and z up, which may be wrong: there are no letters and no positions in millimetres."
                .to_owned(),
        );
    } else {
        lines.push(format!(
            "The file’s axes point to {}. Planes are shown in radiological convention.",
            grid.codes
        ));
    }
    if grid.oblique_degrees > OBLIQUE_DEGREES {
        lines.push(format!(
            "The scan is oblique: planes follow its own axes, which are up to {:.1}° from the patient’s.",
            grid.oblique_degrees
        ));
    }
    lines
}

fn crop(grid: &Grid) -> String {
    let text = |[z, y, x]: [usize; 3]| format!("{x} × {y} × {z}");
    let whole = grid.source.map(|axis| grid.file_shape[axis]);
    match whole == grid.shape {
        true => format!("All {} voxels are stored.", text(whole)),
        false => format!(
            "Background was cropped: {} of {} voxels are stored. Volumes and Dice count the whole scan.",
            text(grid.shape),
            text(whole)
        ),
    }
}

fn image(image: &ImageData) -> String {
    let clipped = match image.clipped > MENTIONED {
        true => format!(", {} % of its voxels clipped to that range", significant(image.clipped * 100.0)),
        false => String::new(),
    };
    format!(
        "{} is stored in {} levels from {} to {} (steps of {}){clipped}.",
        image.name,
        image.levels,
        significant(image.low),
        significant(image.low + image.step * f64::from(image.levels - 1)),
        significant(image.step)
    )
}

/// States how an overlay is stored.
pub(super) fn overlay(overlay: &OverlayData) -> String {
    match overlay.values {
        Some(_) => format!("{} is constant within regions and stored exactly.", overlay.label),
        None => format!(
            "{} is stored in 256 levels (steps of {}); its mask at the first threshold is exact.",
            overlay.label,
            significant(overlay.step)
        ),
    }
}

/// A number with three significant digits.
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let places = (2 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn numbers_have_three_digits() {
        let values = [0.0, 1.0, 1234.5, 0.031_25, -2.5, 1e-7];
        assert_eq!(values.map(significant), ["0", "1", "1234", "0.0312", "-2.5", "0.0000001"]);
    }
}
