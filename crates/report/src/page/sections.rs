//! The report's sections, in the order of the page.

use super::html::Html;
use super::measures::{compared, measures};
use super::table::{Cell, row, table};
use super::{FigureKind, Report};
use crate::tables::wording::{self, decimal, with_interval};
use crate::tables::{GridCell, Method, Number, Paper, Summary, Threshold};

/// A figure with its caption, where the run has it.
pub(super) fn figure(html: &mut Html, report: &Report<'_>, kind: FigureKind, title: &str, caption: &str) {
    let Some(figure) = report.figure(kind) else { return };
    html.raw("<figure>").png(&figure.png, &format!("{title} {caption}"));
    html.raw("<figcaption>").element("<b>", title, "</b> ").text(caption).raw("</figcaption></figure>\n");
}

/// Title, what was done, where to look.
pub(super) fn head(html: &mut Html, report: &Report<'_>) {
    html.raw("<header><h1>Where does the classifier look?</h1><p class=\"lead\">Relevance maps of a glioma classifier by localized perturbations: run ");
    html.element("<b>", report.run, "</b>").raw("</p><nav>");
    html.raw("<a href=\"#paper\">Beside the paper</a><a href=\"#localisation\">Localisation</a><a href=\"#maps\">Maps</a>");
    html.raw("<a href=\"#ranks\">Ranks</a><a href=\"#grid\">Grid</a><a href=\"#classifier\">Classifier</a>");
    html.raw("<a href=\"#focus\">Epochs</a><a href=\"#cohort\">Cohort</a><a href=\"#reading\">How to read it</a><a href=\"#config\">Config</a>");
    html.raw("</nav></header>\n");
    if report.synthetic {
        html.raw("<div class=\"note\"><p><b>These scans are synthetic.</b> The phantoms were made by this program. The numbers show that the method works from end to end and which parts of it carry weight; they are not measurements of patients, and the paper’s numbers beside them come from other images.</p></div>\n");
    }
}

/// The numbers that the paper's abstract and results name.
pub(super) fn paper(html: &mut Html, report: &Report<'_>) -> anyhow::Result<()> {
    let (summary, paper) = (report.summary, Paper::load()?);
    html.raw("<h2 id=\"paper\">This run beside the paper</h2>");
    html.raw("<p>Means over the test split with 95 % bootstrap intervals over cases. The paper gives no intervals.</p>");
    let line = |name: String, number: &Number| {
        vec![Cell::Head(name), Cell::Number(number.clone()), Cell::Count(number.n), Cell::Plain(number.paper)]
    };
    let mut rows =
        vec![line("Classifier: area under the ROC curve".to_owned(), &summary.classifier.test_auc)];
    for (method, dice) in Summary::ordered(&summary.dice) {
        if dice.oracle.paper.is_some() || method == Method::Random || method == Method::Ceiling {
            rows.push(line(format!("{}: Dice, oracle threshold", method.label()), &dice.oracle));
        }
    }
    for (method, numbers) in Summary::ordered(&summary.ranked) {
        if let Some(number) = numbers.first().filter(|number| number.paper.is_some()) {
            rows.push(line(format!("{}: Dice of the top supervoxel", method.label()), number));
        }
    }
    table(html, &["", "this run", "cases", "paper"], rows);
    let words =
        |sequence: &str, regions: usize| format!("{}, {regions} regions", wording::sequence(sequence));
    html.raw("<p>Supervoxels: ").text(&words(&summary.selected.sequence, summary.selected.regions));
    html.text(&format!(", compactness {}", summary.selected.compactness));
    html.raw(" (paper: ").text(&words(&paper.selected.sequence, paper.selected.regions)).raw("). ");
    let epoch = summary.classifier.epoch.map_or_else(|| "–".to_owned(), |epoch| epoch.to_string());
    let networks = match summary.classifier.networks {
        1 => String::new(),
        networks => format!(" The classifier is {networks} networks, whose mean logit decides."),
    };
    html.text(&format!("Epoch kept: {epoch} (paper: {}).{networks}", paper.classifier.epoch)).raw("</p>\n");
    Ok(())
}

