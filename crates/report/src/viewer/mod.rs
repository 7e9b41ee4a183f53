//! The viewer: one HTML file that shows a case's scans, relevance and regions in three linked planes.
//!
//! The file holds its data, opens from disk, and forbids the browser any access to a network by a content security policy.
//! Volumes are turned to the orientation LPS without resampling, cropped to what is not background, quantised to at most 256
//! levels and compressed; relevance that is constant within regions is stored by region, exactly. The page itself states what
//! was quantised and cropped. `docs/VIEWER.md` describes how to use it.
//!
//! ```
//! use ndarray::Array3;
//! use relevox_report::viewer::{Image, Overlay, Viewer};
//! use relevox_volume::Geometry;
//!
//! let grid = Geometry::axis_aligned([4, 5, 6], [3.0, 1.0, 1.0]);
//! let scan = Array3::from_shape_fn(grid.shape, |(z, y, x)| (z * y * x) as f32);
//! let map = scan.mapv(|value| if value > 20.0 { 100.0 } else { 0.0 });
//! let viewer = Viewer {
//!     title: "case 1".to_owned(),
//!     images: vec![Image { name: "t1".to_owned(), voxels: scan.view() }],
//!     overlays: vec![Overlay::new("Blank", map.view())],
//!     ..Viewer::on(&grid)
//! };
//! let page = viewer.to_html()?;
//! assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("http://") && !page.contains("https://"));
//! # Ok::<(), relevox_report::Error>(())
//! ```

mod addition;
mod background;
mod compress;
mod content;
mod document;
mod overlay;
mod palette;
mod payload;
mod quantise;
mod regions;
mod script;
mod statement;

#[cfg(test)]
mod tests;

pub use addition::{RegionOverlay, with_region_overlay};
pub use content::{Image, Outline, Overlay, OverlayThreshold, RegionRow, Regions, Viewer};
pub use regions::{RegionExtent, region_extents};
