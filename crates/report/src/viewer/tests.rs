//! Pages are self-contained, small, exact where they say so, and show every orientation as the same patient.

use std::collections::HashMap;

use ndarray::{Array3, Axis};
use relevox_volume::Geometry;
use serde_json::Value;

use super::compress::{Prediction, tests::decompress};
use super::{Image, Outline, Overlay, OverlayThreshold, RegionRow, Regions, Viewer};
use crate::Error;

/// The data of a page, read back from its text.
struct Page {
    html: String,
    data: Value,
}

impl Page {
    fn of(viewer: &Viewer<'_>) -> Self {
        let html = viewer.to_html().unwrap();
        let data = serde_json::from_str(element(&html, "data")).unwrap();
        Self { html, data }
    }

    fn shape(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.data["grid"]["shape"][axis].as_u64().unwrap() as usize)
    }

    fn volume(&self, reference: &Value) -> Vec<usize> {
        let [nz, ny, nx] = self.shape();
        let prediction = Prediction::ALL.into_iter().find(|p| p.name() == reference["prediction"]).unwrap();
        let bytes = reference["bytes"].as_u64().unwrap() as usize;
        let text = element(&self.html, reference["id"].as_str().unwrap());
        let values = decompress(text, prediction, [nz * bytes, ny, nx]);
        assert_eq!(values.len(), nz * ny * nx * bytes);
        let count = nz * ny * nx;
        (0..count)
            .map(|i| (0..bytes).map(|byte| usize::from(values[byte * count + i]) << (8 * byte)).sum())
            .collect()
    }
}

fn element<'a>(html: &'a str, id: &str) -> &'a str {
    let start = html.find(&format!(" id=\"{id}\"")).unwrap();
    let text = &html[start + html[start..].find('>').unwrap() + 1..];
    &text[..text.find("</script>").unwrap()]
}

/// A skull-stripped scan with noise, the brain an ellipsoid.
fn noisy_scan(shape: [usize; 3]) -> Array3<f32> {
    let mut state = 7_u32;
    Array3::from_shape_fn(shape, |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let from_centre =
            [z, y, x].into_iter().zip(shape).map(|(at, n)| (2.0 * at as f32 / n as f32 - 1.0).powi(2));
        let inside = from_centre.sum::<f32>() < 0.7;
        if inside { 200.0 + (state >> 20) as f32 / 4.0 } else { 0.0 }
    })
}

#[test]
fn volumes_are_stored_as_stated() {
    let grid = Geometry::axis_aligned([20, 24, 28], [2.0, 1.0, 1.0]);
    let scan = noisy_scan(grid.shape);
    let labels =
        Array3::from_shape_fn(grid.shape, |(z, y, x)| ((z / 2 * 12 + y / 2) * 14 + x / 2) as u32 * 3);
    let by_region = labels.mapv(|id| (id % 101) as f32 * 0.99);
    let brain = |at: (usize, usize, usize)| scan[at] > 0.0;
    let by_voxel =
        Array3::from_shape_fn(
            grid.shape,
            |at| if brain(at) { (at.0 + at.1 + at.2) as f32 * 1.4 } else { 0.0 },
        );
    let outline = by_voxel.mapv(|value| value > 50.0);
    let threshold = |value| Some(OverlayThreshold { value, rule: "Otsu by volume".to_owned() });
    let rows: Vec<RegionRow> = (1..1680)
        .map(|index| RegionRow { id: index * 3, rank: index as usize, delta_p: Some(0.1), delta_logit: None })
        .collect();
    let viewer = Viewer {
        title: "a <case> & more".to_owned(),
        images: vec![Image { name: "t1 </script>".to_owned(), voxels: scan.view() }],
        overlays: vec![
            Overlay { threshold: threshold(99.5), ..Overlay::new("blank", by_region.view()) },
            Overlay { threshold: threshold(33.3), ..Overlay::new("diffused", by_voxel.view()) },
        ],
        regions: Some(Regions { labels: labels.view(), rows }),
        outline: Some(Outline { name: "expert".to_owned(), voxels: outline.view() }),
        facts: vec![("p".to_owned(), "0.9 < 1".to_owned())],
        ..Viewer::on(&grid)
    };
    let page = Page::of(&viewer);
    let start = [0, 1, 2].map(|axis| page.data["grid"]["start"][axis].as_u64().unwrap() as usize);
    let [nz, ny, nx] = page.shape();
    let file_voxel = |i: usize| [start[0] + i / (ny * nx), start[1] + i / nx % ny, start[2] + i % nx];
    assert!(nz * ny * nx < scan.len());
    let image = &page.data["images"][0];
    let (low, step) = (image["low"].as_f64().unwrap(), image["step"].as_f64().unwrap());
    let clipped = low + step * 255.0;
    for (i, level) in page.volume(&image["volume"]).into_iter().enumerate() {
        let expected = f64::from(scan[file_voxel(i)]).min(clipped);
        assert!((low + step * level as f64 - expected).abs() <= step / 2.0 + 1e-6);
    }
    let indices = page.volume(&page.data["regions"]["volume"]);
    let rows = page.data["regions"]["rows"].as_array().unwrap();
    let [exact, quantised] = [0, 1].map(|index| &page.data["overlays"][index]);
    let (levels, first) = (page.volume(&quantised["volume"]), quantised["first"].as_u64().unwrap() as usize);
    let outlined = page.volume(&page.data["outline"]["volume"]);
    for (i, &index) in indices.iter().enumerate() {
        let at = file_voxel(i);
        assert_eq!(rows[index]["id"], labels[at]);
        assert_eq!(exact["values"][index].as_f64().unwrap() as f32, by_region[at]);
        assert_eq!(levels[i] >= first, f64::from(by_voxel[at]) >= 33.3);
        assert_eq!(outlined[i] == 1, outline[at]);
    }
    assert!(rows[0]["rank"].is_null() && rows[5]["rank"] == 5 && rows[5]["delta_logit"].is_null());
    let mut shown = 0;
    for (index, centre) in
        rows.iter().enumerate().filter_map(|(index, row)| Some((index, row["centre"].as_array()?)))
    {
        let at = [0, 1, 2].map(|axis| centre[axis].as_u64().unwrap() as usize);
        assert_eq!(indices[(at[0] * ny + at[1]) * nx + at[2]], index);
        shown += 1;
    }
    assert!(shown > 500 && shown < rows.len(), "regions in the corners are cropped away: {shown}");
    let sum = |key: &str| {
        exact[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).sum::<usize>()
    };
    assert_eq!(
        (sum("voxels"), sum("inside")),
        (scan.len(), outline.iter().filter(|&&inside| inside).count())
    );
}