/// Dice by method and threshold; what beats what; whether the learned fill learned.
pub(super) fn localisation(html: &mut Html, report: &Report<'_>) {
    let summary = report.summary;
    html.raw("<h2 id=\"localisation\">Localisation of the tumour</h2>");
    html.raw("<p>Dice of each method’s mask with the expert’s whole tumour. The <b>oracle</b> threshold is the best for each case, which only the expert’s outline can tell: it is an upper bound for the map, not a segmentation. <b>Otsu</b>’s and the <b>validation</b> threshold (one value, fixed on the validation split) need no outline of the case. The <b>validation volume</b> marks the highest regions up to the mean volume of the validation split’s tumours. <b>Otsu by volume</b> and the <b>mixture</b> of two normal distributions weigh each region by its volume of brain; the <b>mask</b> is what the run leaves in <code>maps/</code>, small islands removed. The <b>random control</b> has the same supervoxels with shuffled scores; the <b>brightness control</b> ranks supervoxels by their mean in one sequence and knows no classifier; the <b>ceiling</b> is the best that any choice of supervoxels could reach. Methods with fewer cases were run on some of them only.</p>");
    let rows = Summary::ordered(&summary.dice).into_iter().map(|(method, dice)| {
        let mut cells = vec![Cell::Head(method.label().to_owned())];
        cells.extend(Threshold::ALL.into_iter().map(|threshold| match dice.get(threshold) {
            Some(number) => Cell::Number(number.clone()),
            None => Cell::Plain(None),
        }));
        cells.extend([Cell::Count(dice.oracle.n), Cell::Plain(dice.oracle.paper)]);
        cells
    });
    let mut heads = vec![""];
    heads.extend(Threshold::ALL.map(Threshold::label));
    heads.extend(["cases", "paper, oracle"]);
    table(html, &heads, rows);
    diffusion(html, summary);
    figure(
        html,
        report,
        FigureKind::Methods,
        "Dice by method.",
        "Dots: means over the test cases; bars: 95 % bootstrap intervals; diamonds: the paper’s oracle Dice.",
    );
    if !summary.differences.is_empty() {
        html.raw("<h3>What beats what</h3><p>Mean difference in Dice, case by case. One method <em>beats</em> another if the paired bootstrap interval lies above 0 and p, that of a two-sided paired permutation test, under 0.05.</p>");
        let rows = summary.differences.iter().map(|one| {
            let verdict = if one.beats { "beats" } else { "does not beat" };
            let names = [one.method, one.over].map(Method::label);
            compared(names, verdict, one.dice.label(), &one.difference, one.p)
        });
        table(html, &["", "Dice", "difference", "p", "cases"], rows);
    }
    measures(html, report);
    if let Some(fill) = &summary.fill {
        html.raw("<h3>What the learned fill learned</h3><p>A U-Net whose sigmoid saturates is the <em>max</em> fill by another name: its distance from <em>max</em> would be near 0. Values are 0 to 1.</p>");
        let mut rows = vec![vec![
            Cell::Head("Mean distance from max".to_owned()),
            Cell::Number(fill.distance_from_max.clone()),
            Cell::Count(fill.distance_from_max.n),
        ]];
        rows.extend(Summary::ordered(&fill.mean_abs_delta_p).into_iter().map(|(method, number)| {
            let name = format!("Mean |Δp| over supervoxels: {}", method.label());
            vec![Cell::Head(name), Cell::Fine(number.clone()), Cell::Count(number.n)]
        }));
        table(html, &["", "mean", "cases"], rows);
    }
}

/// How the diffused scores came about.
fn diffusion(html: &mut Html, summary: &Summary) {
    let Some(chosen) = &summary.diffusion else { return };
    html.raw("<p>Diffused relevance: ").text(&format!(
        "{}{} of {}, λ {}, likeness within {} medians{}, chosen on {} validation cases.",
        if chosen.reading == "positive" { "what speaks for the positive class in " } else { "" },
        if chosen.scores == "delta_p" { "Δp" } else { "Δlogit" },
        chosen.fill.label(),
        chosen.lambda,
        chosen.scale,
        if chosen.border { ", by length of border" } else { "" },
        chosen.cases
    ));
    html.raw("</p>\n");
}

/// Figures 1 and 2.
pub(super) fn maps(html: &mut Html, report: &Report<'_>) {
    html.raw("<h2 id=\"maps\">Relevance maps</h2>");
    figure(
        html,
        report,
        FigureKind::Pipeline,
        "Figure 1. How a relevance map is made, on a case of this run.",
        "The scan is divided into supervoxels; one at a time is replaced and the classifier asked again; a supervoxel’s relevance is how far the probability moved. Vermilion: the supervoxel replaced here. Turquoise: the expert’s outline, which no step uses.",
    );
    figure(
        html,
        report,
        FigureKind::Comparison,
        "Figure 2. Slices through the tumour.",
        "The sequences, the expert’s outline (turquoise), Grad-CAM and relevance maps over the scan, 0 to 100 within each case. Axial slices as radiologists look at them: anterior up, the patient’s right at the left.",
    );
    figure(
        html,
        report,
        FigureKind::Explainers,
        "One case under every method.",
        "The same slice on the same scale, 0 to 100 within each map; each map’s own oracle Dice is of the whole volume. The brightness control and the untrained network know nothing of grades.",
    );
}

