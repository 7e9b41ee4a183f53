//! A canvas to draw on, in units from its upper left corner. A unit is a pixel, or more on a canvas that is drawn larger.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};

use super::colour::{BLACK, Rgb};
use super::lettering::{Anchor, Weight, lay};
use crate::error::Error;

/// A rectangle of the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

impl Area {
    pub(super) fn square(x: f32, y: f32, side: f32) -> Self {
        Self { x, y, width: side, height: side }
    }

    pub(super) fn right(&self) -> f32 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> f32 {
        self.y + self.height
    }

    pub(super) fn middle(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// Style of text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub size: f32,
    pub colour: Rgb,
    pub weight: Weight,
    pub anchor: Anchor,
}

impl Text {
    pub(super) fn new(size: f32, colour: Rgb) -> Self {
        Self { size, colour, weight: Weight::Regular, anchor: Anchor::Start }
    }

    pub(super) fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }

    pub(super) fn middle(self) -> Self {
        Self { anchor: Anchor::Middle, ..self }
    }

    pub(super) fn end(self) -> Self {
        Self { anchor: Anchor::End, ..self }
    }
}

/// Style of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub width: f32,
    pub colour: Rgb,
    pub dash: Option<[f32; 2]>,
}

impl Pen {
    pub(super) fn new(width: f32, colour: Rgb) -> Self {
        Self { width, colour, dash: None }
    }

    pub(super) fn dashed(self, on: f32, off: f32) -> Self {
        Self { dash: Some([on, off]), ..self }
    }
}

/// Pixels across the report's text column on a display with two pixels for each of CSS's.
const PAGE: f32 = 2112.0;
/// A figure is drawn at most this much larger, so that a narrow one's letters stay in proportion to the page's.
const LARGEST_SCALE: f32 = 1.6;

/// A canvas.
pub(super) struct Canvas {
    pixmap: Pixmap,
    /// Pixels by unit.
    scale: f32,
}

fn paint(colour: Rgb) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(colour.0, colour.1, colour.2, 255);
    paint.anti_alias = true;
    paint
}

impl Canvas {
    /// A white canvas of whole pixels.
    pub(super) fn new(width: u32, height: u32) -> Result<Self, Error> {
        Self::scaled(width as f32, height as f32, 1.0)
    }

    /// A white canvas with as many pixels as a figure across the report's text column needs to be sharp.
    pub(super) fn for_page(width: f32, height: f32) -> Result<Self, Error> {
        Self::scaled(width, height, (PAGE / width).clamp(1.0, LARGEST_SCALE))
    }

    /// A white canvas with this many pixels by unit.
    pub(super) fn scaled(width: f32, height: f32, scale: f32) -> Result<Self, Error> {
        let [width, height] = [width, height].map(|units| (units.floor() * scale).round() as u32);
        let mut pixmap = Pixmap::new(width, height).ok_or(Error::FigureSize { width, height })?;
        pixmap.fill(Color::WHITE);
        Ok(Self { pixmap, scale })
    }

