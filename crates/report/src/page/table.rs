//! Tables of the report.

use super::html::Html;
use crate::tables::{Number, wording};

/// A cell.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Words, at the left.
    Words(String),
    /// A row's head.
    Head(String),
    /// A number with its interval beneath.
    Number(Number),
    /// The same for small numbers, in four decimals.
    Fine(Number),
    /// A number with its interval and the paper's.
    BesidePaper(Number),
    /// The same, set off from the others.
    Chosen(Number),
    /// A number alone.
    Plain(Option<f64>),
    /// A count.
    Count(usize),
}

/// Writes a table: names of columns, then rows.
pub(super) fn table(html: &mut Html, heads: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) {
    html.raw("<div class=\"scroll\"><table><thead><tr>");
    for (index, head) in heads.iter().enumerate() {
        html.element(
            if index == 0 { "<th scope=\"col\" class=\"first\">" } else { "<th scope=\"col\">" },
            head,
            "</th>",
        );
    }
    html.raw("</tr></thead><tbody>");
    rows.into_iter().for_each(|row| self::row(html, &row));
    html.raw("</tbody></table></div>");
}

/// Writes a row.
pub(super) fn row(html: &mut Html, cells: &[Cell]) {
    html.raw("<tr>");
    for cell in cells {
        match cell {
            Cell::Words(words) => html.element("<td class=\"words\">", words, "</td>"),
            Cell::Head(words) => html.element("<th scope=\"row\">", words, "</th>"),
            Cell::Number(value) => number(html.raw("<td>"), value).raw("</td>"),
            Cell::Fine(value) => number_in(html.raw("<td>"), value, 4).raw("</td>"),
            Cell::BesidePaper(value) => beside_paper(html.raw("<td>"), value).raw("</td>"),
            Cell::Chosen(value) => beside_paper(html.raw("<td class=\"chosen\">"), value).raw("</td>"),
            Cell::Plain(value) => html.element("<td>", &wording::or_dash(*value), "</td>"),
            Cell::Count(value) => html.element("<td>", &value.to_string(), "</td>"),
        };
    }
    html.raw("</tr>");
}

fn number<'a>(html: &'a mut Html, value: &Number) -> &'a mut Html {
    number_in(html, value, 2)
}

fn number_in<'a>(html: &'a mut Html, value: &Number, places: usize) -> &'a mut Html {
    let written = |value: f64| wording::decimals(value, places);
    match (&value.why, value.mean) {
        (Some(why), _) => html.raw("– ").element("<small>", why, "</small>"),
        (None, None) => html.raw("–"),
        (None, Some(mean)) => {
            html.element("<b>", &written(mean), "</b>");
            match value.ci95 {
                Some([low, high]) => {
                    let words = format!("[{}, {}]", written(low), written(high));
                    html.raw(" ").element("<small>", &words, "</small>")
                }
                None => html,
            }
        }
    }
}

fn beside_paper<'a>(html: &'a mut Html, value: &Number) -> &'a mut Html {
    number(html, value);
    if let Some(paper) = value.paper {
        html.raw(" ").element("<small class=\"paper\">paper ", &wording::decimal(paper), "</small>");
    }
    html
}