/// Tables 1 and 2.
pub(super) fn ranks(html: &mut Html, report: &Report<'_>) {
    html.raw("<h2 id=\"ranks\">Ranked supervoxels</h2>");
    let summary = report.summary;
    for (title, table_of, cumulative) in [
        ("Table 1. Dice of the supervoxel at each rank, alone", &summary.ranked, false),
        ("Table 2. Dice of the supervoxels up to each rank, together", &summary.cumulative, true),
    ] {
        html.element("<h3>", title, "</h3>");
        let methods = Summary::ordered(table_of);
        let mut heads = vec!["rank"];
        heads.extend(methods.iter().map(|(method, _)| method.label()));
        let ranks = methods.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(0);
        let rows = (0..ranks).map(|rank| {
            let mut cells = vec![Cell::Head(match (rank, cumulative) {
                (0, _) => "1".to_owned(),
                (1, true) => "1 + 2".to_owned(),
                (rank, true) => format!("1 + … + {}", rank + 1),
                (rank, false) => (rank + 1).to_string(),
            })];
            cells.extend(methods.iter().map(|(_, numbers)| match numbers.get(rank) {
                Some(number) => Cell::BesidePaper(number.clone()),
                None => Cell::Plain(None),
            }));
            cells
        });
        table(html, &heads, rows);
    }
}

/// Table 3, a matrix for each split and compactness.
pub(super) fn grid(html: &mut Html, report: &Report<'_>) {
    let summary = report.summary;
    html.raw("<h2 id=\"grid\">Table 3. Search over supervoxels and fills</h2>");
    if summary.grid.is_empty() {
        html.raw("<p>No grid was run: the supervoxels are those of the config.</p>");
        return;
    }
    html.raw("<p>Oracle Dice. The cell with the best mean on the <em>validation</em> split selects the supervoxels (marked in both tables); every other number of this report is on the test split.</p>");
    let mut parts: Vec<(&str, f64)> = Vec::new();
    for cell in &summary.grid {
        if !parts.contains(&(cell.split.as_str(), cell.compactness)) {
            parts.push((&cell.split, cell.compactness));
        }
    }
    for (split, compactness) in parts {
        let cells: Vec<&GridCell> = summary
            .grid
            .iter()
            .filter(|cell| cell.split == split && cell.compactness == compactness)
            .collect();
        let n = cells.iter().map(|cell| cell.n).max().unwrap_or(0);
        html.element("<h3>", &format!("{split} split, compactness {compactness}, {n} cases"), "</h3>");
        matrix(html, summary, &cells);
        made(html, &cells);
    }
}

/// How many supervoxels were made where so many were asked for.
fn made(html: &mut Html, cells: &[&GridCell]) {
    let mut counts = in_order(cells, |cell| cell.regions);
    counts.sort_unstable();
    let ranges: Vec<String> = counts
        .into_iter()
        .filter_map(|count| {
            let made = cells.iter().filter(|cell| cell.regions == count).filter_map(|cell| cell.made);
            let (low, high) = made.fold((f64::INFINITY, 0.0_f64), |(low, high), n| (low.min(n), high.max(n)));
            (low <= high).then(|| format!("{low:.0}–{high:.0} for {count}"))
        })
        .collect();
    html.raw("<p>The columns say how many supervoxels were asked for. Made, on average, by sequence: ");
    html.text(&ranges.join(", ")).raw(".</p>\n");
}

fn in_order<'a, T: PartialEq + Copy>(cells: &[&'a GridCell], key: impl Fn(&'a GridCell) -> T) -> Vec<T> {
    let mut found = Vec::new();
    for cell in cells {
        if !found.contains(&key(cell)) {
            found.push(key(cell));
        }
    }
    found
}

