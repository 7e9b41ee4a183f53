//! Section: Tables 1 and 2.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::table::{Cell, table};
use crate::tables::{Method, Number, Summary};

/// Dice of the supervoxels by rank.
pub(super) fn section(summary: &Summary) -> Markup {
    let single = |rank: usize| rank.to_string();
    let union = |rank: usize| match rank {
        1 => "1".to_owned(),
        2 => "1 + 2".to_owned(),
        last => format!("1 + … + {last}"),
    };
    html! {
        h2 #ranks { "Ranked supervoxels" }
        h3 { "Table 1. Dice of the supervoxel at each rank" }
        (by_rank(&summary.ranked, single))
        h3 { "Table 2. Dice of the union of supervoxels up to each rank" }
        (by_rank(&summary.cumulative, union))
    }
}

/// A row for each rank, from 1, and a column for each method.
fn by_rank(numbers: &BTreeMap<Method, Vec<Number>>, name: impl Fn(usize) -> String) -> Markup {
    let methods = Summary::ordered(numbers);
    let mut heads = vec!["rank"];
    heads.extend(methods.iter().map(|(method, _)| method.label()));
    let ranks = methods.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(0);
    let rows = (1..=ranks).map(|rank| {
        let mut cells = vec![Cell::Head(name(rank))];
        cells.extend(methods.iter().map(|(_, numbers)| match numbers.get(rank - 1) {
            Some(number) => Cell::WithPaper(number.clone()),
            None => Cell::Plain(None),
        }));
        cells
    });
    table(&heads, rows)
}
