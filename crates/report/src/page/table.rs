//! Tables of the page.

use maud::{Markup, Render, html};

use crate::tables::{Number, wording};

/// A cell.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Text, aligned to the left.
    Words(String),
    /// Header of a row.
    Head(String),
    /// Header of a row that links to a page.
    Link(String, String),
    /// A number with its interval.
    Number(Number),
    /// As [`Cell::Number`], with four decimals.
    Fine(Number),
    /// A number with its interval and the paper's number.
    WithPaper(Number),
    /// As [`Cell::WithPaper`], highlighted.
    Chosen(Number),
    /// A number without interval.
    Plain(Option<f64>),
    /// An integer.
    Count(usize),
}

impl Cell {
    /// Header of a row.
    pub(super) fn head(words: impl Into<String>) -> Self {
        Self::Head(words.into())
    }

    /// A number with its interval; a dash if there is none.
    pub(super) fn number(number: Option<&Number>) -> Self {
        number.map_or(Self::Plain(None), |number| Self::Number(number.clone()))
    }
}

impl Render for Cell {
    fn render(&self) -> Markup {
        match self {
            Self::Words(words) => html! { td.words { (words) } },
            Self::Head(words) => html! { th scope="row" { (words) } },
            Self::Link(words, page) => html! { th scope="row" { a href=(page) { (words) } } },
            Self::Number(value) => html! { td { (number(value, 2)) } },
            Self::Fine(value) => html! { td { (number(value, 4)) } },
            Self::WithPaper(value) => html! { td { (with_paper(value)) } },
            Self::Chosen(value) => html! { td.chosen { (with_paper(value)) } },
            Self::Plain(value) => html! { td { (wording::or_dash(*value)) } },
            Self::Count(value) => html! { td { (value) } },
        }
    }
}

/// Columns up to which a table fits the page with intervals on one line.
const NARROW: usize = 6;

/// A table with headers of columns and rows.
pub(super) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) -> Markup {
    html! {
        div.scroll {
            table.wide[heads.len() > NARROW] {
                thead {
                    tr {
                        @for (index, head) in heads.iter().enumerate() {
                            th scope="col" class=[(index == 0).then_some("first")] { (head) }
                        }
                    }
                }
                tbody { (self::rows(rows)) }
            }
        }
    }
}

/// The rows of a table's body.
pub(super) fn rows(rows: impl IntoIterator<Item = Vec<Cell>>) -> Markup {
    html! {
        @for row in rows {
            tr { @for cell in row { (cell) } }
        }
    }
}

/// A row of a table of paired differences.
pub(super) fn compared(
    [method, over]: [&str; 2],
    verdict: &str,
    what: &str,
    difference: &Number,
    p: Option<f64>,
) -> Vec<Cell> {
    vec![
        Cell::Head(format!("{method} {verdict} {over}")),
        Cell::Words(what.to_owned()),
        Cell::Number(difference.clone()),
        Cell::Words(wording::p_value(p)),
        Cell::Count(difference.n),
    ]
}

fn number(value: &Number, places: usize) -> Markup {
    let written = |value: f64| wording::decimals(value, places);
    html! {
        @match (&value.why, value.mean) {
            (Some(why), _) => { "– " small.why { (why) } },
            (None, None) => { "–" },
            (None, Some(mean)) => {
                b { (written(mean)) }
                @if let Some([low, high]) = value.ci95 {
                    " " small { "[" (written(low)) ", " (written(high)) "]" }
                }
            },
        }
    }
}

fn with_paper(value: &Number) -> Markup {
    html! {
        (number(value, 2))
        @if let Some(paper) = value.paper {
            " " small.paper { "paper " (wording::decimal(paper)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let text = Cell::Words("<script>\"a\" & b</script>".to_owned()).render().into_string();
        assert_eq!(text, "<td class=\"words\">&lt;script&gt;&quot;a&quot; &amp; b&lt;/script&gt;</td>");
    }
}
