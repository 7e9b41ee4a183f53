//! A further map in a page that was made before, without the volumes that the page was made of.

use std::collections::BTreeMap;
use std::ops::Range;

use maud::html;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::content::OverlayThreshold;
use super::overlay::{Stored, StoredOverlay, first_threshold};
use super::payload::{OverlayData, in_script};
use super::statement;
use crate::error::Error;

/// A map that is constant within the regions of a page.
#[derive(Debug, Clone)]
pub struct RegionOverlay<'a> {
    /// Label in the chooser.
    pub label: &'a str,
    /// Value by id; regions that are not listed have 0.
    pub values: BTreeMap<u32, f32>,
    /// Values at the ends of the colour scale.
    pub range: [f64; 2],
    /// The threshold of the mask that is shown first; without one, half of the largest value.
    pub threshold: Option<OverlayThreshold>,
}

/// The part of a page's data that is read.
#[derive(Deserialize)]
struct Data {
    overlays: Vec<Known>,
    regions: Option<Partition>,
    outline: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Known {
    label: String,
    values: Option<IgnoredAny>,
    inside: Vec<u64>,
}

#[derive(Deserialize)]
struct Partition {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: u32,
    voxels: u64,
}

/// Adds a map to the overlays of a page of [`Viewer::to_html`](super::Viewer::to_html), the last in the chooser, or replaces
/// the one by region that has the same label. The page is what `to_html` makes of both, except that background is cropped as before.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if the page was not made by this version, has no regions, or has an outline but no overlay
/// by region, and [`Error::Json`] if its data cannot be read.
pub fn with_region_overlay(page: &str, overlay: &RegionOverlay<'_>) -> Result<String, Error> {
    let json = between(page, "<script id=\"data\" type=\"application/json\">", "</script>")?;
    let data: Data = serde_json::from_str(&page[json.clone()])?;
    let rows = data.regions.ok_or_else(|| lacks("regions"))?.rows;
    let inside = match data.outline {
        None => Vec::new(),
        Some(_) => {
            let by_region = data.overlays.iter().find(|known| known.values.is_some());
            by_region.ok_or_else(|| lacks("an overlay by region"))?.inside.clone()
        }
    };
    let values: Vec<f32> =
        rows.iter().map(|row| overlay.values.get(&row.id).copied().unwrap_or(0.0)).collect();
    let high = values.iter().copied().fold(0.0, f32::max);
    let stored = StoredOverlay {
        threshold: first_threshold(overlay.threshold.as_ref(), f64::from(high), overlay.range),
        range: overlay.range,
        voxels: rows.iter().map(|row| row.voxels).collect(),
        inside,
        means: values.clone(),
        stored: Stored::ByRegion(values),
    };
    let rule = overlay.threshold.as_ref().map(|threshold| threshold.rule.clone());
    let added = OverlayData::new(&stored, overlay.label, rule);

    let list = between(page, "\"overlays\":[", "],\"regions\":")?;
    let list = &page[list];
    let again = data.overlays.iter().position(|known| known.label == overlay.label && known.values.is_some());
    let object = in_script(&added)?;
    let list = match again {
        Some(index) => {
            let at =
                list.find(&start_of(overlay.label, "\"values\":")?).ok_or_else(|| lacks("the overlay"))?;
            let end = match data.overlays.get(index + 1) {
                Some(next) => {
                    let next = format!(",{}", start_of(&next.label, "")?);
                    at + list[at..].find(&next).ok_or_else(|| lacks("the next overlay"))?
                }
                None => list.len(),
            };
            [&list[..at], &object, &list[end..]].concat()
        }
        None if list.is_empty() => object,
        None => [list, ",", &object].concat(),
    };
    let page = replaced(page, ("\"overlays\":[", "],\"regions\":"), &list)?;
    if again.is_some() {
        return Ok(page);
    }
    let index = data.overlays.len();
    let option = html! { option value=(index) { (overlay.label) } }.into_string();
    let line = html! { li { (statement::overlay(&added)) } }.into_string();
    let page = appended(&page, ("<select id=\"overlay\">", "</select>"), &option)?;
    appended(&page, ("<ul id=\"stored\">", "</ul>"), &line)
}

/// Returns the start of an overlay's object in the page, up to its second key. Quotes inside strings are escaped, so it occurs
/// nowhere else.
fn start_of(label: &str, second: &str) -> Result<String, Error> {
    Ok(format!("{{\"label\":{},{second}", in_script(&label)?))
}

fn lacks(part: &str) -> Error {
    Error::InvalidSetting {
        setting: "page".to_owned(),
        expected: format!("a viewer page of this version with {part}"),
        found: "none".to_owned(),
    }
}

/// Returns where the text between two marks stands.
fn between(page: &str, start: &str, end: &str) -> Result<Range<usize>, Error> {
    let from = page.find(start).ok_or_else(|| lacks(start))? + start.len();
    let length = page[from..].find(end).ok_or_else(|| lacks(end))?;
    Ok(from..from + length)
}

fn replaced(page: &str, (start, end): (&str, &str), text: &str) -> Result<String, Error> {
    let at = between(page, start, end)?;
    Ok([&page[..at.start], text, &page[at.end..]].concat())
}

fn appended(page: &str, (start, end): (&str, &str), text: &str) -> Result<String, Error> {
    let at = between(page, start, end)?.end;
    Ok([&page[..at], text, &page[at..]].concat())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use relevox_volume::Geometry;

    use super::*;
    use crate::viewer::{Image, Outline, Overlay, RegionRow, Regions, Viewer};

    const LABEL: &str = "pooled \"<b>\" & ],\"regions\":";

    /// Maps with a value in each region of a partition, the last id of which has no row.
    struct Scene {
        grid: Geometry,
        scan: Array3<f32>,
        labels: Array3<u32>,
        outline: Array3<bool>,
    }

    impl Scene {
        fn new() -> Self {
            let grid = Geometry::axis_aligned([6, 8, 10], [3.0, 1.0, 2.0]);
            let scan = Array3::from_shape_fn(grid.shape, |(z, y, x)| 1.0 + (z * y + x) as f32);
            let labels =
                Array3::from_shape_fn(grid.shape, |(z, y, x)| (z / 2 * 4 + y / 4 * 2 + x / 5) as u32 * 7);
            let outline = Array3::from_shape_fn(grid.shape, |(z, ..)| z < 3);
            Self { grid, scan, labels, outline }
        }

        fn map(&self, of: impl Fn(u32) -> f32) -> Array3<f32> {
            self.labels.mapv(|id| if id == 77 { 0.0 } else { of(id) })
        }

        fn page(&self, maps: &[(&str, &Array3<f32>, Option<OverlayThreshold>)], outline: bool) -> String {
            let overlay = |(label, map, threshold): &(&str, &'_ Array3<f32>, Option<OverlayThreshold>)| {
                (label.to_string(), threshold.clone(), (*map).clone())
            };
            let maps: Vec<_> = maps.iter().map(overlay).collect();
            let row = |index: u32| RegionRow {
                id: index * 7,
                rank: index as usize + 1,
                delta_p: Some(0.1),
                delta_logit: None,
            };
            let viewer = Viewer {
                title: "case".to_owned(),
                images: vec![Image { name: "t1".to_owned(), voxels: self.scan.view() }],
                overlays: maps
                    .iter()
                    .map(|(label, threshold, map)| Overlay {
                        range: Some([0.0, 100.0]),
                        threshold: threshold.clone(),
                        ..Overlay::new(label.clone(), map.view())
                    })
                    .collect(),
                regions: Some(Regions { labels: self.labels.view(), rows: (0..11).map(row).collect() }),
                outline: outline.then(|| Outline { name: "expert".to_owned(), voxels: self.outline.view() }),
                ..Viewer::on(&self.grid)
            };
            viewer.to_html().unwrap()
        }
    }

    fn threshold(value: f64) -> Option<OverlayThreshold> {
        Some(OverlayThreshold { value, rule: "Otsu by volume".to_owned() })
    }

    /// The oracle: the page of all maps.
    #[test]
    fn an_added_map_is_shown_as_if_the_page_had_been_made_with_it() {
        let scene = Scene::new();
        let main = scene.map(|id| (id * 13 % 101) as f32);
        let smooth = scene.scan.mapv(|value| value * 1.3);
        for (value, outline) in [(threshold(33.25), true), (threshold(33.25), false), (None, true)] {
            let added = |of: fn(u32) -> f32| RegionOverlay {
                label: LABEL,
                values: (0..11).map(|index| (index * 7, of(index * 7))).collect(),
                range: [0.0, 100.0],
                threshold: value.clone(),
            };
            let first = |id: u32| (id * 29 % 97) as f32 / 3.0;
            let other = |id: u32| (id * 31 % 89) as f32 * 1.1;
            let before = [("smooth", &smooth, threshold(20.0)), ("main", &main, threshold(50.0))];
            let page = scene.page(&before, outline);
            let with = |map: &Array3<f32>| {
                let [a, b] = before.clone();
                scene.page(&[a, b, (LABEL, map, value.clone())], outline)
            };
            let once = with_region_overlay(&page, &added(first)).unwrap();
            assert_eq!(once, with(&scene.map(first)));
            let again = with_region_overlay(&once, &added(other)).unwrap();
            assert_eq!(again, with(&scene.map(other)));
            // An overlay that others follow is replaced in its place.
            let further = RegionOverlay { label: "further", ..added(first) };
            let both = with_region_overlay(&again, &further).unwrap();
            let [a, b] = before.clone();
            let [c, d] = [scene.map(first), scene.map(first)];
            let expected = [a, b, (LABEL, &c, value.clone()), ("further", &d, value.clone())];
            assert_eq!(with_region_overlay(&both, &added(first)).unwrap(), scene.page(&expected, outline));
        }
    }

    #[test]
    fn pages_that_cannot_show_it_are_refused() {
        let scene = Scene::new();
        let smooth = scene.scan.mapv(|value| value * 1.3);
        let overlay =
            RegionOverlay { label: LABEL, values: BTreeMap::new(), range: [0.0, 100.0], threshold: None };
        let refused = |page: &str, part: &str| {
            let error = with_region_overlay(page, &overlay).unwrap_err().to_string();
            assert!(error.starts_with("page: expected") && error.contains(part), "{error}");
        };
        refused("<html></html>", "<script");
        refused(&scene.page(&[("smooth", &smooth, None)], true), "an overlay by region");
        let without = Viewer { overlays: vec![Overlay::new("m", smooth.view())], ..Viewer::on(&scene.grid) };
        refused(&without.to_html().unwrap(), "regions");
    }
}
