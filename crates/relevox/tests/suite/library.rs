//! The library without the program: any classifier is explained on a case, and its maps are on the scan's grid.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array3, ArrayView4, ArrayView5, s};
use relevox::perturb::FillKind;
use relevox::relevance::{Error as RelevanceError, RegionGraph, ScoreKind, Sign, relevance};
use relevox::slic3d::Supervoxels;
use relevox::volume::phantom::{PhantomConfig, write_cohort};
use relevox::volume::{CaseFiles, Preprocess, Study, nifti};
use relevox::{Error, ExplainOptions, FillSource, Method, Regions, SlicRegions, explain};

const SEQUENCES: [&str; 2] = ["t1", "flair"];

fn study() -> Study {
    let folder = tempfile::tempdir().unwrap();
    let config =
        PhantomConfig { cases: 2, shape: [16, 20, 16], spacing_mm: [8.0; 3], ..PhantomConfig::default() };
    write_cohort(&config.check().unwrap(), 1, folder.path(), |_| {}).unwrap();
    let case = std::fs::read_dir(folder.path().join("HGG")).unwrap().next().unwrap().unwrap().path();
    let sequences = SEQUENCES.map(str::to_owned).to_vec();
    let files = CaseFiles::in_folder(&case, &sequences).unwrap();
    let preprocess = Preprocess { sequences, crop: [12, 16, 12], ..Preprocess::default() };
    Study::load(&files, &preprocess.check().unwrap()).unwrap()
}

/// Two halves along z of the study's grid.
fn halves(study: &Study) -> Supervoxels {
    let [z, y, x] = study.frame.shape();
    let labels = Array3::from_shape_fn((z, y, x), |(at, ..)| u32::from(at >= z / 2));
    Supervoxels::from_labels(labels, None).unwrap()
}

/// Depends on the second channel of the upper half only.
fn upper_flair(batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, RelevanceError> {
    Ok(batch.outer_iter().map(|scan| scan.slice(s![1, 6.., .., ..]).sum() / 1000.0).collect())
}

#[test]
fn a_closure_is_explained_and_its_map_is_on_the_scan_s_grid() {
    let study = study();
    let count = AtomicUsize::new(0);
    let options = ExplainOptions {
        regions: Regions::Given(halves(&study)),
        by_sequence: true,
        progress: &|done| {
            count.fetch_add(done, Ordering::Relaxed);
            ControlFlow::Continue(())
        },
        ..ExplainOptions::default()
    };
    let explanation = explain(&upper_flair, &study, &options).unwrap();
    assert_eq!(count.into_inner(), 2 * 3, "regions reported, at once and by sequence");
    let perturbed = explanation.result(Method::Perturb).unwrap();
    assert_eq!(perturbed.relevance, [0.0, 100.0]);
    assert_eq!(explanation.scores.as_ref().unwrap().relevance(), perturbed.relevance);
    let expected = study.image.slice(s![1, 6.., .., ..]).sum() / 1000.0;
    assert!((explanation.logit() - f64::from(expected)).abs() < 1e-5);
    let [t1, flair] = &explanation.by_sequence[..] else { panic!("two sequences") };
    assert_eq!((t1.0.as_str(), flair.0.as_str()), ("t1", "flair"));
    assert_eq!((t1.1.relevance(), flair.1.relevance()), (vec![0.0, 0.0], vec![0.0, 100.0]));

    let out = tempfile::tempdir().unwrap();
    explanation.write(&out.path().join("new/folder")).unwrap();
    let map = nifti::read(&out.path().join("new/folder/perturb-flair.nii.gz")).unwrap();
    assert!(map.geometry.same_grid(study.frame.scan()));
    assert_eq!(map.voxels, explanation.scan_map(perturbed).unwrap().voxels, "flair carries all of it");
    let table = std::fs::read_to_string(out.path().join("new/folder/perturb.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 2);
}

#[test]
fn supervoxels_of_a_sequence_are_computed() {
    let study = study();
    let regions =
        Regions::Slic(SlicRegions { sequence: "flair".to_owned(), count: 12, ..SlicRegions::default() });
    let options =
        ExplainOptions { regions, fill: FillSource::Constant(FillKind::Mean), ..ExplainOptions::default() };
    let explanation = explain(&upper_flair, &study, &options).unwrap();
    assert_eq!(explanation.scores.as_ref().unwrap().rows.len(), explanation.regions.len());
    assert!(explanation.regions.len() > 1 && !explanation.results[0].map.flat);
}

/// The oracle: the scores of the same explanation, diffused by the crate `relevance`.
#[test]
fn diffused_relevance_is_of_magnitudes_and_its_values_keep_their_sign() {
    // Evidence for the target above, and against it below.
    let opposed = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, RelevanceError> {
        let half = |scan: &ArrayView4<'_, f32>, upper| match upper {
            true => scan.slice(s![1, 6.., .., ..]).sum(),
            false => scan.slice(s![1, ..6, .., ..]).sum(),
        };
        Ok(batch.outer_iter().map(|scan| (half(&scan, true) - half(&scan, false)) / 1000.0).collect())
    };
    let study = study();
    let regions =
        Regions::Slic(SlicRegions { sequence: "flair".to_owned(), count: 30, ..SlicRegions::default() });
    let options = ExplainOptions { regions, ..ExplainOptions::default() };
    let explanation = explain(&opposed, &study, &options).unwrap();
    let scores = explanation.scores.as_ref().unwrap().values(ScoreKind::DeltaLogit);
    assert!(scores.iter().any(|&score| score > 0.0) && scores.iter().any(|&score| score < 0.0));
    let settings = options.settings.diffusion.check().unwrap();
    let graph = RegionGraph::new(study.image.view(), &explanation.regions, &settings).unwrap();
    let expected = graph.diffuse(&scores, &settings).unwrap();
    let found = explanation.result(Method::Diffused).unwrap();
    assert_eq!(found.attribution.values, expected.values);
    assert_eq!(found.relevance, expected.relevance(Sign::Magnitude));
    assert_ne!(found.relevance, relevance(&expected.values, Sign::Magnitude), "evidence has cancelled");
}

#[test]
fn what_does_not_fit_the_study_is_rejected() {
    let study = study();
    let with = |regions| ExplainOptions { regions, ..ExplainOptions::default() };
    let absent =
        Regions::Slic(SlicRegions { sequence: "t2".to_owned(), count: 12, ..SlicRegions::default() });
    let error = explain(&upper_flair, &study, &with(absent)).unwrap_err();
    assert!(error.to_string().contains("t1, flair"), "{error}");
    let elsewhere = Supervoxels::from_labels(Array3::zeros((3, 3, 3)), None).unwrap();
    let error = explain(&upper_flair, &study, &with(Regions::Given(elsewhere))).unwrap_err();
    assert!(matches!(error, Error::InvalidSetting { setting: "labels", .. }), "{error}");
    let stop = |_| ControlFlow::Break(());
    let options = ExplainOptions { progress: &stop, ..with(Regions::Given(halves(&study))) };
    let error = explain(&upper_flair, &study, &options).unwrap_err();
    assert!(matches!(error, Error::Relevance(RelevanceError::Cancelled)), "{error}");
    let options = ExplainOptions {
        fill: FillSource::Constant(FillKind::Learned),
        ..with(Regions::Given(halves(&study)))
    };
    assert!(matches!(explain(&upper_flair, &study, &options), Err(Error::Fill(_))));
}
