//! Text as filled outlines of an embedded font (Noto Sans), so that figures are the same on every machine.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, OutlineCurve, Point};
use tiny_skia::{Path, PathBuilder};

use crate::error::Error;

/// Position of a text relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Starts at the point.
    Start,
    /// Centred on the point.
    Middle,
    /// Ends at the point.
    End,
}

/// Weight of the font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// A line of text from (0, 0) along the baseline, y down.
pub(super) struct Line {
    /// Outline; none if the text is blank.
    pub path: Option<Path>,
    /// Width in pixels.
    pub width: f32,
}

fn font(weight: Weight) -> Result<&'static FontRef<'static>, Error> {
    static FONTS: [OnceLock<FontRef<'static>>; 2] = [OnceLock::new(), OnceLock::new()];
    let (slot, bytes) = match weight {
        Weight::Regular => (&FONTS[0], notosans::REGULAR_TTF),
        Weight::Bold => (&FONTS[1], notosans::BOLD_TTF),
    };
    if let Some(font) = slot.get() {
        return Ok(font);
    }
    let font = FontRef::try_from_slice(bytes)?;
    Ok(slot.get_or_init(|| font))
}

/// Lays out a text with `size` pixels per em.
pub(super) fn lay(text: &str, size: f32, weight: Weight) -> Result<Line, Error> {
    let font = font(weight)?;
    let scale = size / font.units_per_em().unwrap_or(1000.0);
    let mut builder = PathBuilder::new();
    let mut pen = 0.0;
    let mut before = None;
    for character in text.chars() {
        let glyph = font.glyph_id(character);
        pen += before.map_or(0.0, |before| font.kern_unscaled(before, glyph)) * scale;
        if let Some(outline) = font.outline(glyph) {
            trace(&mut builder, &outline.curves, |point| (pen + point.x * scale, -point.y * scale));
        }
        pen += font.h_advance_unscaled(glyph) * scale;
        before = Some(glyph);
    }
    Ok(Line { path: builder.finish(), width: pen })
}

fn trace(builder: &mut PathBuilder, curves: &[OutlineCurve], place: impl Fn(Point) -> (f32, f32)) {
    let mut end: Option<Point> = None;
    for curve in curves {
        let (OutlineCurve::Line(start, _) | OutlineCurve::Quad(start, ..) | OutlineCurve::Cubic(start, ..)) =
            *curve;
        if end != Some(start) {
            if end.is_some() {
                builder.close();
            }
            let (x, y) = place(start);
            builder.move_to(x, y);
        }
        end = Some(match *curve {
            OutlineCurve::Line(_, to) => {
                let (x, y) = place(to);
                builder.line_to(x, y);
                to
            }
            OutlineCurve::Quad(_, via, to) => {
                let ((a, b), (x, y)) = (place(via), place(to));
                builder.quad_to(a, b, x, y);
                to
            }
            OutlineCurve::Cubic(_, one, two, to) => {
                let ((a, b), (c, d), (x, y)) = (place(one), place(two), place(to));
                builder.cubic_to(a, b, c, d, x, y);
                to
            }
        });
    }
    if end.is_some() {
        builder.close();
    }
}

/// Shortens a case's name to the height of a row, keeping its end.
pub(super) fn shorten(case: &str) -> String {
    const MOST: usize = 20;
    let length = case.chars().count();
    if length <= MOST {
        return case.to_owned();
    }
    let tail: String = case.chars().skip(length - (MOST - 1)).collect();
    format!("…{tail}")
}

/// Returns whether both weights have a glyph for every character.
#[cfg(test)]
pub(super) fn can_write(text: &str) -> bool {
    [Weight::Regular, Weight::Bold].iter().all(|weight| {
        let font = font(*weight).unwrap();
        text.chars().all(|character| font.glyph_id(character).0 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_text_is_wider() {
        let width = |text: &str, weight| lay(text, 20.0, weight).unwrap().width;
        assert!(width("mm", Weight::Regular) > width("ii", Weight::Regular));
        assert!(width("Dice", Weight::Bold) > width("Dice", Weight::Regular));
        assert!(lay(" ", 20.0, Weight::Regular).unwrap().path.is_none());
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shorten("BraTS-GLI-00001-000"), "BraTS-GLI-00001-000");
        assert_eq!(shorten("a-very-long-cohort-name-0042"), "…ng-cohort-name-0042");
    }

    #[test]
    fn the_font_has_the_symbols_of_the_figures() {
        assert!(can_write("Δp − 0.5 ≥ ρ – · × % [0, 1] |’"));
    }
}
