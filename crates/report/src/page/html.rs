//! HTML as text: what is not written in this source is escaped, by type.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A page or a part of one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// Markup, which only source code can hold.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, whatever it holds.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// An element without attributes around text.
    pub(super) fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    /// An image carried in the page.
    pub(super) fn png(&mut self, bytes: &[u8], alt: &str) -> &mut Self {
        self.raw("<img alt=\"").text(alt).raw("\" src=\"data:image/png;base64,");
        STANDARD.encode_string(bytes, &mut self.0);
        if let Some([width, height]) = size(bytes) {
            // The browser keeps the place before it has decoded the image.
            let _ = write!(self.0, "\" width=\"{width}\" height=\"{height}");
        }
        self.raw("\">")
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Width and height from a PNG file's header.
fn size(bytes: &[u8]) -> Option<[u32; 2]> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then_some([number(16)?, number(20)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut html = Html::default();
        html.element("<p>", "<script>\"a\" & 'b'</script>", "</p>");
        assert_eq!(html.finish(), "<p>&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;</p>");
    }

    #[test]
    fn an_image_is_carried_whole() {
        let mut html = Html::default();
        html.png(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\0\x02", "a \"b\"");
        let text = html.finish();
        assert!(
            text.contains("alt=\"a &quot;b&quot;\"") && text.contains("width=\"256\" height=\"2\""),
            "{text}"
        );
        assert!(text.contains("base64,iVBORw0KGgo"), "{text}");
    }
}
