//! Findings in the files of a cohort and changes made to them, counted over its cases.

use std::collections::BTreeMap;

use relevox_volume::preparation::{
    AIR_WARNING, BRAIN_OUTSIDE_WARNING, BRIGHT_WARNING, CLIPPED_WARNING, GRID_WARNING_MM, OBLIQUE_WARNING,
    TUMOUR_OUTSIDE_WARNING, percent,
};
use relevox_volume::{Orientation, Preprocess, Spacing, Split};

use super::inspection::{Inspection, rounded, spacing};

/// Ratio of the largest to the smallest spacing above which a scan that is not resampled counts as anisotropic.
const ANISOTROPIC: f64 = 2.0;
/// Relative difference up to which two spacings count as equal.
const SAME_SPACING: f64 = 0.01;
/// Groups that a line names.
const NAMED: usize = 4;

/// Returns one line for each finding; none for cases that are all stored alike and prepared without a loss.
pub(super) fn findings(rows: &[&Inspection], preprocess: &Preprocess) -> Vec<String> {
    let found = Findings { rows, preprocess };
    let lines = [
        found.turned(),
        found.orientations(),
        found.unstated(),
        found.resampled(),
        found.spacings(),
        found.anisotropic(),
        found.share("of the brain lies outside the crop", BRAIN_OUTSIDE_WARNING, |row| {
            Some(row.brain_outside_crop)
        }),
        found.share("of the tumour lies outside the crop", TUMOUR_OUTSIDE_WARNING, |row| {
            row.tumour_outside_crop
        }),
        found.share("of the non-zero voxels are clipped", CLIPPED_WARNING, |row| Some(row.clipped)),
        found.air(),
        found.bright(),
        found.nan(),
        found.oblique(),
        found.grids(),
    ];
    lines.into_iter().flatten().collect()
}

/// Counts the segmented cases that have no tumour on the network's grid, by split. They are left out of Dice.
pub(super) fn empty_segmentations<'a>(
    segmented: impl Iterator<Item = (Split, &'a Inspection)>,
) -> Option<String> {
    let mut counts: BTreeMap<Split, (usize, usize)> = BTreeMap::new();
    for (split, row) in segmented {
        let (empty, all) = counts.entry(split).or_default();
        *empty += usize::from(row.tumour_voxels == 0);
        *all += 1;
    }
    let named: Vec<String> = counts
        .into_iter()
        .filter(|(_, (empty, _))| *empty > 0)
        .map(|(split, (empty, all))| format!("{empty} of {all} segmented {split} cases"))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "the segmentation has no tumour inside the crop in {}, which Dice leaves out",
            named.join(" and ")
        )
    })
}

struct Findings<'a> {
    rows: &'a [&'a Inspection],
    preprocess: &'a Preprocess,
}

