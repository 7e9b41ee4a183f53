//! The page holds every number and figure, escapes text, and refers to nothing outside.

use super::report::{Figure, FigureKind, Report};
use crate::tables::sample;

fn page(synthetic: bool) -> String {
    let summary = sample::summary();
    let cases = sample::cases();
    let figures: Vec<Figure> =
        FigureKind::ALL.map(|kind| Figure { kind, png: kind.file().as_bytes().to_vec() }).into();
    let report = Report {
        run: "a <b>run</b>",
        synthetic,
        summary: &summary,
        cases: &cases,
        figures: &figures,
        pages: &[(cases[0].case.clone(), "pages/first.html".to_owned())],
        config: "# a & b\nseed = 1\nname = \"</pre><script>\"\n",
        facts: &[("version".to_owned(), "1 < 2".to_owned())],
    };
    report.html().unwrap()
}

#[test]
fn every_table_and_figure_is_on_the_page() {
    let page = page(true);
    assert_eq!(page.matches("href=\"pages/first.html\"").count(), 2);
    assert!(page.contains("for 1 of the 2 test cases"));
    for id in [
        "glance",
        "paper",
        "localisation",
        "maps",
        "ranks",
        "grid",
        "classifier",
        "focus",
        "cohort",
        "reading",
        "config",
    ] {
        assert!(page.contains(&format!("id=\"{id}\"")) && page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    for words in [
        "Table 1",
        "Table 2",
        "Table 3",
        "Grad-CAM",
        "Supervoxel ceiling",
        "Random control",
        "T1wCE",
        "<td>0.44</td>",
        "Learned fill beats Random control",
        "Blank does not beat Grad-CAM",
        "1 + … + 5",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(page.matches("<img ").count(), FigureKind::ALL.len());
    assert!(
        page.contains("These scans are synthetic")
            && !self::page(false).contains("These scans are synthetic")
    );
}

#[test]
fn every_number_is_on_the_page_with_the_papers() {
    let (page, summary) = (page(true), sample::summary());
    let shown = |number: &crate::tables::Number| match number.mean {
        Some(mean) => format!("<b>{}</b>", crate::tables::wording::decimal(mean)),
        None => "– <small class=\"why\">one class &lt;only&gt;</small>".to_owned(),
    };
    for dice in summary.dice.values() {
        assert!(page.contains(&shown(&dice.oracle)));
        assert!(
            dice.otsu.iter().chain(&dice.validation_threshold).all(|number| page.contains(&shown(number)))
        );
    }
    for number in summary.ranked.values().chain(summary.cumulative.values()).flatten() {
        assert!(page.contains(&shown(number)));
        assert!(number.paper.is_none_or(|paper| page.contains(&format!("paper {paper:.2}"))));
    }
    assert!(page.contains(&shown(&summary.classifier.validation_auc)));
    assert_eq!(
        page.matches("class=\"chosen\"").count(),
        2 * 3,
        "the selected partition in both splits, by fill"
    );
}

#[test]
fn text_of_the_run_is_escaped() {
    let page = page(false);
    assert!(!page.contains("<script") && !page.contains("<b>run</b>") && !page.contains("case<7>"));
    for escaped in [
        "a &lt;b&gt;run&lt;/b&gt;",
        "case&lt;7&gt;",
        "no &quot;t2&quot; &amp; no grade",
        "1 &lt; 2",
        "&lt;/pre&gt;&lt;script&gt;",
        "# a &amp; b",
    ] {
        assert!(page.contains(escaped), "{escaped}");
    }
}

#[test]
fn the_page_refers_to_nothing_outside() {
    let page = page(true);
    for outside in ["http://", "https://", "src=\"/", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
    assert_eq!(page, self::page(true));
}
