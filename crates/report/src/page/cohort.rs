//! Section: the cohort and its test cases.

use maud::{Markup, html};

use super::report::Report;
use super::table::{Cell, table};
use crate::tables::{CaseRow, CohortSummary, Method, Paper, Threshold};

/// Splits, excluded cases, and every test case.
pub(super) fn section(report: &Report<'_>, paper: &Paper) -> Markup {
    let cohort = &report.summary.cohort;
    let excluded =
        cohort.left_out.iter().map(|one| vec![Cell::head(&one.case), Cell::Words(one.why.clone())]);
    html! {
        h2 #cohort { "Cohort" }
        (table(&["", "this run", "paper"], splits(cohort, paper)))
        @if cohort.left_out.is_empty() {
            p { "No case was excluded." }
        } @else {
            h3 { "Excluded cases: " (cohort.left_out.len()) }
            (table(&["case", "reason"], excluded))
        }
        @if !cohort.findings.is_empty() {
            h3 { "Stored scans and their preparation" }
            ul {
                @for finding in &cohort.findings {
                    li { (finding) }
                }
            }
            p { "By case: " code { "cohort.csv" } "." }
        }
        @if !report.cases.is_empty() {
            details {
                summary { "Test cases (" (report.cases.len()) ")" }
                (cases(report.cases, report.pages))
                p {
                    "Oracle Dice by method; a dash for cases without an expert segmentation. The other thresholds are \
                     in " code { "tables/cases.csv" } "."
                }
            }
        }
    }
}

fn splits(cohort: &CohortSummary, paper: &Paper) -> Vec<Vec<Cell>> {
    let count = |name: &str, ours: usize, theirs: usize| {
        vec![Cell::head(name), Cell::Count(ours), Cell::Count(theirs)]
    };
    let share = (cohort.cases > 0).then(|| cohort.positive as f64 / cohort.cases as f64);
    let paper = &paper.cohort;
    vec![
        count("Cases", cohort.cases, paper.cases),
        count("Training", cohort.train, paper.train),
        count("Validation", cohort.validation, paper.validation),
        count("Test", cohort.test, paper.test),
        vec![
            Cell::head("Share of the positive class (high grade)"),
            Cell::Plain(share),
            Cell::Plain(Some(paper.positive_share)),
        ],
    ]
}

fn cases(cases: &[CaseRow], pages: &[(String, String)]) -> Markup {
    let methods: Vec<Method> = Method::ALL
        .into_iter()
        .filter(|method| cases.iter().any(|case| case.dice.contains_key(method)))
        .collect();
    let mut heads = vec!["case", "split", "class", "p", "regions"];
    heads.extend(methods.iter().map(|method| method.label()));
    heads.push("flat maps");
    let rows = cases.iter().map(|case| {
        let mut cells = vec![
            match pages.iter().find(|(name, _)| *name == case.case) {
                Some((name, page)) => Cell::Link(name.clone(), page.clone()),
                None => Cell::head(&case.case),
            },
            Cell::Words(case.split.clone()),
            Cell::Count(usize::from(case.positive)),
            Cell::Plain(Some(case.probability)),
            Cell::Count(case.regions),
        ];
        let dice = |method: &Method| case.dice.get(method)?.get(&Threshold::Oracle).copied();
        cells.extend(methods.iter().map(|method| Cell::Plain(dice(method))));
        let flat: Vec<&str> = case.flat.iter().map(|method| method.label()).collect();
        cells.push(Cell::Words(flat.join(", ")));
        cells
    });
    table(&heads, rows)
}