#[test]
fn every_orientation_shows_the_same_patient() {
    // Distinct voxels, and an affine whose axes point to any direction.
    let lps = Geometry::axis_aligned([4, 5, 6], [3.0, 2.0, 1.0]);
    let voxels = Array3::from_shape_fn(lps.shape, |(z, y, x)| (z * 30 + y * 6 + x + 1) as f32);
    let expected = Page::of(&Viewer { images: vec![image(&voxels)], ..Viewer::on(&lps) });
    for (permutation, flips) in
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].into_iter().flat_map(
            |permutation| (0..8).map(move |bits| (permutation, [0, 1, 2].map(|axis| bits >> axis & 1 == 1))),
        )
    {
        let mut view = voxels.view().permuted_axes(permutation);
        (0..3).filter(|&axis| flips[axis]).for_each(|axis| view.invert_axis(Axis(axis)));
        let stored = view.as_standard_layout().into_owned();
        let mut rows = [[0.0; 4]; 3];
        let mut first = [0.0; 3];
        for axis in 0..3 {
            let from = permutation[axis];
            let sign = if flips[axis] { -1.0 } else { 1.0 };
            for (row, lps) in rows.iter_mut().zip(lps.world_from_voxel) {
                row[2 - axis] = sign * lps[2 - from];
            }
            first[from] = if flips[axis] { lps.shape[from] as f64 - 1.0 } else { 0.0 };
        }
        let origin = lps.world(first);
        rows.iter_mut().zip(origin).for_each(|(row, at)| row[3] = at);
        let grid = Geometry::from_affine(permutation.map(|axis| lps.shape[axis]), rows);
        let page = Page::of(&Viewer { images: vec![image(&stored)], ..Viewer::on(&grid) });
        let reference = &page.data["images"][0]["volume"];
        assert_eq!(page.volume(reference), expected.volume(&expected.data["images"][0]["volume"]));
        for key in ["shape", "spacing_mm", "world_from_voxel"] {
            assert_eq!(page.data["grid"][key], expected.data["grid"][key], "{key} {permutation:?} {flips:?}");
        }
        assert_eq!(page.data["grid"]["codes"], grid.axis_codes().to_string());
        // The way back to the file: source and reversed lead to the same value.
        let index = |key: &str, axis: usize| page.data["grid"][key][axis].clone();
        for at in [[0, 0, 0], [3, 1, 2], [1, 4, 5]] {
            let mut file = [0; 3];
            for (axis, at) in at.into_iter().enumerate() {
                let source = index("source", axis).as_u64().unwrap() as usize;
                let reversed = index("reversed", axis).as_bool().unwrap();
                file[source] = if reversed { grid.shape[source] - 1 - at } else { at };
            }
            assert_eq!(stored[file], voxels[at]);
        }
    }
}

fn image(voxels: &Array3<f32>) -> Image<'_> {
    Image { name: "t1".to_owned(), voxels: voxels.view() }
}

