//! `explain` of cases: several in one call, resumed, and the expert's outline.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::untrained::Untrained;
use crate::harness::{cohort, files, refuse, relevox, stderr, succeed};
use relevox::eval::dice;
use relevox::perturb::FillKind;
use relevox::relevance::{PooledCase, Pooling, region_features, silent};
use relevox::volume::{Orientation, Study, Turn, Volume, nifti};
use relevox::{
    ExplainOptions, Explanation, FillSource, MaskRule, Method, Model, PoolMember, Regions, SlicRegions,
    explain, models, pool,
};
use serde_json::Value;

/// A cohort, and an untrained network of its four sequences with a contract.
pub(crate) struct Cases {
    pub(crate) untrained: Untrained,
    pub(crate) cases: Vec<PathBuf>,
}

impl Cases {
    pub(crate) fn new() -> Self {
        let untrained = Untrained::of_channels(4);
        cohort(&untrained.path("cohort"), 3);
        let contract = "channels = [\"t1\", \"t1ce\", \"t2\", \"flair\"]\norientation = \"LPS\"\naxes = \"zyx\"\n\
            intensity = \"minmax\"\ncrop = [16, 20, 16]\n[output]\nkind = \"logit\"\n";
        fs::write(untrained.path("model.input.toml"), contract).unwrap();
        let mut cases: Vec<PathBuf> = ["HGG", "LGG"]
            .iter()
            .flat_map(|grade| fs::read_dir(untrained.path("cohort").join(grade)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        cases.sort_by_key(|case| case.file_name().unwrap().to_owned());
        Self { untrained, cases }
    }

    pub(crate) fn explain(&self, scans: &[&str], more: &[&str]) -> std::process::Command {
        let (model, out) = (self.untrained.text("model.safetensors"), self.untrained.text("out"));
        let to = ["explain", "--model", &model, "--out", &out, "--regions", "6"];
        relevox(&[&to[..], scans, more].concat())
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.cases.iter().map(|case| case.file_name().unwrap().to_str().unwrap()).collect()
    }

    pub(crate) fn paths(&self) -> Vec<&str> {
        self.cases.iter().map(|case| case.to_str().unwrap()).collect()
    }
}

/// The data of a page.
pub(crate) fn page_data(page: &str) -> Value {
    let json = page
        .split("id=\"data\" type=\"application/json\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    serde_json::from_str(json).unwrap()
}

pub(crate) fn printed(output: &std::process::Output) -> Value {
    serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap()
}

#[test]
fn several_cases_have_the_results_of_each_and_are_resumed() {
    let cases = Cases::new();
    let first = printed(&succeed(cases.explain(&cases.paths()[..2], &[])));
    assert_eq!(
        (&first["explained"], &first["skipped"]),
        (&serde_json::json!(cases.ids()[..2]), &serde_json::json!([]))
    );
    let several = files(&cases.untrained.path("out"));
    // The oracle: the case on its own.
    succeed(relevox(&[
        "explain",
        cases.paths()[1],
        "--model",
        &cases.untrained.text("model.safetensors"),
        "--out",
        &cases.untrained.text("single"),
        "--regions",
        "6",
    ]));
    for (name, bytes) in files(&cases.untrained.path("single")) {
        if name.extension().is_some_and(|extension| extension != "json") {
            assert_eq!(several[&PathBuf::from(cases.ids()[1]).join(&name)], bytes, "{}", name.display());
        }
    }
    let cohort = cases.untrained.text("cohort");
    let again = printed(&succeed(cases.explain(&["--cohort", &cohort], &[])));
    assert_eq!(again["skipped"], serde_json::json!(cases.ids()[..2]));
    assert_eq!(again["explained"], serde_json::json!(cases.ids()[2..]));
    // Other options are another request.
    let other = printed(&succeed(cases.explain(&["--cohort", &cohort], &["--method", "perturb"])));
    assert_eq!(other["explained"], serde_json::json!(cases.ids()));
}

/// The oracle: the library's own results, pooled case by case.
#[test]
fn relevance_is_pooled_over_the_cases() {
    let cases = Cases::new();
    let cohort = cases.untrained.text("cohort");
    let explained = || {
        let more = ["--method", "perturb,pooled", "--fill", "blank", "--seed", "3"];
        succeed(cases.explain(&["--cohort", &cohort], &more))
    };
    let output = explained();
    assert_eq!(
        printed(&output)["pooled"],
        serde_json::json!({ "methods": ["pooled"], "from": "perturb", "cases": 3 })
    );
    let model =
        Model::load(&[cases.untrained.path("model.safetensors")], &models::device("cpu").unwrap()).unwrap();
    let mut pool = Vec::new();
    for case in &cases.cases {
        let study = model.read_case(case).unwrap();
        let regions = Regions::Slic(SlicRegions { count: 6, masked: Some(true), ..SlicRegions::default() });
        let options = ExplainOptions {
            regions,
            methods: vec![Method::Perturb],
            fill: FillSource::Constant(FillKind::Blank),
            ..ExplainOptions::default()
        };
        let found = explain(&model, &study, &options).unwrap();
        pool.push(PooledCase {
            group: study.case.clone(),
            features: region_features(study.image.view(), study.brain.view(), &found.regions).unwrap(),
            relevance: found.results[0].relevance.clone(),
            weights: found.regions.voxel_counts().iter().map(|&voxels| voxels as f64).collect(),
        });
    }
    let pooling = Pooling { seed: 3, ..Pooling::default() }.check().unwrap();
    let expected = pooling.cross_fitted(&pool, &silent).unwrap();
    let mut ranked = 0;
    for (id, expected) in cases.ids().iter().zip(expected) {
        let folder = cases.untrained.path("out").join(id);
        let mut table = csv::Reader::from_path(folder.join("pooled.csv")).unwrap();
        let values: Vec<f64> = table.records().map(|row| row.unwrap()[2].parse().unwrap()).collect();
        assert_eq!(values.len(), expected.len());
        assert!(values.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{values:?} {expected:?}");
        let document: Value =
            serde_json::from_slice(&fs::read(folder.join("explanation.json")).unwrap()).unwrap();
        assert!(document["methods"]["pooled"]["mask_dice"].is_f64());
        assert!(document["regions"][0]["relevance"]["pooled"].is_f64());
        assert!(
            nifti::read(&folder.join("pooled.nii.gz")).is_ok() && folder.join("pooled-mask.nii.gz").exists()
        );
        let page = fs::read_to_string(folder.join("index.html")).unwrap();
        assert_eq!(page.matches("<option value=\"1\">Pooled relevance</option>").count(), 1);
        let shown = &page_data(&page)["overlays"][1];
        assert_eq!(shown["label"], "Pooled relevance");
        let high = shown["values"].as_array().unwrap().iter().filter_map(Value::as_f64).fold(0.0, f64::max);
        let said = format!("case {id}: pooled: all regions are predicted to be equally relevant");
        match document["methods"]["pooled"]["threshold"].as_f64() {
            Some(threshold) => {
                assert!(shown["threshold"].as_f64() == Some(threshold) && high == 100.0, "{shown}");
                assert!(!stderr(&output).contains(&said));
                ranked += 1;
            }
            // Few regions are one leaf.
            None => assert!(shown["rule"].is_null() && high == 0.0 && stderr(&output).contains(&said)),
        }
    }
    assert!(ranked > 0, "no case has a pooled map");
    // The cases are skipped, their relevance is read, and the result is the same.
    let written = files(&cases.untrained.path("out"));
    assert_eq!(printed(&explained())["skipped"], serde_json::json!(cases.ids()));
    assert!(files(&cases.untrained.path("out")) == written, "files changed");
    refuse(
        cases.explain(&cases.paths()[..1], &["--method", "diffused,pooled"]),
        &["--method pooled", "several cases"],
    );
    refuse(
        cases.explain(&cases.paths()[..2], &["--method", "pooled"]),
        &["--method pooled", "diffused,pooled"],
    );
    refuse(
        cases.explain(&cases.paths()[..2], &["--method", "diffused,averaged-pooled"]),
        &["--method averaged-pooled", "averaged,averaged-pooled"],
    );
}

/// The oracle: the library's pool of the same explanations, whose own oracle is in the tests of the Python package.
#[test]
fn relevance_on_each_partition_is_pooled() {
    let cases = Cases::new();
    let cohort = cases.untrained.text("cohort");
    let out = cases.untrained.path("out");
    let explained = || {
        let methods = ["--method", "averaged,diffused,averaged-pooled,pooled", "--fill", "blank"];
        let more = [&methods[..], &["--partitions", "t2:9,flair:12"]].concat();
        succeed(cases.explain(&["--cohort", &cohort], &more))
    };
    let summary = serde_json::json!({
        "methods": ["averaged-pooled", "pooled"], "from": "diffused", "cases": 3
    });
    assert_eq!(printed(&explained())["pooled"], summary);
    let model =
        Model::load(&[cases.untrained.path("model.safetensors")], &models::device("cpu").unwrap()).unwrap();
    let regions = |sequence: &str, count| SlicRegions {
        sequence: sequence.to_owned(),
        count,
        masked: Some(true),
        ..SlicRegions::default()
    };
    let options = ExplainOptions {
        regions: Regions::Slic(regions("t2", 6)),
        partitions: [regions("t2", 9), regions("flair", 12)].map(Regions::Slic).into(),
        methods: vec![Method::Averaged, Method::Diffused],
        fill: FillSource::Constant(FillKind::Blank),
        ..ExplainOptions::default()
    };
    let found: Vec<(Study, Explanation)> = cases
        .cases
        .iter()
        .map(|case| {
            let study = model.read_case(case).unwrap();
            let explanation = explain(&model, &study, &options).unwrap();
            (study, explanation)
        })
        .collect();
    let pooled_from = |from| {
        let members = found.iter().map(|(study, explanation)| PoolMember {
            explanation,
            study,
            from,
            group: &study.case,
        });
        let members: Vec<PoolMember<'_>> = members.collect();
        pool(&members, &Pooling::default().check().unwrap(), &MaskRule::default(), &silent).unwrap()
    };
    let (averaged, pooled) = (pooled_from(Method::Averaged), pooled_from(Method::Diffused));
    for ((id, (_, explanation)), (averaged, pooled)) in
        cases.ids().iter().zip(&found).zip(averaged.iter().zip(&pooled))
    {
        let folder = out.join(id);
        for (name, expected) in [("averaged-pooled", averaged), ("pooled", pooled)] {
            let map = nifti::read(&folder.join(format!("{name}.nii.gz"))).unwrap().voxels;
            let expected = explanation.scan_map(expected).unwrap().voxels;
            let apart = map.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-4, "{id}: {name}: {apart}");
        }
        assert_eq!(explanation.partitions.len(), 3);
        for (number, partition) in explanation.partitions.iter().enumerate() {
            let of = format!("averaged-{}", number + 1);
            let table = fs::read_to_string(folder.join(format!("{of}.csv"))).unwrap();
            assert_eq!(table.lines().count(), partition.regions.len() + 1);
            let ids = folder.join(format!("{of}-regions.nii.gz"));
            assert_eq!(ids.exists(), number > 0);
            if number > 0 {
                let ids = nifti::read(&ids).unwrap().voxels;
                let largest = ids.iter().copied().fold(0.0, f32::max);
                assert_eq!(Some(largest as u32), partition.regions.ids().iter().copied().max());
            }
        }
        let document: Value =
            serde_json::from_slice(&fs::read(folder.join("explanation.json")).unwrap()).unwrap();
        assert!(document["methods"]["averaged-pooled"]["mask_dice"].is_f64());
        assert!(document["regions"][0]["relevance"]["averaged-pooled"].is_f64());
    }
    let written = files(&out);
    assert_eq!(printed(&explained())["skipped"], serde_json::json!(cases.ids()));
    assert!(files(&out) == written, "files changed");
    // No partition of an earlier call remains.
    succeed(cases.explain(&["--cohort", &cohort], &["--method", "perturb"]));
    for id in cases.ids() {
        assert!(!files(&out.join(id)).keys().any(|name| name.to_string_lossy().contains("averaged")), "{id}");
    }
}

#[test]
fn bids_derivatives_are_resumed() {
    let cases = Cases::new();
    // A BIDS data set: the first two cases, renamed.
    let mut folders = Vec::new();
    for (at, case) in cases.cases.iter().take(2).enumerate() {
        let subject = format!("sub-0{}", at + 1);
        let folder = cases.untrained.path(&format!("bids/{subject}/anat"));
        fs::create_dir_all(&folder).unwrap();
        let names = [
            ("t1", "T1w"),
            ("t1ce", "ce-gd_T1w"),
            ("t2", "T2w"),
            ("flair", "FLAIR"),
            ("seg", "label-tumor_mask"),
        ];
        for (from, to) in names {
            let from = case.join(format!("{}_{from}.nii.gz", cases.ids()[at]));
            fs::copy(from, folder.join(format!("{subject}_{to}.nii.gz"))).unwrap();
        }
        folders.push(cases.untrained.text(&format!("bids/{subject}")));
    }
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let ids = serde_json::json!(["sub-01", "sub-02"]);
    let none = serde_json::json!([]);
    let run = || printed(&succeed(cases.explain(&folders, &["--bids-derivatives"])));
    let first = run();
    assert_eq!((&first["explained"], &first["skipped"]), (&ids, &none));
    let out = cases.untrained.path("out");
    let sidecar = out.join("sub-01/sub-01_desc-diffused_map.json");
    let table = fs::read_to_string(out.join("sub-01/sub-01_desc-diffused_scores.tsv")).unwrap();
    assert!(table.starts_with("region\tvoxels\t") && !table.contains(','), "{table}");
    let regions = nifti::read_labels(&out.join("sub-01/sub-01_desc-regions_dseg.nii.gz")).unwrap().voxels;
    let written: std::collections::BTreeSet<u32> = regions.iter().copied().filter(|&id| id > 0).collect();
    assert_eq!(written.len(), table.lines().count() - 1);
    let described: Value = serde_json::from_slice(&fs::read(&sidecar).unwrap()).unwrap();
    assert!(described["Result"]["methods"]["diffused"]["mask_dice"].is_f64(), "{described}");
    let dataset: Value =
        serde_json::from_slice(&fs::read(out.join("dataset_description.json")).unwrap()).unwrap();
    assert_eq!(dataset["DatasetType"], "derivative");
    let written = files(&out);
    let again = run();
    assert_eq!((&again["explained"], &again["skipped"]), (&none, &ids));
    assert_eq!(files(&out), written);
    // Pooled relevance reads the tables of both.
    let pooled = |out: &Path| {
        let table = out.join("sub-02/sub-02_desc-pooled_scores.tsv");
        let described: Value =
            serde_json::from_slice(&fs::read(out.join("sub-02/sub-02_desc-pooled_map.json")).unwrap())
                .unwrap();
        assert!(described["Result"]["methods"]["pooled"]["mask_voxels"].is_u64(), "{described}");
        fs::read(table).unwrap()
    };
    let pool = || {
        printed(&succeed(
            cases.explain(&folders, &["--bids-derivatives", "--method", "diffused,perturb,pooled"]),
        ))
    };
    assert_eq!(pool()["explained"], ids);
    let first = pooled(&out);
    assert_eq!(pool()["skipped"], ids);
    assert_eq!(pooled(&out), first);
    assert_eq!(run()["explained"], ids);
    // Interrupted before the last file of a case.
    fs::remove_file(out.join("sub-02/sub-02_desc-perturb_map.json")).unwrap();
    assert_eq!(run()["explained"], serde_json::json!(["sub-02"]));
    // Changed since.
    fs::copy(
        cases.untrained.path("bids/sub-02/anat/sub-02_label-tumor_mask.nii.gz"),
        cases.untrained.path("bids/sub-01/anat/sub-01_label-tumor_mask.nii.gz"),
    )
    .unwrap();
    assert_eq!(run()["explained"], serde_json::json!(["sub-01"]));
}

#[test]
fn a_folder_of_scans_without_classes_and_outlines_is_explained() {
    let cases = Cases::new();
    let plain = cases.untrained.path("plain");
    for (case, id) in cases.cases.iter().zip(cases.ids()) {
        fs::create_dir_all(plain.join(id)).unwrap();
        for name in ["t1", "t1ce", "t2", "flair"].map(|name| format!("{id}_{name}.nii.gz")) {
            fs::copy(case.join(&name), plain.join(id).join(&name)).unwrap();
        }
    }
    let found =
        printed(&succeed(cases.explain(
            &["--cohort", plain.to_str().unwrap()],
            &["--method", "perturb,pooled", "--no-pictures"],
        )));
    assert_eq!(found["explained"], serde_json::json!(cases.ids()));
    assert_eq!(found["pooled"]["cases"], 3);
}

#[test]
fn a_case_that_cannot_be_read_does_not_stop_the_others() {
    let cases = Cases::new();
    let scan = cases.cases[0].join(format!("{}_t2.nii.gz", cases.ids()[0]));
    fs::write(&scan, b"not a scan").unwrap();
    let output = cases.explain(&cases.paths(), &[]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().last().unwrap().contains("1 of 3 cases failed"), "{said}");
    let result = printed(&output);
    assert_eq!(result["explained"], serde_json::json!(cases.ids()[1..]));
    assert_eq!(result["failed"][0]["case"], cases.ids()[0]);
    refuse(cases.explain(&[cases.paths()[1], cases.paths()[1]], &[]), &["different names", cases.ids()[1]]);

    // So does one that lacks a file, or is not there.
    fs::remove_file(&scan).unwrap();
    let output = cases.explain(&[cases.paths()[0], "absent", cases.paths()[1]], &[]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().last().unwrap().contains("2 of 3 cases failed"), "{said}");
    assert!(said.contains("t2") && said.contains("absent"), "{said}");
    let cohort = cases.untrained.text("cohort");
    let output = cases.explain(&["--cohort", &cohort], &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(printed(&output)["failed"][0]["case"], cases.ids()[0]);
    refuse(cases.explain(&["0.5"], &[]), &["--sets=0.5"]);
}

pub(crate) fn document(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("explanation.json")).unwrap()).unwrap()
}

/// Returns the files without those that mention the outline.
fn maps_and_tables(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let of =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gz" || extension == "csv");
    files(folder).into_iter().filter(|(path, _)| of(path)).collect()
}

#[test]
fn masks_are_compared_with_the_outline_and_nothing_depends_on_it() {
    let cases = Cases::new();
    let out = cases.untrained.path("out");
    let case = cases.paths()[0];
    let output = succeed(cases.explain(&[case], &[]));
    assert!(stderr(&output).contains("_seg.nii.gz, "), "{}", stderr(&output));
    assert!(stderr(&output).contains("no relevance depends on it"), "{}", stderr(&output));
    let with = document(&out);
    let segmentation = cases.cases[0].join(format!("{}_seg.nii.gz", cases.ids()[0]));
    assert_eq!(with["outline"]["file"], segmentation.to_str().unwrap());
    assert_eq!(with["outline"]["sha256"].as_str().unwrap().len(), 64);
    let truth = nifti::read_labels(&segmentation).unwrap();
    let expert = truth.voxels.mapv(|label| label > 0);
    assert!(expert.iter().any(|inside| *inside));
    for method in ["diffused", "perturb"] {
        let mask = nifti::read_labels(&out.join(format!("{method}-mask.nii.gz"))).unwrap();
        let expected = dice(mask.voxels.mapv(|label| label > 0).view(), expert.view()).unwrap();
        let stated = with["methods"][method]["mask_dice"].as_f64().unwrap();
        assert!((stated - expected).abs() < 1e-12, "{method}: {stated}, expected {expected}");
    }
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    let voxels = expert.iter().filter(|inside| **inside).count();
    assert!(page.contains("id=\"outline-toggle\"") && page.contains(&format!("\"voxels\":{voxels}}}")));
    let maps = maps_and_tables(&out);

    succeed(cases.explain(&[case], &["--no-outline"]));
    let without = document(&out);
    assert!(without["outline"].is_null() && without["methods"]["perturb"].get("mask_dice").is_none());
    assert!(!fs::read_to_string(out.join("index.html")).unwrap().contains("id=\"outline-toggle\""));
    assert_eq!(maps_and_tables(&out), maps, "maps depend on the outline");

    // The same outline in another orientation, by name.
    let turn = Turn::of(&truth.geometry, "RAS".parse::<Orientation>().unwrap());
    let turned = Volume {
        voxels: turn.apply(truth.voxels.view()).as_standard_layout().into_owned(),
        geometry: turn.geometry(&truth.geometry),
    };
    let named = cases.untrained.text("drawn.nii.gz");
    nifti::write_labels(Path::new(&named), &turned).unwrap();
    fs::remove_file(&segmentation).unwrap();
    succeed(cases.explain(&[case], &["--outline", &named]));
    assert_eq!(document(&out)["methods"], with["methods"]);
    assert_eq!(maps_and_tables(&out), maps);
}

#[test]
fn an_outline_that_cannot_be_used_is_said() {
    let cases = Cases::new();
    let (case, id) = (cases.paths()[0], cases.ids()[0]);
    let other = Volume {
        voxels: ndarray::Array3::<u32>::ones((3, 4, 5)),
        geometry: relevox::volume::Geometry::axis_aligned([3, 4, 5], [8.0; 3]),
    };
    let segmentation = cases.cases[0].join(format!("{id}_seg.nii.gz"));
    nifti::write_labels(&segmentation, &other).unwrap();
    let said = stderr(&succeed(cases.explain(&[case], &[])));
    assert!(said.contains("warning: ") && said.contains("expected the grid of the scan"), "{said}");
    assert!(document(&cases.untrained.path("out"))["outline"].is_null());
    let named = segmentation.to_str().unwrap();
    let resample = "SimpleITK.Resample(outline, scan, interpolator=SimpleITK.sitkNearestNeighbor)";
    let parts = ["--outline", "16 x 20 x 16", "5 x 4 x 3", resample];
    refuse(cases.explain(&[case], &["--outline", named]), &parts);
    refuse(cases.explain(&[case], &["--outline", "absent.nii.gz"]), &["--outline", "absent.nii.gz"]);
    refuse(cases.explain(&cases.paths(), &["--outline", named]), &["--outline", "one case", "3"]);
    let scan = nifti::read(&cases.cases[0].join(format!("{id}_t2.nii.gz"))).unwrap();
    // Where its voxels lie is not known, whatever their number.
    let (shape, spacing) = (scan.geometry.shape, scan.geometry.spacing_mm);
    let geometry = relevox::volume::Geometry::unoriented(shape, spacing);
    nifti::write_labels(
        &segmentation,
        &Volume { voxels: scan.voxels.mapv(|value| u32::from(value > 0.0)), geometry },
    )
    .unwrap();
    let said = stderr(&succeed(cases.explain(&[case], &[])));
    assert!(said.contains("warning: ") && said.contains("found both codes 0"), "{said}");
    let (model, out) = (cases.untrained.text("model.safetensors"), cases.untrained.text("out"));
    let options =
        ["explain", case, "--model", &model, "--out", &out, "--labels", segmentation.to_str().unwrap()];
    refuse(relevox(&options), &["_seg.nii.gz", "found both codes 0"]);
    let empty = Volume { voxels: scan.voxels.mapv(|_| 0), geometry: scan.geometry };
    nifti::write_labels(&segmentation, &empty).unwrap();
    let said = stderr(&succeed(cases.explain(&[case], &[])));
    assert!(said.contains("warning: ") && said.contains("no label above 0"), "{said}");
    assert!(document(&cases.untrained.path("out"))["outline"].is_null());
    fs::rename(&segmentation, cases.cases[0].join(format!("{id}_mask.nii.gz"))).unwrap();
    let said = stderr(&succeed(cases.explain(&[case], &[])));
    assert!(said.contains("_mask.nii.gz is not named") && said.contains("--outline"), "{said}");
}