    fn pixels(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    pub(super) fn rect(&mut self, area: Area, colour: Rgb) {
        if let Some(rect) = Rect::from_xywh(area.x, area.y, area.width, area.height) {
            let transform = self.pixels();
            self.pixmap.fill_rect(rect, &paint(colour), transform, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, pen: Pen) {
        let Some(path) = path else { return };
        let stroke = Stroke {
            width: pen.width,
            line_cap: if pen.dash.is_some() { LineCap::Butt } else { LineCap::Round },
            line_join: LineJoin::Round,
            dash: pen.dash.and_then(|dash| StrokeDash::new(dash.to_vec(), 0.0)),
            ..Stroke::default()
        };
        let transform = self.pixels();
        self.pixmap.stroke_path(&path, &paint(pen.colour), &stroke, transform, None);
    }

    fn fill(&mut self, path: Option<Path>, colour: Rgb, transform: Transform) {
        if let Some(path) = path {
            let transform = transform.post_concat(self.pixels());
            self.pixmap.fill_path(&path, &paint(colour), FillRule::Winding, transform, None);
        }
    }

    pub(super) fn frame(&mut self, area: Area, pen: Pen) {
        let rect = Rect::from_xywh(area.x, area.y, area.width, area.height);
        self.stroke(rect.map(PathBuilder::from_rect), pen);
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, points: &[(f32, f32)], pen: Pen) {
        let mut builder = PathBuilder::new();
        for (index, &(x, y)) in points.iter().enumerate() {
            if index == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
        }
        self.stroke(builder.finish(), pen);
    }

    /// Draws many line segments in one stroke.
    pub(super) fn segments(&mut self, segments: &[[(f32, f32); 2]], pen: Pen) {
        let mut builder = PathBuilder::new();
        for &[(a, b), (c, d)] in segments {
            builder.move_to(a, b);
            builder.line_to(c, d);
        }
        self.stroke(builder.finish(), pen);
    }

    pub(super) fn dot(&mut self, x: f32, y: f32, radius: f32, colour: Rgb) {
        self.fill(PathBuilder::from_circle(x, y, radius), colour, Transform::identity());
    }

    pub(super) fn polygon(&mut self, points: &[(f32, f32)], colour: Rgb) {
        let mut builder = PathBuilder::new();
        for (index, &(x, y)) in points.iter().enumerate() {
            if index == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
        }
        builder.close();
        self.fill(builder.finish(), colour, Transform::identity());
    }

    /// Draws an arrow with its tip at `to`.
    pub(super) fn arrow(&mut self, from: (f32, f32), to: (f32, f32), pen: Pen) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(1e-3);
        let (ux, uy) = (dx / length, dy / length);
        let head = pen.width * 4.5;
        let neck = (to.0 - ux * head, to.1 - uy * head);
        self.line(&[from, neck], pen);
        let half = head * 0.5;
        let wings = [(neck.0 - uy * half, neck.1 + ux * half), (neck.0 + uy * half, neck.1 - ux * half)];
        self.polygon(&[to, wings[0], wings[1]], pen.colour);
    }

    /// Writes along the baseline through (x, y).
    pub(super) fn text(&mut self, x: f32, y: f32, text: &str, style: Text) -> Result<(), Error> {
        self.turned_text(x, y, text, style, 0.0)
    }

    /// Writes with a dark edge around the letters, legible on any background.
    pub(super) fn text_on_scan(&mut self, x: f32, y: f32, text: &str, style: Text) -> Result<(), Error> {
        let line = lay(text, style.size, style.weight)?;
        let back = if style.anchor == Anchor::End { line.width } else { 0.0 };
        let path = line.path.and_then(|path| path.transform(Transform::from_translate(x - back, y)));
        self.stroke(path.clone(), Pen::new(4.0, BLACK));
        self.fill(path, style.colour, Transform::identity());
        Ok(())
    }

    /// Writes upwards from (x, y).
    pub(super) fn text_up(&mut self, x: f32, y: f32, text: &str, style: Text) -> Result<(), Error> {
        self.turned_text(x, y, text, style, -90.0)
    }

    fn turned_text(&mut self, x: f32, y: f32, text: &str, style: Text, degrees: f32) -> Result<(), Error> {
        let line = lay(text, style.size, style.weight)?;
        let back = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => line.width / 2.0,
            Anchor::End => line.width,
        };
        let transform = Transform::from_translate(-back, 0.0).post_rotate(degrees).post_translate(x, y);
        self.fill(line.path, style.colour, transform);
        Ok(())
    }

    /// Fills each pixel of an area with `colour(x, y)` of its centre, from 0 to 1 across the area.
    pub(super) fn shade(&mut self, area: Area, colour: impl Fn(f32, f32) -> Rgb) {
        let (canvas_width, canvas_height) = (self.pixmap.width(), self.pixmap.height());
        let [left, top, right, bottom] =
            [area.x, area.y, area.right(), area.bottom()].map(|units| (units * self.scale).round() as u32);
        let data = self.pixmap.data_mut();
        for row in top..bottom.min(canvas_height) {
            for column in left..right.min(canvas_width) {
                let x = (column - left) as f32 + 0.5;
                let y = (row - top) as f32 + 0.5;
                let Rgb(r, g, b) = colour(x / (right - left) as f32, y / (bottom - top) as f32);
                let at = (row as usize * canvas_width as usize + column as usize) * 4;
                data[at..at + 4].copy_from_slice(&[r, g, b, 255]);
            }
        }
    }

    /// Encodes the canvas as a PNG file without time stamps.
    pub(super) fn png(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.pixmap.width(), self.pixmap.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let rgb: Vec<u8> =
            self.pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rgb)?;
        writer.finish()?;
        Ok(bytes)
    }
}