#[test]
fn oblique_grids_are_stated() {
    let voxels = Array3::from_shape_fn([4, 5, 6], |(z, y, x)| (z + y + x) as f32);
    let (sin, cos) = 20.0_f64.to_radians().sin_cos();
    let oblique = Geometry::from_affine(
        [4, 5, 6],
        [[-cos, sin, 0.0, 0.0], [-sin, -cos, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
    );
    let page = Page::of(&Viewer { images: vec![image(&voxels)], ..Viewer::on(&oblique) });
    assert!(page.html.contains("oblique") && page.html.contains("up to 20.0°"));
    let straight = Geometry::axis_aligned([4, 5, 6], [1.0; 3]);
    let page = Page::of(&Viewer { images: vec![image(&voxels)], ..Viewer::on(&straight) });
    assert!(!page.html.contains("oblique:") && page.html.contains("axes point to LPS"));
    assert_eq!(page.data["grid"]["oriented"], true);
}

#[test]
fn a_page_of_noise_stays_small_and_says_how() {
    let grid = Geometry::axis_aligned([100, 140, 140], [1.0; 3]);
    let scan = noisy_scan(grid.shape);
    let images = |count: usize| (0..count).map(|_| image(&scan)).collect::<Vec<_>>();
    let small = Viewer { images: images(1), ..Viewer::on(&grid) }.to_html().unwrap();
    assert!(small.contains("in 256 levels"));
    let large = Viewer { images: images(12), ..Viewer::on(&grid) }.to_html().unwrap();
    assert!(large.len() <= super::payload::LARGEST_PAGE, "{}", large.len());
    assert!(!large.contains("in 256 levels"), "the same scan twelve times does not fit in 256 levels");
}

#[test]
fn the_page_refers_to_nothing_outside_and_escapes_text() {
    let grid = Geometry::axis_aligned([3, 3, 3], [1.0; 3]);
    let scan = Array3::from_shape_fn(grid.shape, |(z, y, x)| (z + y + x) as f32);
    let viewer = Viewer {
        title: "<b>bold</b>".to_owned(),
        images: vec![Image { name: "</script><script>alert(1)".to_owned(), voxels: scan.view() }],
        overlays: vec![Overlay::new("<i>", scan.view())],
        facts: vec![("<u>".to_owned(), "a & b".to_owned())],
        ..Viewer::on(&grid)
    };
    let page = viewer.to_html().unwrap();
    for outside in
        ["http://", "https://", "src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "import("]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    for text in ["<b>bold", "<script>alert", "<i>", "<u>"] {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
    assert_eq!(page, viewer.to_html().unwrap());
}

#[test]
fn the_script_and_the_page_agree_on_ids() {
    let script = super::script::script() + super::script::BROWSER_CHECK;
    let grid = Geometry::axis_aligned([3, 3, 3], [1.0; 3]);
    let scan = Array3::from_shape_fn(grid.shape, |(z, y, x)| (z + y + x) as f32);
    let (inside, labels) = (scan.mapv(|value| value > 2.0), scan.mapv(|value| value as u32));
    let viewer = Viewer {
        images: vec![image(&scan)],
        overlays: vec![Overlay::new("map", scan.view())],
        regions: Some(Regions { labels: labels.view(), rows: Vec::new() }),
        outline: Some(Outline { name: "expert".to_owned(), voxels: inside.view() }),
        ..Viewer::on(&grid)
    };
    let page = viewer.to_html().unwrap();
    let mut found = HashMap::new();
    for start in ["byId(\"", "inputOf(\"", "getElementById(\"", "connectToggle(state, \""] {
        for (at, _) in script.match_indices(start) {
            let id = script[at + start.len()..].split('"').next().unwrap();
            *found.entry(id).or_insert(0) += 1;
            assert!(page.contains(&format!(" id=\"{id}\"")), "{id}");
        }
    }
    assert!(found.len() > 15, "{found:?}");
}

#[test]
fn invalid_content_is_rejected() {
    let grid = Geometry::axis_aligned([2, 3, 4], [1.0; 3]);
    let scan = Array3::<f32>::zeros(grid.shape);
    let error = |viewer: Viewer<'_>| viewer.to_html().unwrap_err();
    assert!(matches!(error(Viewer::on(&grid)), Error::Empty { .. }));
    let other = Array3::zeros([2, 3, 5]);
    let found = error(Viewer { images: vec![image(&scan), image(&other)], ..Viewer::on(&grid) });
    assert_eq!(found.to_string(), "t1: expected shape [2, 3, 4], found [2, 3, 5]");
    let mut bad = scan.clone();
    bad[[1, 2, 3]] = f32::NAN;
    let found = error(Viewer { overlays: vec![Overlay::new("m", bad.view())], ..Viewer::on(&grid) });
    assert_eq!(found.to_string(), "m: voxel z 1, y 2, x 3: expected a finite value, found NaN");
    let overlay = Overlay { range: Some([1.0, 1.0]), ..Overlay::new("m", scan.view()) };
    let found = error(Viewer { overlays: vec![overlay], ..Viewer::on(&grid) });
    assert_eq!(
        found.to_string(),
        "range of m: expected two finite numbers, the smaller first, found 1 and 1"
    );
    assert!(Viewer { overlays: vec![Overlay::new("m", scan.view())], ..Viewer::on(&grid) }.to_html().is_ok());
}
