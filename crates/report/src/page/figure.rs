//! Figures of the page, embedded as data URIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::report::{FigureKind, Report};

/// A figure with its caption; nothing if the run does not have it.
pub(super) fn figure(report: &Report<'_>, kind: FigureKind, title: &str, caption: &str) -> Markup {
    html! {
        @if let Some(figure) = report.figures.iter().find(|figure| figure.kind == kind) {
            figure {
                (image(&figure.png, &format!("{title} {caption}")))
                figcaption { b { (title) } " " (caption) }
            }
        }
    }
}

/// Pixels of a figure for each of CSS's: displays with two are common, and print has more.
const DENSITY: u32 = 2;

/// An embedded image. With its size, the browser reserves the space before it decodes the image.
fn image(png: &[u8], alt: &str) -> Markup {
    let size = size(png);
    html! {
        img alt=(alt) src={ "data:image/png;base64," (STANDARD.encode(png)) }
            width=[size.map(|size| size[0].div_ceil(DENSITY))] height=[size.map(|size| size[1].div_ceil(DENSITY))];
    }
}

/// Width and height from the header of a PNG file.
fn size(png: &[u8]) -> Option<[u32; 2]> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    (png.get(12..16)? == b"IHDR").then_some([number(16)?, number(20)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_embedded_with_its_size() {
        let text = image(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x02", "a \"b\"").into_string();
        for part in ["alt=\"a &quot;b&quot;\"", "width=\"128\" height=\"1\"", "base64,iVBORw0KGgo"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
