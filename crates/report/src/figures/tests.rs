//! Every figure has its size, is not blank, and has the same bytes each time.

use ndarray::{Array3, Zip};
use relevox_eval::roc_curve;
use relevox_volume::Geometry;

use super::*;
use crate::tables::{CeilingShare, Method, Number, sample};

const SHAPE: [usize; 3] = [8, 30, 24];

/// A bright sphere in a grey head, partitioned into boxes.
struct Scene {
    scan: Array3<f32>,
    labels: Array3<u32>,
    truth: Array3<bool>,
    relevance: Array3<f32>,
    perturbed: Array3<f32>,
    view: View,
}

fn scene() -> Scene {
    let far = |z: usize, y: usize, x: usize, c: [f32; 3]| {
        ((z as f32 - c[0]).powi(2) + (y as f32 - c[1]).powi(2) + (x as f32 - c[2]).powi(2)).sqrt()
    };
    let truth = Array3::from_shape_fn(SHAPE, |(z, y, x)| far(z, y, x, [4.0, 12.0, 15.0]) < 4.0);
    let scan = Array3::from_shape_fn(SHAPE, |(z, y, x)| match far(z, y, x, [4.0, 15.0, 12.0]) {
        distance if distance > 11.0 => 0.0,
        distance => 0.3 + 0.02 * distance + if truth[(z, y, x)] { 0.4 } else { 0.0 },
    });
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| (z / 4 * 30 + y / 6 * 4 + x / 6) as u32);
    let relevance = labels.mapv(|label| if label == 40 { 100.0 } else { label as f32 });
    let mut perturbed = scan.clone();
    Zip::from(&mut perturbed).and(&labels).for_each(|value, label| {
        if *label == 40 {
            *value = 0.0;
        }
    });
    let view = View::axial(&Geometry::axis_aligned(SHAPE, [2.0, 1.0, 1.5]));
    Scene { scan, labels, truth, relevance, perturbed, view }
}

fn history() -> Vec<HistoryPoint> {
    (1..=12)
        .map(|epoch| HistoryPoint {
            epoch,
            train_loss: 0.75 / epoch as f64,
            validation_loss: 0.75 / epoch as f64 + if epoch == 6 { 0.5 } else { 0.1 },
            validation_accuracy: 0.5 + epoch as f64 / 32.0,
            validation_auc: (epoch != 3).then_some(0.5 + epoch as f64 / 28.0),
        })
        .collect()
}

fn draw_pipeline(scene: &Scene) -> Vec<u8> {
    let pipeline = Pipeline {
        case: "Brats18_TCIA01_201_1",
        sequence: "t2",
        view: scene.view,
        slice: widest_slice(scene.truth.view()),
        scan: scene.scan.view(),
        labels: scene.labels.view(),
        regions: 60,
        perturbed_id: 40,
        perturbed: scene.perturbed.view(),
        fill: Method::Blank,
        p_original: 0.9375,
        p_perturbed: 0.4375,
        relevance: scene.relevance.view(),
        truth: Some(scene.truth.view()),
    };
    pipeline.png().unwrap()
}

fn comparison_case<'a>(scene: &'a Scene, truth: bool, case: &'a str) -> ComparisonCase<'a> {
    ComparisonCase {
        case,
        about: "HGG, p = 0.94".to_owned(),
        view: scene.view,
        slice: 4,
        scans: vec![scene.scan.view(); 4],
        under: 2,
        truth: truth.then_some(scene.truth.view()),
        maps: vec![
            ComparisonMap {
                title: "Grad-CAM",
                map: scene.relevance.view(),
                by_region: false,
                dice: Some(0.25),
            },
            ComparisonMap { title: "Blank", map: scene.relevance.view(), by_region: true, dice: None },
        ],
    }
}

fn draw_side_by_side(scene: &Scene, truth: bool) -> Vec<u8> {
    let mut case = comparison_case(scene, truth, "one");
    let map =
        || ComparisonMap { title: "LIME", map: scene.relevance.view(), by_region: true, dice: Some(0.5) };
    case.maps.extend([map(), map(), map()]);
    case.side_by_side(5).unwrap()
}

fn draw_comparison(scene: &Scene, truth: bool) -> Vec<u8> {
    let sequences = ["t1", "t1ce", "t2", "flair"].map(str::to_owned);
    let case = |case| comparison_case(scene, truth, case);
    Comparison { sequences: &sequences, cases: vec![case("one"), case("two")] }.png().unwrap()
}

fn draw_epochs(scene: &Scene, correlation: &Number) -> Vec<u8> {
    let history = history();
    let focus: Vec<FocusPoint> =
        (1..=12).map(|epoch| FocusPoint { epoch, focus: (epoch > 2).then_some(0.25) }).collect();
    let maps =
        (1..=12).map(|epoch| EpochMap { epoch, map: scene.relevance.view(), flat: epoch < 3 }).collect();
    let epochs = Epochs {
        case: "a case",
        view: scene.view,
        slice: 4,
        scan: scene.scan.view(),
        truth: Some(scene.truth.view()),
        maps,
        history: &history,
        chosen: Some(9),
        focus: &focus,
        correlation,
    };
    epochs.png().unwrap()
}

