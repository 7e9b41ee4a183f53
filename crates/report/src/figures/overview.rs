//! The overview of an explanation: the most relevant region in three planes, for a slide.

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView3, Axis};
use relevox_volume::{Geometry, Orientation, Turn};

use super::canvas::{Area, Canvas, Pen, Text};
use super::colour::{FAINT_INK, INK, OUTLINE, WHITE};
use super::panel::{Grain, Levels, Panel, PanelGrid, colour_bar, fit, outline};
use crate::error::Error;

/// One of the most relevant regions.
#[derive(Debug, Clone)]
pub struct OverviewRegion {
    /// Value in the labels.
    pub id: u32,
    /// Rank, from 1.
    pub rank: usize,
    /// What is known of it, such as "Δp +0.21, 8.3 ml".
    pub about: String,
}

impl OverviewRegion {
    /// The region's line in the list, given the labels of the slices that are drawn.
    fn line(&self, drawn: &BTreeSet<u32>) -> String {
        let elsewhere = if drawn.contains(&self.id) { "" } else { ", not in these slices" };
        format!("{}{elsewhere}", self.about)
    }
}

/// Content of the figure. All volumes are `[z, y, x]` on one grid, as stored.
#[derive(Debug)]
pub struct Overview<'a> {
    /// First line, such as the case.
    pub title: &'a str,
    /// Second line, such as class, probability and method.
    pub about: &'a str,
    /// Grid of the volumes.
    pub grid: &'a Geometry,
    /// Whether the grid's axes are those of the body, so that letters can be drawn.
    pub oriented: bool,
    /// The scan below the map, in any range.
    pub scan: ArrayView3<'a, f32>,
    /// Name of that scan.
    pub scan_name: &'a str,
    /// Relevance, 0 to 100.
    pub map: ArrayView3<'a, f32>,
    /// Whether the map is constant over regions; any other is interpolated.
    pub by_region: bool,
    /// The partition.
    pub labels: ArrayView3<'a, u32>,
    /// The regions to outline, the most relevant first.
    pub regions: Vec<OverviewRegion>,
    /// Voxel `[z, y, x]` that all planes pass through.
    pub centre: [usize; 3],
}

/// A plane of a volume in the orientation LPS.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Plane {
    name: &'static str,
    /// The array axis that it cuts, `z, y, x`.
    across: usize,
    /// Whether its rows run from superior to inferior, against the stored order.
    upside_down: bool,
    /// Letters of the left, right, upper and lower edge.
    letters: [&'static str; 4],
}

/// In radiological convention: the patient's right on the left of the viewer, anterior or superior up.
const PLANES: [Plane; 3] = [
    Plane { name: "axial", across: 0, upside_down: false, letters: ["R", "L", "A", "P"] },
    Plane { name: "coronal", across: 1, upside_down: true, letters: ["R", "L", "S", "I"] },
    Plane { name: "sagittal", across: 2, upside_down: true, letters: ["A", "P", "S", "I"] },
];

/// Pixels by unit: the figure is about as wide as a slide.
const SCALE: f32 = 1.56;
const PANEL: f32 = 340.0;
const GAP: f32 = 12.0;
const LEFT: f32 = 44.0;
const TOP: f32 = 118.0;
const SIZE: f32 = 22.0;
const LINE: f32 = 30.0;
const RIGHT: f32 = 128.0;

impl Plane {
    /// Axes of rows and columns.
    fn axes(self) -> [usize; 2] {
        match self.across {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        }
    }

    fn cut<T: Copy>(self, turned: ArrayView3<'_, T>, centre: [usize; 3]) -> Array2<T> {
        let mut slice = turned.index_axis_move(Axis(self.across), centre[self.across]);
        if self.upside_down {
            slice.invert_axis(Axis(0));
        }
        slice.to_owned()
    }

    /// Width and height in millimetres.
    fn size_mm(self, grid: &Geometry) -> [f64; 2] {
        let [rows, columns] = self.axes();
        [columns, rows].map(|axis| grid.shape[axis] as f64 * grid.spacing_mm[axis])
    }

    /// Where the other two planes cross this one, as shares of its width and height.
    fn crossing(self, grid: &Geometry, centre: [usize; 3]) -> [f32; 2] {
        let [rows, columns] = self.axes();
        let [x, y] = [columns, rows].map(|axis| (centre[axis] as f32 + 0.5) / grid.shape[axis] as f32);
        [x, if self.upside_down { 1.0 - y } else { y }]
    }
}