fn matrix(html: &mut Html, summary: &Summary, cells: &[&GridCell]) {
    let sequences = in_order(cells, |cell| cell.sequence.as_str());
    let fills = in_order(cells, |cell| cell.fill);
    let mut counts = in_order(cells, |cell| cell.regions);
    counts.sort_unstable();
    html.raw("<div class=\"scroll\"><table class=\"grid\"><thead><tr><th class=\"first\"></th>");
    for fill in &fills {
        html.raw("<th class=\"group\" scope=\"colgroup\" colspan=\"").text(&counts.len().to_string());
        html.element("\">", fill.label(), "</th>");
    }
    html.raw("</tr><tr><th class=\"first\" scope=\"col\">regions</th>");
    for _ in &fills {
        counts.iter().for_each(|count| {
            html.element("<th scope=\"col\">", &count.to_string(), "</th>");
        });
    }
    html.raw("</tr></thead><tbody>");
    for sequence in &sequences {
        let mut line = vec![Cell::Head(wording::sequence(sequence).to_owned())];
        for fill in &fills {
            for count in &counts {
                let found = cells
                    .iter()
                    .find(|cell| cell.sequence == *sequence && cell.fill == *fill && cell.regions == *count);
                line.push(found.map_or(Cell::Plain(None), |cell| grid_cell(summary, cell)));
            }
        }
        row(html, &line);
    }
    html.raw("</tbody></table></div>");
}

fn grid_cell(summary: &Summary, cell: &GridCell) -> Cell {
    let selected = &summary.selected;
    let number =
        Number { mean: cell.mean, ci95: cell.ci95, n: cell.n, paper: cell.paper, why: cell.why.clone() };
    let chosen = cell.sequence == selected.sequence
        && cell.regions == selected.regions
        && cell.compactness == selected.compactness;
    if chosen { Cell::Chosen(number) } else { Cell::BesidePaper(number) }
}

/// How well the network grades, and how it was trained.
pub(super) fn classifier(html: &mut Html, report: &Report<'_>) -> anyhow::Result<()> {
    let (classifier, paper) = (&report.summary.classifier, Paper::load()?);
    html.raw("<h2 id=\"classifier\">The classifier</h2>");
    let mut rows = vec![vec![
        Cell::Head("Epoch kept".to_owned()),
        classifier.epoch.map_or(Cell::Plain(None), Cell::Count),
        Cell::Words(String::new()),
        Cell::Count(paper.classifier.epoch),
    ]];
    for (name, number) in [
        ("Test AUC", &classifier.test_auc),
        ("Test accuracy, p ≥ 0.5", &classifier.test_accuracy),
        ("Validation AUC", &classifier.validation_auc),
        ("Test AUC of brightness alone (control)", &classifier.brightness_auc),
    ] {
        rows.push(vec![
            Cell::Head(name.to_owned()),
            Cell::Number(number.clone()),
            Cell::Count(number.n),
            Cell::Plain(number.paper),
        ]);
    }
    table(html, &["", "this run", "cases", "paper"], rows);
    html.raw(
        "<p>The control is a logistic regression on each sequence’s mean and standard deviation, fitted on the training \
         split: what brightness tells without looking at any place.</p>",
    );
    html.raw("<div class=\"pair\">");
    figure(
        html,
        report,
        FigureKind::Training,
        "Training.",
        "Losses, and accuracy and AUC on the validation split. Dashed: the epoch whose weights were kept.",
    );
    figure(
        html,
        report,
        FigureKind::Roc,
        "ROC curve",
        "on the test split, with the bootstrap interval of its area (classes drawn apart).",
    );
    html.raw("</div>");
    Ok(())
}

/// Figure 3.
pub(super) fn focus(html: &mut Html, report: &Report<'_>) {
    let correlation = &report.summary.focus.correlation;
    html.raw("<h2 id=\"focus\">Maps over the epochs of training</h2><p>The paper reads its Figure 3 as: “as the validation loss decreases, the model focuses more on a single region of interest”. As a number: the rank correlation, over epochs, of the share of the map’s mass in its top supervoxel with the validation loss. The claim expects it below 0. Here: ");
    match &correlation.why {
        Some(why) => html.raw("none (").text(why).raw(")"),
        None => html.element("<b>", &with_interval(correlation), "</b>"),
    };
    html.text(&format!(", {} epochs", correlation.n));
    match correlation.ci95 {
        Some([_, high]) if high < 0.0 => html.raw(": this run supports it.</p>"),
        Some([low, _]) if low > 0.0 => html.raw(": this run contradicts it.</p>"),
        Some(_) => html.raw(": the interval holds 0, so this run does not tell.</p>"),
        None => html.raw(".</p>"),
    };
    figure(
        html,
        report,
        FigureKind::Epochs,
        "Figure 3. A case’s relevance map over the epochs of training,",
        "with the losses and the focus of the maps.",
    );
}