fn draw_roc() -> Vec<u8> {
    let points = roc_curve(&[0.1, 0.4, 0.4, 0.8, 0.9], &[false, false, true, true, true]).unwrap();
    let auc = sample::summary().classifier.test_auc;
    Roc { points: &points, auc: &auc, positive: 3, negative: 2 }.png().unwrap()
}

/// Width, height and number of distinct colours of a PNG file.
fn inspect(bytes: &[u8]) -> (u32, u32, usize) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let colours: std::collections::BTreeSet<&[u8]> = pixels.chunks_exact(3).collect();
    (info.width, info.height, colours.len())
}

#[test]
fn figures_are_png_files_of_their_size_and_not_blank() {
    let scene = scene();
    let correlation = Number::none("fewer than three epochs", None);
    let summary = sample::summary();
    // Across the report: sharp on a display with two pixels for each of CSS's.
    let across = |width: u32, height: u32| {
        let scale = 2112.0 / width as f32;
        (2112, (height as f32 * scale).round() as u32)
    };
    let sizes = [
        (draw_pipeline(&scene), across(1692, 434)),
        (draw_comparison(&scene, true), across(70 + 7 * 222 + 118, 48 + 2 * 254 + 4)),
        (draw_comparison(&scene, false), across(70 + 7 * 222 + 118, 48 + 2 * 254 + 4)),
        (draw_side_by_side(&scene, true), across(70 + 5 * 214 + 4 * 24 + 124, 2 * (40 + 214 + 40))),
        (draw_epochs(&scene, &correlation), across(1600, 1043)),
        (draw_roc(), (760, 740)),
        (training(&history(), Some(9)).unwrap(), (1500, 560)),
        (growth("cases", [("seconds", &costs()), ("MiB", &[])]).unwrap(), (1500, 560)),
        (ceiling(&shares()).unwrap(), across(1400, 64 + 2 * 64 + 90)),
        (methods(&summary).unwrap(), across(1400, 64 + Method::ALL.len() as u32 * 92 + 90)),
    ];
    for (index, (bytes, size)) in sizes.iter().enumerate() {
        let (width, height, colours) = inspect(bytes);
        assert_eq!((width, height), *size, "figure {index}");
        assert!(colours > 50, "figure {index}: {colours} colours");
        assert!(bytes.len() < 1 << 20, "figure {index}: {} bytes", bytes.len());
    }
}

fn costs() -> [Growth; 1] {
    [Growth { name: "evaluate".to_owned(), points: vec![(250.0, 1.5), (500.0, 3.0)] }]
}

fn shares() -> [CeilingShare; 2] {
    let share = |method, oracle, mask| CeilingShare { method, cases: 3, oracle, mask };
    [share(Method::Diffused, 0.95, Some(0.8)), share(Method::GradCam, 0.15, None)]
}

#[test]
fn the_same_values_give_the_same_bytes() {
    let correlation = sample::summary().focus.correlation;
    let draw = || {
        let scene = scene();
        [draw_pipeline(&scene), draw_comparison(&scene, true), draw_epochs(&scene, &correlation), draw_roc()]
    };
    assert_eq!(draw(), draw());
}

/// Every part of a figure depends on its input.
#[test]
fn other_values_give_another_figure() {
    let before = scene();
    let mut after = scene();
    after.relevance.fill(0.0);
    assert_ne!(draw_pipeline(&before), draw_pipeline(&after));
    assert_ne!(draw_comparison(&before, true), draw_comparison(&after, true));
    assert_ne!(draw_comparison(&before, true), draw_comparison(&before, false));
    assert_ne!(draw_side_by_side(&before, true), draw_side_by_side(&after, true));
    assert_ne!(draw_side_by_side(&before, true), draw_side_by_side(&before, false));
    let mut after = scene();
    after.perturbed.fill(0.5);
    assert_ne!(draw_pipeline(&before), draw_pipeline(&after));
    assert_ne!(training(&history(), Some(9)).unwrap(), training(&history(), Some(8)).unwrap());
}

#[test]
fn figures_without_content_are_drawn() {
    let mut summary = sample::summary();
    summary.dice.clear();
    inspect(&methods(&summary).unwrap());
    inspect(&ceiling(&[]).unwrap());
    let mut other = shares();
    other[0].oracle = 1.2;
    assert_ne!(ceiling(&shares()).unwrap(), ceiling(&other).unwrap());
    inspect(&training(&[], None).unwrap());
    let auc = Number::none("one class", None);
    inspect(&Roc { points: &[], auc: &auc, positive: 0, negative: 3 }.png().unwrap());
    inspect(&Comparison { sequences: &[], cases: Vec::new() }.png().unwrap());
}