impl Overview<'_> {
    /// Draws the figure as a PNG file.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if a volume is not on the grid, [`Error::InvalidSetting`] if the centre lies outside
    /// it, and [`Error::FigureSize`], [`Error::Font`] or [`Error::Png`] if the figure can't be drawn or encoded.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        let turn = Turn::of(self.grid, Orientation::LPS);
        let grid = turn.geometry(self.grid);
        let centre: [usize; 3] = std::array::from_fn(|axis| {
            let at = self.centre[turn.source()[axis]];
            if turn.reversed()[axis] { grid.shape[axis] - 1 - at } else { at }
        });
        let panels = PanelGrid { left: LEFT, top: TOP, side: PANEL, gaps: [GAP; 2] };
        let place = |row, column| panels.place(row, column);
        let legend = place(2, 0).y + SIZE;
        let height = legend + LINE * self.regions.len() as f32 + 8.0;
        let mut canvas = Canvas::scaled(place(0, 3).x + RIGHT, height, SCALE)?;
        canvas.text(LEFT, 38.0, self.title, Text::new(SIZE + 6.0, INK).bold())?;
        canvas.text(LEFT, 70.0, self.about, Text::new(SIZE, INK))?;
        for (row, text) in [self.scan_name, "relevance"].into_iter().enumerate() {
            let (_, middle) = place(row, 0).middle();
            canvas.text_up(LEFT - 14.0, middle, text, Text::new(SIZE - 2.0, FAINT_INK).middle())?;
        }
        let levels = Levels::of(self.scan);
        let mut drawn = BTreeSet::new();
        for (column, plane) in PLANES.into_iter().enumerate() {
            let (middle, _) = place(0, column).middle();
            if self.oriented {
                canvas.text(middle, TOP - 12.0, plane.name, Text::new(SIZE - 2.0, INK).bold().middle())?;
            }
            let scan = plane.cut(turn.apply(self.scan), centre);
            let areas = [0, 1].map(|row| fit(place(row, column), plane.size_mm(&grid)));
            Panel { scan: &scan, levels, map: None }.draw(&mut canvas, areas[0]);
            crosshair(&mut canvas, areas[0], plane.crossing(&grid, centre));
            let map = plane.cut(turn.apply(self.map), centre);
            let grain = if self.by_region { Grain::Regions } else { Grain::Smooth };
            Panel { scan: &scan, levels, map: Some((&map, grain)) }.draw(&mut canvas, areas[1]);
            let labels = plane.cut(turn.apply(self.labels), centre);
            drawn.extend(labels.iter().copied());
            self.outlines(&mut canvas, areas[1], &labels)?;
            if self.oriented {
                letters(&mut canvas, areas[0], plane.letters)?;
            }
        }
        colour_bar(&mut canvas, place(1, 2), GAP + 6.0, SIZE - 4.0)?;
        for (line, region) in self.regions.iter().enumerate() {
            let y = legend + line as f32 * LINE + 8.0;
            canvas.text(LEFT, y, &region.rank.to_string(), Text::new(SIZE, INK).bold())?;
            canvas.text(LEFT + 34.0, y, &region.line(&drawn), Text::new(SIZE, INK))?;
        }
        canvas.png()
    }

    /// Outlines the regions that a slice meets, and writes their rank into them.
    fn outlines(&self, canvas: &mut Canvas, area: Area, labels: &Array2<u32>) -> Result<(), Error> {
        let (rows, columns) = labels.dim();
        for region in self.regions.iter().rev() {
            let inside = labels.mapv(|label| label == region.id);
            let voxels: Vec<(usize, usize)> =
                inside.indexed_iter().filter(|(_, inside)| **inside).map(|(at, _)| at).collect();
            if voxels.is_empty() {
                continue;
            }
            outline(canvas, area, &inside, Some(false), OUTLINE, if region.rank == 1 { 2.6 } else { 1.4 });
            // The voxel nearest to the region's centre in this slice: the centre itself can lie outside it.
            let mean = |of: fn(&(usize, usize)) -> usize| {
                voxels.iter().map(|at| of(at) as f32).sum::<f32>() / voxels.len() as f32
            };
            let (y, x) = (mean(|at| at.0), mean(|at| at.1));
            let distance = |at: &(usize, usize)| (at.0 as f32 - y).powi(2) + (at.1 as f32 - x).powi(2);
            let nearest = voxels.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let Some(&(row, column)) = nearest else { continue };
            let at = (
                area.x + (column as f32 + 0.5) / columns as f32 * area.width - SIZE * 0.3,
                area.y + (row as f32 + 0.5) / rows as f32 * area.height + SIZE * 0.36,
            );
            canvas.text_on_scan(at.0, at.1, &region.rank.to_string(), Text::new(SIZE, WHITE).bold())?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        let shapes = [
            ("scan of the overview", self.scan.shape()),
            ("map of the overview", self.map.shape()),
            ("labels of the overview", self.labels.shape()),
        ];
        for (what, shape) in shapes {
            if shape != self.grid.shape {
                return Err(Error::ShapeMismatch {
                    what: what.to_owned(),
                    expected: self.grid.shape.to_vec(),
                    found: shape.to_vec(),
                });
            }
        }
        if (0..3).any(|axis| self.centre[axis] >= self.grid.shape[axis]) {
            return Err(Error::InvalidSetting {
                setting: "centre of the overview".to_owned(),
                expected: format!("a voxel of {:?}", self.grid.shape),
                found: format!("{:?}", self.centre),
            });
        }
        Ok(())
    }
}