impl Findings<'_> {
    /// Formats a number of cases, such as `3 of 12 cases`.
    fn cases(&self, count: usize) -> String {
        match (count, self.rows.len()) {
            (1, 1) => "the only case".to_owned(),
            (count, all) if count == all => format!("all {all} cases"),
            (count, all) => format!("{count} of {all} cases"),
        }
    }

    fn largest(&self, of: impl Fn(&Inspection) -> f64, above: f64) -> Option<(usize, f64)> {
        let values: Vec<f64> = self.rows.iter().map(|row| of(row)).filter(|&value| value > above).collect();
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (!values.is_empty()).then_some((values.len(), largest))
    }

    fn turned(&self) -> Option<String> {
        let turned: Vec<&Inspection> =
            self.rows.iter().copied().filter(|row| row.turned_to.is_some()).collect();
        let to = turned.first()?.turned_to.clone()?;
        let stored = groups(turned.iter().map(|row| row.orientation.clone().unwrap_or_default()));
        Some(format!("{} turned to {to} (stored {})", self.cases(turned.len()), stored))
    }

    /// Different orientations that are not turned.
    fn orientations(&self) -> Option<String> {
        let stored: Vec<String> = self.rows.iter().filter_map(|row| row.orientation.clone()).collect();
        let differ = stored.windows(2).any(|pair| pair[0] != pair[1]);
        (self.preprocess.orientation == Orientation::Stored && differ).then(|| {
            let groups = groups(stored);
            format!("cases are stored in different orientations ({groups}) and are not turned: preprocess.orientation is \"stored\"")
        })
    }

    fn unstated(&self) -> Option<String> {
        let count = self.rows.iter().filter(|row| row.orientation.is_none()).count();
        (count > 0).then(|| {
            format!("{} do not state their orientation and are used as they are stored", self.cases(count))
        })
    }

    fn resampled(&self) -> Option<String> {
        let Spacing::Millimetres([z, y, x]) = self.preprocess.spacing_mm else { return None };
        let resampled: Vec<&Inspection> = self.rows.iter().copied().filter(|row| row.resampled).collect();
        (!resampled.is_empty()).then(|| {
            let stored = groups(resampled.iter().map(|row| row.spacing()));
            format!(
                "{} resampled to {} mm (stored {stored}; x, y, z)",
                self.cases(resampled.len()),
                spacing([x, y, z])
            )
        })
    }

    /// Different spacings that are not resampled.
    fn spacings(&self) -> Option<String> {
        let all: Vec<[f64; 3]> = self.rows.iter().map(|row| self.network_spacing(row)).collect();
        let same = |a: &[f64; 3], b: &[f64; 3]| {
            a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME_SPACING * a.abs().max(b.abs()))
        };
        let differ = all.iter().any(|one| !same(one, &all[0]));
        (self.preprocess.spacing_mm == Spacing::Stored && differ).then(|| {
            let groups = groups(all.iter().map(|mm| spacing(*mm)));
            format!(
                "cases have different spacings ({groups} mm; x, y, z) and are not resampled: preprocess.spacing_mm is \"stored\""
            )
        })
    }

    fn anisotropic(&self) -> Option<String> {
        let ratio = |row: &Inspection| {
            let mm = [row.spacing_x_mm, row.spacing_y_mm, row.spacing_z_mm];
            let [low, high] = [f64::min, f64::max].map(|of| mm.into_iter().reduce(of).unwrap_or(1.0));
            high / low
        };
        let coarse: Vec<&Inspection> =
            self.rows.iter().copied().filter(|row| !row.resampled && ratio(row) > ANISOTROPIC).collect();
        (!coarse.is_empty()).then(|| {
            let stored = groups(coarse.iter().map(|row| row.spacing()));
            let cases = self.cases(coarse.len());
            format!("{cases} have anisotropic voxels ({stored} mm; x, y, z) and are not resampled")
        })
    }

    /// Spacing along x, y, z of the oriented scan; as stored if scans are not turned or do not state their orientation.
    fn network_spacing(&self, row: &Inspection) -> [f64; 3] {
        let stored = [row.spacing_x_mm, row.spacing_y_mm, row.spacing_z_mm];
        let (Orientation::Codes(to), Some(from)) = (self.preprocess.orientation, &row.orientation) else {
            return stored;
        };
        let axis = |code: char| match code {
            'L' | 'R' => 0,
            'P' | 'A' => 1,
            _ => 2,
        };
        let mut turned = stored;
        for (target, code) in to.to_string().chars().enumerate().take(3) {
            if let Some(source) = from.chars().take(3).position(|stored| axis(stored) == axis(code)) {
                turned[target] = stored[source];
            }
        }
        turned
    }

    /// Share that is above a limit in some cases.
    fn share(&self, what: &str, limit: f64, of: fn(&Inspection) -> Option<f64>) -> Option<String> {
        let (count, largest) = self.largest(|row| of(row).unwrap_or(0.0), limit)?;
        Some(format!(
            "in {}, more than {} % {what} (up to {})",
            self.cases(count),
            100.0 * limit,
            percent(largest)
        ))
    }

    fn air(&self) -> Option<String> {
        let (count, largest) = self.largest(|row| row.air_not_zero, AIR_WARNING)?;
        Some(format!(
            "in {}, air is not background (up to {} of the corners' voxels) and counts as brain; use skull-stripped scans or \
             preprocess.brain = \"otsu\"",
            self.cases(count),
            percent(largest)
        ))
    }

    fn bright(&self) -> Option<String> {
        let (count, _) = self.largest(|row| -row.bright.unwrap_or(f64::INFINITY), -BRIGHT_WARNING)?;
        let dimmest = self.rows.iter().filter_map(|row| row.bright).fold(f64::INFINITY, f64::min);
        Some(format!(
            "in {}, a few voxels are far brighter than the brain (99.9 % of it lies below {dimmest:.3} after min-max scaling); \
             consider preprocess.intensity = percentile",
            self.cases(count)
        ))
    }

    fn nan(&self) -> Option<String> {
        let (count, largest) = self.largest(|row| row.nan_background, 0.0)?;
        Some(format!(
            "in {}, NaN outside the brain was read as 0 (up to {} of the voxels)",
            self.cases(count),
            percent(largest)
        ))
    }

    fn oblique(&self) -> Option<String> {
        if self.preprocess.orientation == Orientation::Stored {
            return None;
        }
        let (count, largest) = self.largest(|row| row.oblique_degrees, OBLIQUE_WARNING)?;
        Some(format!(
            "{} are oblique (up to {largest:.0} degrees): their nearest axis codes are used, without resampling",
            self.cases(count)
        ))
    }

    fn grids(&self) -> Option<String> {
        let (count, largest) = self.largest(|row| row.grid_distance_mm, GRID_WARNING_MM)?;
        Some(format!(
            "in {}, the files' grids differ by up to {} mm, less than 1 % of a voxel, and are taken as one",
            self.cases(count),
            rounded(largest)
        ))
    }
}

