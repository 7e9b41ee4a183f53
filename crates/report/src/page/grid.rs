//! Section: Table 3, the search over supervoxels and fills.

use maud::{Markup, html};

use super::table::{Cell, rows};
use crate::tables::{GridCell, Selected, Summary, wording};

/// A matrix for each split and compactness.
pub(super) fn section(summary: &Summary) -> Markup {
    let mut parts: Vec<(&str, f64)> = Vec::new();
    for cell in &summary.grid {
        if !parts.contains(&(cell.split.as_str(), cell.compactness)) {
            parts.push((&cell.split, cell.compactness));
        }
    }
    html! {
        h2 #grid { "Table 3. Search over supervoxels and fills" }
        @if summary.grid.is_empty() {
            p { "No grid search was run: the supervoxels are those of the configuration." }
        } @else {
            p {
                "Oracle Dice. The cell with the best mean on the " em { "validation" }
                " split selects the supervoxels (highlighted in both tables); all other numbers of this report are \
                 on the test split."
            }
            @for (split, compactness) in parts { (part(summary, split, compactness)) }
        }
    }
}

fn part(summary: &Summary, split: &str, compactness: f64) -> Markup {
    let in_part = |cell: &&GridCell| cell.split == split && cell.compactness == compactness;
    let cells: Vec<&GridCell> = summary.grid.iter().filter(in_part).collect();
    let n = cells.iter().map(|cell| cell.n).max().unwrap_or(0);
    html! {
        h3 { (split) " split, compactness " (compactness) ", " (n) " cases" }
        (matrix(&summary.selected, &cells))
        p {
            "Columns give the requested number of supervoxels. Mean number obtained, by sequence: "
            (obtained(&cells).join(", ")) "."
        }
    }
}

/// Range of the numbers of supervoxels that were obtained, for each requested number.
fn obtained(cells: &[&GridCell]) -> Vec<String> {
    let mut counts = in_order(cells, |cell| cell.regions);
    counts.sort_unstable();
    let range = |count: usize| {
        let made = cells.iter().filter(|cell| cell.regions == count).filter_map(|cell| cell.made);
        let (low, high) = made.fold((f64::INFINITY, 0.0_f64), |(low, high), n| (low.min(n), high.max(n)));
        (low <= high).then(|| format!("{low:.0}–{high:.0} for {count}"))
    };
    counts.into_iter().filter_map(range).collect()
}

/// Distinct keys in the order of the cells.
fn in_order<'a, T: PartialEq + Copy>(cells: &[&'a GridCell], key: impl Fn(&'a GridCell) -> T) -> Vec<T> {
    let mut found = Vec::new();
    for cell in cells {
        if !found.contains(&key(cell)) {
            found.push(key(cell));
        }
    }
    found
}

/// Sequences by fill and requested number of supervoxels.
fn matrix(selected: &Selected, cells: &[&GridCell]) -> Markup {
    let fills = in_order(cells, |cell| cell.fill);
    let mut counts = in_order(cells, |cell| cell.regions);
    counts.sort_unstable();
    let columns: Vec<_> =
        fills.iter().flat_map(|fill| counts.iter().map(move |count| (*fill, *count))).collect();
    let lines = in_order(cells, |cell| cell.sequence.as_str()).into_iter().map(|sequence| {
        let mut line = vec![Cell::head(wording::sequence(sequence))];
        line.extend(columns.iter().map(|&(fill, count)| {
            let found = cells
                .iter()
                .find(|cell| cell.sequence == sequence && cell.fill == fill && cell.regions == count);
            found.map_or(Cell::Plain(None), |cell| grid_cell(selected, cell))
        }));
        line
    });
    html! {
        div.scroll {
            table.grid {
                thead {
                    tr {
                        th.first {}
                        @for fill in &fills {
                            th.group scope="colgroup" colspan=(counts.len()) { (fill.label()) }
                        }
                    }
                    tr {
                        th.first scope="col" { "regions" }
                        @for (_, count) in &columns { th scope="col" { (count) } }
                    }
                }
                tbody { (rows(lines)) }
            }
        }
    }
}

fn grid_cell(selected: &Selected, cell: &GridCell) -> Cell {
    let chosen = cell.sequence == selected.sequence
        && cell.regions == selected.regions
        && cell.compactness == selected.compactness;
    if chosen { Cell::Chosen(cell.number()) } else { Cell::WithPaper(cell.number()) }
}
