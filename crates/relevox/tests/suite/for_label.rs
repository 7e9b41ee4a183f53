//! Relevance pooled for the label: what of several cases' values speaks for their labels.

use std::fs;
use std::path::PathBuf;

use crate::cases::{Cases, document, page_data, printed};
use crate::harness::{files, refuse, stderr, succeed};
use ndarray::{Array3, Array4, ArrayView5};
use relevox::perturb::FillKind;
use relevox::relevance::{Error as RelevanceError, LabelTest, silent};
use relevox::slic3d::Supervoxels;
use relevox::volume::{Study, nifti};
use relevox::{
    ExplainOptions, Explanation, FillSource, MaskRule, Method, MethodResult, PoolMember, Regions, explain,
    pool_for_label,
};

const EDGE: usize = 12;
const BOXES: usize = 64;
const CASES: usize = 12;

/// Boxes of 3³ voxels.
fn regions() -> Supervoxels {
    let labels =
        Array3::from_shape_fn((EDGE, EDGE, EDGE), |(z, y, x)| (z / 3 * 16 + y / 3 * 4 + x / 3) as u32);
    Supervoxels::from_labels(labels, None).unwrap()
}

/// The box that is bright in every second case, and as dark in the others: both leave the case's deviation the same.
fn marked(case: usize) -> usize {
    5 * case % BOXES
}

/// Another box is grey in every case, more or less.
fn study(case: usize) -> Study {
    let regions = regions();
    let image = Array4::from_shape_fn((1, EDGE, EDGE, EDGE), |(_, z, y, x)| {
        let region = regions.labels()[[z, y, x]] as usize;
        let noise = ((7 * z + 5 * y + 3 * x + case) % 11) as f32 / 20.0;
        match region {
            _ if region == marked(case) && case.is_multiple_of(2) => 1.85,
            _ if region == marked(case) => 0.05,
            _ if region == marked(case) + 3 => 1.5 + (5 * case % CASES) as f32 / 80.0,
            _ => 0.7 + noise,
        }
    });
    Study::from_tensor(format!("case {case}"), image, vec!["one".to_owned()]).unwrap()
}