/// Counts equal values, the most frequent first: `RAS` if all are equal, else `RAS in 10, LAS in 2`.
fn groups(values: impl IntoIterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    match counts.as_slice() {
        [(only, _)] => only.clone(),
        all => {
            let named = all.iter().take(NAMED).map(|(value, count)| format!("{value} in {count}"));
            let more = all.len().saturating_sub(NAMED);
            let more = (more > 0).then(|| format!("{more} others"));
            named.chain(more).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(orientation: &str, spacing: [f64; 3]) -> Inspection {
        let [spacing_x_mm, spacing_y_mm, spacing_z_mm] = spacing;
        let turned_to = (orientation != "LPS").then(|| "LPS".to_owned());
        let orientation = Some(orientation.to_owned());
        Inspection {
            orientation,
            turned_to,
            spacing_x_mm,
            spacing_y_mm,
            spacing_z_mm,
            ..Inspection::default()
        }
    }

    fn said(rows: &[Inspection], preprocess: &Preprocess) -> Vec<String> {
        findings(&rows.iter().collect::<Vec<_>>(), preprocess)
    }

    #[test]
    fn nothing_is_said_of_cases_stored_alike() {
        let rows = vec![row("LPS", [1.0; 3]); 3];
        assert_eq!(said(&rows, &Preprocess::default()), Vec::<String>::new());
    }

    #[test]
    fn turned_and_resampled_cases_are_counted() {
        let mut rows = vec![row("LPS", [1.0; 3]), row("RAS", [1.0, 1.0, 6.0])];
        rows[1].resampled = true;
        let preprocess =
            Preprocess { spacing_mm: Spacing::Millimetres([2.0, 1.0, 1.0]), ..Preprocess::default() };
        assert_eq!(
            said(&rows, &preprocess),
            [
                "1 of 2 cases turned to LPS (stored RAS)",
                "1 of 2 cases resampled to 1x1x2 mm (stored 1x1x6; x, y, z)"
            ]
        );
    }

    #[test]
    fn spacings_are_compared_along_the_oriented_axes() {
        // A sagittal scan whose stored axes point P, I, R has the spacing of an axial one.
        let alike = [row("LPS", [3.0, 1.0, 2.0]), row("PIR", [1.0, 2.0, 3.0])];
        let lines = said(&alike, &Preprocess::default());
        assert!(lines.iter().all(|line| !line.contains("different spacings")), "{lines:?}");
        let differ = [row("LPS", [3.0, 1.0, 2.0]), row("PIR", [3.0, 1.0, 2.0])];
        let lines = said(&differ, &Preprocess::default());
        assert!(
            lines.iter().any(|line| line.contains("different spacings (2x3x1 in 1, 3x1x2 in 1 mm")),
            "{lines:?}"
        );
    }

    #[test]
    fn stored_orientations_that_differ_are_said() {
        let rows = [row("LPS", [1.0; 3]), row("RAS", [1.0; 3]), row("RAS", [1.0; 3])]
            .map(|row| Inspection { turned_to: None, ..row });
        let preprocess = Preprocess { orientation: Orientation::Stored, ..Preprocess::default() };
        let lines = said(&rows, &preprocess);
        assert!(lines[0].contains("different orientations (RAS in 2, LPS in 1)"), "{lines:?}");
    }

    #[test]
    fn empty_segmentations_are_counted_by_split() {
        let of = |split, tumour_voxels| (split, Inspection { tumour_voxels, ..row("LPS", [1.0; 3]) });
        let rows = [of(Split::Test, 0), of(Split::Test, 0), of(Split::Test, 9), of(Split::Train, 3)];
        let said =
            |rows: &[(Split, Inspection)]| empty_segmentations(rows.iter().map(|(split, row)| (*split, row)));
        let expected = "the segmentation has no tumour inside the crop in 2 of 3 segmented test cases, which Dice leaves out";
        assert_eq!(said(&rows).as_deref(), Some(expected));
        assert_eq!(said(&rows[2..]), None);
    }

    #[test]
    fn losses_are_counted_above_their_limits() {
        let case = |brain, clipped, air, bright| Inspection {
            brain_outside_crop: brain,
            clipped,
            air_not_zero: air,
            bright: Some(bright),
            ..row("LPS", [1.0; 3])
        };
        let rows = [case(0.13, 0.0, 0.0, 0.9), case(0.005, 0.54, 1.0, 0.02)];
        let lines = said(&rows, &Preprocess::default());
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(
            lines[0],
            "in 1 of 2 cases, more than 1 % of the brain lies outside the crop (up to 13 %)"
        );
        assert!(lines[1].contains("clipped (up to 54 %)"), "{lines:?}");
        assert!(lines[2].contains("counts as brain") && lines[3].contains("below 0.020"), "{lines:?}");
    }
}