/// Who was looked at.
pub(super) fn cohort(html: &mut Html, report: &Report<'_>) -> anyhow::Result<()> {
    let (cohort, paper) = (&report.summary.cohort, Paper::load()?.cohort);
    html.raw("<h2 id=\"cohort\">Cohort</h2>");
    let share = |positive: usize, cases: usize| (cases > 0).then(|| positive as f64 / cases as f64);
    let count = |name: &str, ours: usize, theirs: usize| {
        vec![Cell::Head(name.to_owned()), Cell::Count(ours), Cell::Count(theirs)]
    };
    let rows = vec![
        count("Cases", cohort.cases, paper.cases),
        count("trained on", cohort.train, paper.train),
        count("validated on", cohort.validation, paper.validation),
        count("tested on", cohort.test, paper.test),
        vec![
            Cell::Head("Share of the positive class (high grade)".to_owned()),
            Cell::Plain(share(cohort.positive, cohort.cases)),
            Cell::Plain(Some(paper.positive_share)),
        ],
    ];
    table(html, &["", "this run", "paper"], rows);
    if cohort.left_out.is_empty() {
        html.raw("<p>No case was left out.</p>");
    } else {
        html.element("<h3>", &format!("Left out: {}", cohort.left_out.len()), "</h3>");
        let rows = cohort
            .left_out
            .iter()
            .map(|one| vec![Cell::Head(one.case.clone()), Cell::Words(one.why.clone())]);
        table(html, &["case", "why"], rows);
    }
    if !report.cases.is_empty() {
        case_table(html, report);
    }
    Ok(())
}

fn case_table(html: &mut Html, report: &Report<'_>) {
    html.element("<details><summary>", &format!("Every scored case ({})", report.cases.len()), "</summary>");
    let methods: Vec<Method> = Method::ALL
        .into_iter()
        .filter(|method| report.cases.iter().any(|case| case.dice.contains_key(method)))
        .collect();
    let mut heads = vec!["case", "split", "class", "p", "regions"];
    heads.extend(methods.iter().map(|method| method.label()));
    heads.push("flat maps");
    let rows = report.cases.iter().map(|case| {
        let mut cells = vec![
            Cell::Head(case.case.clone()),
            Cell::Words(case.split.clone()),
            Cell::Count(usize::from(case.positive)),
            Cell::Plain(Some(case.probability)),
            Cell::Count(case.regions),
        ];
        cells.extend(methods.iter().map(|method| {
            Cell::Plain(case.dice.get(method).and_then(|dice| dice.get(&Threshold::Oracle)).copied())
        }));
        let flat: Vec<&str> = case.flat.iter().map(|method| method.label()).collect();
        cells.push(Cell::Words(flat.join(", ")));
        cells
    });
    table(html, &heads, rows);
    html.raw("<p>Oracle Dice by method; a dash where the case has no expert outline. The other thresholds are in <code>tables/cases.csv</code>.</p></details>\n");
}

/// What the numbers do and do not say.
pub(super) fn reading(html: &mut Html, report: &Report<'_>) {
    html.raw("<h2 id=\"reading\">How to read it</h2><ul>");
    html.raw("<li>A relevance map shows what moves <em>this classifier</em>. It does not show disease, and a classifier that looks at the wrong thing gives a sharp map of the wrong thing.</li>");
    html.raw("<li>The oracle threshold uses the expert’s outline. Compare methods by it, as the paper does; judge a segmentation by the validation threshold or Otsu’s.</li>");
    html.raw("<li>The lowest threshold marks the whole image, so even a map that points elsewhere has an oracle Dice above 0: about twice the tumour’s share of the image. The random control shows how much is had for nothing.</li>");
    html.raw("<li>Intervals are percentile bootstrap over cases; with few cases they are wide and a little too short. Several comparisons were made and none is corrected for.</li>");
    html.raw("<li>Replacing a region makes an image that the classifier has never seen; part of what it answers to is the hole, not the missing tissue.</li>");
    if report.summary.cohort.test < 30 {
        html.element(
            "<li>",
            &format!(
                "There are {} test cases. Differences of a few hundredths of Dice mean nothing here.",
                report.summary.cohort.test
            ),
            "</li>",
        );
    }
    if let Some(auc) = report.summary.classifier.test_auc.ci95.filter(|ci| ci[0] <= 0.5) {
        html.element("<li>", &format!("The interval of the test AUC reaches down to {}: the classifier may know nothing, and then its maps show nothing.", decimal(auc[0])), "</li>");
    }
    html.raw("<li>Research software: not a medical device, not for diagnosis.</li></ul>\n");
}

/// What was run.
pub(super) fn config(html: &mut Html, report: &Report<'_>) {
    html.raw("<h2 id=\"config\">What was run</h2>");
    let rows =
        report.facts.iter().map(|(name, value)| vec![Cell::Head(name.clone()), Cell::Words(value.clone())]);
    table(html, &["", ""], rows);
    html.raw("<details open><summary>run.toml</summary><pre>").text(report.config).raw("</pre></details>\n");
}