/// Marks where the other planes cross, beside the middle, so that the anatomy there stays visible.
fn crosshair(canvas: &mut Canvas, area: Area, [x, y]: [f32; 2]) {
    const FREE: f32 = 16.0;
    let (x, y) = (area.x + x * area.width, area.y + y * area.height);
    let pen = Pen::new(1.2, OUTLINE).dashed(5.0, 4.0);
    for (from, to) in [
        ((area.x, y), (x - FREE, y)),
        ((x + FREE, y), (area.right(), y)),
        ((x, area.y), (x, y - FREE)),
        ((x, y + FREE), (x, area.bottom())),
    ] {
        if to.0 > from.0 || to.1 > from.1 {
            canvas.line(&[from, to], pen);
        }
    }
}

/// Writes the letters of the edges.
fn letters(canvas: &mut Canvas, area: Area, [left, right, up, down]: [&str; 4]) -> Result<(), Error> {
    let (middle_x, middle_y) = area.middle();
    let (inset, style) = (SIZE * 0.35, Text::new(SIZE - 2.0, WHITE));
    canvas.text_on_scan(area.x + inset, middle_y + SIZE * 0.35, left, style)?;
    canvas.text_on_scan(area.right() - inset, middle_y + SIZE * 0.35, right, style.end())?;
    canvas.text_on_scan(middle_x - SIZE * 0.3, area.y + SIZE * 1.05, up, style)?;
    canvas.text_on_scan(middle_x - SIZE * 0.3, area.bottom() - inset, down, style)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn overview<'a>(
        grid: &'a Geometry,
        scan: &'a Array3<f32>,
        labels: &'a Array3<u32>,
        centre: [usize; 3],
    ) -> Overview<'a> {
        Overview {
            title: "case",
            about: "HGG, p = 0.93",
            grid,
            oriented: true,
            scan: scan.view(),
            scan_name: "T2",
            map: scan.view(),
            by_region: true,
            labels: labels.view(),
            regions: vec![OverviewRegion { id: 1, rank: 1, about: "Δp +0.2".to_owned() }],
            centre,
        }
    }

    /// A voxel at the patient's right, front and top is drawn in the same corner, for every stored orientation.
    #[test]
    fn corners_are_those_of_the_body() {
        for signs in 0..8 {
            let sign = |axis: usize| if signs >> axis & 1 == 1 { 1.0 } else { -1.0 };
            let affine = [[sign(0), 0.0, 0.0, 0.0], [0.0, sign(1), 0.0, 0.0], [0.0, 0.0, sign(2), 0.0]];
            let grid = Geometry::from_affine([3, 4, 5], affine);
            let turn = Turn::of(&grid, Orientation::LPS);
            let mut volume = Array3::from_elem([3, 4, 5], 0u8);
            // The world's axes point to the right, the front and the top.
            let end = |axis: usize, length: usize| if sign(axis) > 0.0 { length - 1 } else { 0 };
            let corner = [end(2, 3), end(1, 4), end(0, 5)];
            volume[corner] = 1;
            let turned = turn.apply(volume.view());
            let centre = turned.indexed_iter().find(|(_, value)| **value == 1).unwrap().0;
            let centre = [centre.0, centre.1, centre.2];
            let found = PLANES.map(|plane| plane.cut(turned, centre)[(0, 0)]);
            assert_eq!(found, [1, 1, 1], "{affine:?}");
            let crossing = PLANES.map(|plane| plane.crossing(&turn.geometry(&grid), centre));
            assert!(crossing.iter().flatten().all(|share| *share < 0.2), "{crossing:?}");
        }
    }

    #[test]
    fn regions_outside_the_slices_are_said_to_be() {
        let region = OverviewRegion { id: 7, rank: 2, about: "Δp +0.2".to_owned() };
        assert_eq!(region.line(&BTreeSet::from([3, 7])), "Δp +0.2");
        assert_eq!(region.line(&BTreeSet::from([3])), "Δp +0.2, not in these slices");
    }

    #[test]
    fn equal_content_has_equal_bytes_and_other_content_others() {
        let grid = Geometry::axis_aligned([6, 8, 10], [3.0, 1.0, 1.0]);
        let scan = Array3::from_shape_fn(grid.shape, |(z, y, x)| (z * 20 + y + x) as f32 % 100.0);
        let labels = Array3::from_shape_fn(grid.shape, |(z, ..)| u32::from(z > 2));
        let of = |centre| overview(&grid, &scan, &labels, centre).png().unwrap();
        assert_eq!(of([3, 4, 5]), of([3, 4, 5]));
        assert_ne!(of([3, 4, 5]), of([1, 4, 5]));
    }

    #[test]
    fn content_that_does_not_fit_is_refused() {
        let grid = Geometry::axis_aligned([6, 8, 10], [1.0; 3]);
        let (scan, labels) = (Array3::zeros([6, 8, 10]), Array3::zeros([6, 8, 10]));
        let error = overview(&grid, &scan, &labels, [6, 0, 0]).png().unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { .. }), "{error}");
        let small = Array3::zeros([6, 8, 9]);
        let error = overview(&grid, &small, &labels, [0; 3]).png().unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
    }
}