/// Bright and grey voxels speak for the class, dark ones against it.
fn classifier(batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, RelevanceError> {
    let answer = |value: &f32| match *value {
        value if value > 1.4 => 0.02,
        value if value < 0.5 => -0.02,
        _ => 0.0,
    };
    Ok(batch.outer_iter().map(|image| image.iter().map(answer).sum()).collect())
}

fn explained() -> Vec<(Study, Explanation)> {
    let of = |case| {
        let study = study(case);
        let options = ExplainOptions {
            regions: Regions::Given(regions()),
            methods: vec![Method::Perturb],
            fill: FillSource::Constant(FillKind::Mean),
            ..ExplainOptions::default()
        };
        let explanation = explain(&classifier, &study, &options).unwrap();
        (study, explanation)
    };
    (0..CASES).map(of).collect()
}

fn pooled(
    cases: &[(Study, Explanation)],
    labels: &[bool],
    from: Method,
) -> anyhow::Result<Vec<MethodResult>> {
    let groups: Vec<String> = (0..cases.len()).map(|case| format!("patient {case}")).collect();
    let members: Vec<PoolMember<'_>> = cases
        .iter()
        .zip(&groups)
        .map(|((study, explanation), group)| PoolMember { explanation, study, from, group })
        .collect();
    let test = LabelTest { neighbours: 5, ..LabelTest::default() }.check()?;
    Ok(pool_for_label(&members, labels, &test, &MaskRule::default(), &silent)?)
}

#[test]
fn what_speaks_for_the_labels_is_kept_and_nothing_else() {
    let cases = explained();
    let labels: Vec<bool> = (0..CASES).map(|case| case.is_multiple_of(2)).collect();
    for (case, result) in pooled(&cases, &labels, Method::Perturb).unwrap().iter().enumerate() {
        assert_eq!(result.method, Method::PooledLabel);
        // The grey box counts for the class in cases of both labels.
        let expected: Vec<f64> =
            (0..BOXES).map(|region| if region == marked(case) { 100.0 } else { 0.0 }).collect();
        assert_eq!(result.relevance, expected, "case {case}");
        assert!(result.attribution.values.iter().all(|value| *value >= 0.0));
        let inside = result.mask.indexed_iter().filter(|(_, inside)| **inside);
        assert!(
            inside.map(|(voxel, _)| regions().labels()[voxel] as usize).all(|region| region == marked(case))
        );
        assert_eq!(result.mask.iter().filter(|inside| **inside).count(), 27);
        assert_eq!(cases[case].1.outputs, result.attribution.original);
    }
}

#[test]
fn nothing_is_kept_for_labels_without_meaning() {
    let cases = explained();
    let labels: Vec<bool> = (0..CASES).map(|case| case / 2 % 2 == 0).collect();
    for result in pooled(&cases, &labels, Method::Perturb).unwrap() {
        assert!(result.map.flat && result.threshold.is_none() && result.mask.iter().all(|inside| !inside));
    }
}

#[test]
fn what_cannot_be_pooled_is_named() {
    let mut cases = explained();
    let labels: Vec<bool> = (0..CASES).map(|case| case.is_multiple_of(2)).collect();
    let error = |cases: &[(Study, Explanation)], labels: &[bool], from| {
        pooled(cases, labels, from).map(|_| ()).unwrap_err().to_string()
    };
    let said = error(&cases, &labels[1..], Method::Perturb);
    assert!(said.contains("one for each of 12 cases") && said.contains("11"), "{said}");
    let said = error(&cases, &[true; CASES], Method::Perturb);
    assert!(said.contains("both classes"), "{said}");
    let said = error(&cases[..1], &labels[..1], Method::Perturb);
    assert!(said.contains("2 patients"), "{said}");
    let said = error(&cases, &labels, Method::Diffused);
    assert!(said.contains("computed (perturb)") && said.contains("diffused"), "{said}");
    cases[3].1.target.output = 1;
    let said = error(&cases, &labels, Method::Perturb);
    assert!(said.contains("output 0 of every case"), "{said}");
}

/// Three patients are too few for any evidence: sign flipping leaves nothing. That it is kept where there is some is tested
/// above.
#[test]
fn evidence_for_the_labels_is_pooled_over_a_cohort() {
    let cases = Cases::new();
    let cohort = cases.untrained.text("cohort");
    let of_cohort =
        |more: &[&str]| cases.explain(&["--cohort", &cohort], &[&["--fill", "blank"], more].concat());
    let explained = || succeed(of_cohort(&["--method", "perturb,pooled-label,pooled"]));
    let output = explained();
    assert_eq!(
        printed(&output)["pooled"],
        serde_json::json!({ "methods": ["pooled-label", "pooled"], "from": "perturb", "cases": 3 })
    );
    assert!(stderr(&output).contains("label 1 (HGG) of the cohort is taken for"), "{}", stderr(&output));
    let few = "of 3 patients no evidence can be beyond chance; that takes 5 at least";
    assert!(stderr(&output).contains(few), "{}", stderr(&output));
    for id in cases.ids() {
        let folder = cases.untrained.path("out").join(id);
        let said = format!("case {id}: pooled-label: no region has evidence");
        assert!(stderr(&output).contains(&said), "{}", stderr(&output));
        let document = document(&folder);
        assert_eq!(document["methods"]["pooled-label"]["flat"], true);
        assert_eq!(document["regions"][0]["relevance"]["pooled-label"], 0.0);
        let map = nifti::read(&folder.join("pooled-label.nii.gz")).unwrap();
        assert!(map.voxels.iter().all(|&value| value == 0.0));
        let page = page_data(&fs::read_to_string(folder.join("index.html")).unwrap());
        let shown: Vec<&str> =
            page["overlays"].as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect();
        assert_eq!(shown[1..], ["Pooled relevance", "Pooled relevance for the label"]);
    }
    let written = files(&cases.untrained.path("out"));
    assert_eq!(printed(&explained())["skipped"], serde_json::json!(cases.ids()));
    assert!(files(&cases.untrained.path("out")) == written, "files changed");

    let methods = ["--method", "perturb,pooled-label"];
    refuse(cases.explain(&cases.paths(), &methods), &["--method pooled-label", "--cohort"]);
    refuse(of_cohort(&["--method", "pooled-label"]), &["--method pooled-label", "diffused,pooled-label"]);
    // A manifest: with a case without a class, with one class, and with cases of the training split.
    let manifest = cases.untrained.path("list.csv");
    let with = |rows: [&str; 3]| {
        let files = |case: &PathBuf, id: &str| {
            ["t1", "t1ce", "t2", "flair"]
                .map(|name| format!("{}/{id}_{name}.nii.gz", case.display()))
                .join(",")
        };
        let rows = cases.cases.iter().zip(cases.ids()).zip(rows);
        let rows: String =
            rows.map(|((case, id), row)| format!("{id},{row},{}\n", files(case, id))).collect();
        fs::write(&manifest, format!("case,label,split,t1,t1ce,t2,flair\n{rows}")).unwrap();
        cases.explain(&["--cohort", manifest.to_str().unwrap()], &methods)
    };
    refuse(with(["1,", ",", "0,"]), &["--method pooled-label", "1 without", cases.ids()[1], "no label"]);
    refuse(with(["1,", "1,", "1,"]), &["3 positive", "0 negative"]);
    let said = stderr(&succeed(with(["1,train", "1,test", "0,test"])));
    assert!(said.contains("1 cases are of the training split"), "{said}");
}
