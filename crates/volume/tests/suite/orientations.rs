//! A case gives the same input in whatever orientation its files are stored, and maps return to the stored grid.

use ndarray::Array3;
use proptest::prelude::*;
use relevox_volume::{
    CaseFiles, Frame, Geometry, Intensity, Orientation, PercentileOver, Preprocess, Spacing, Study,
    ValidPreprocess, Volume, ZScoreOver, nifti,
};

use crate::scans::{oblique, settings, write_case};

const SHAPE: [usize; 3] = [7, 8, 9];

/// The 48 orientations.
pub fn all_codes() -> Vec<String> {
    let axes = [["L", "R"], ["P", "A"], ["I", "S"]];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let signs = (0..8).map(|bits| [0, 1, 2].map(|axis| bits >> axis & 1));
    let code = |order: [usize; 3], signs: [usize; 3]| order.map(|axis| axes[axis][signs[axis]]).concat();
    signs.flat_map(|signs| orders.into_iter().map(move |order| code(order, signs))).collect()
}

/// Stores a volume in another orientation.
pub fn stored_as<T: Copy + Default>(volume: &Volume<T>, codes: &str) -> Volume<T> {
    let world_axis = |code: char| ["LR", "PA", "IS"].iter().position(|pair| pair.contains(code)).unwrap();
    let from: Vec<usize> = volume.geometry.axis_codes().to_string().chars().map(world_axis).collect();
    // The crop that takes all voxels and no padding; codes are in the order x, y, z.
    let sizes: Vec<usize> = codes
        .chars()
        .rev()
        .map(|code| {
            volume.geometry.shape[2 - from.iter().position(|&axis| axis == world_axis(code)).unwrap()]
        })
        .collect();
    let crop = sizes.try_into().unwrap();
    let preprocess =
        Preprocess { orientation: codes.parse().unwrap(), ..settings(1, crop, 1) }.check().unwrap();
    let frame = Frame::centred(volume.geometry.clone(), &preprocess).unwrap();
    Volume { voxels: frame.to_network(volume.voxels.view()).unwrap(), geometry: frame.geometry() }
}

fn volumes(affine: [[f64; 4]; 3]) -> (Vec<Volume<f32>>, Volume<u32>) {
    let geometry = Geometry::from_affine(SHAPE, affine);
    let scan = |seed: usize| {
        let value = |[z, y, x]: [usize; 3]| ((z * 289 + y * 31 + x * 7) * seed % 113) as f32 - 9.0;
        let voxels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
            let edge = [z, y, x].iter().zip(SHAPE).any(|(&i, n)| i == 0 || i + 1 == n);
            if edge { 0.0 } else { value([z, y, x]) }
        });
        Volume { voxels, geometry: geometry.clone() }
    };
    let labels = Array3::from_shape_fn(SHAPE, |(z, y, x)| u32::from(z > 2 && y + x > 7) * 2);
    (vec![scan(3), scan(5)], Volume { voxels: labels, geometry })
}

fn case(folder: &std::path::Path, codes: [&str; 3]) -> CaseFiles {
    let (scans, labels) = volumes([[-0.75, 0.0, 0.0, 40.0], [0.0, -1.25, 0.0, 30.0], [0.0, 0.0, 2.5, -20.0]]);
    let scans = [stored_as(&scans[0], codes[0]), stored_as(&scans[1], codes[1])];
    write_case(folder, &scans, Some(&stored_as(&labels, codes[2])))
}

/// Settings with every intensity, and with and without downsampling and resampling.
fn all_settings() -> Vec<ValidPreprocess> {
    let percentile = Intensity::Percentile { low: 1.0, high: 98.0, over: PercentileOver::Brain };
    let intensities = [
        Intensity::MinMax,
        percentile,
        Intensity::ZScore { over: ZScoreOver::NonZero },
        Intensity::ZScore { over: ZScoreOver::All },
    ];
    let spacings = [
        Spacing::Stored,
        Spacing::Millimetres([2.5, 0.9, 0.5]),
        Spacing::Millimetres([1.0, 1.0, 1.0]),
        Spacing::Millimetres([4.0, 2.0, 2.0]),
    ];
    let mut all = Vec::new();
    for intensity in intensities {
        for spacing_mm in spacings {
            for downsample in [1, 2] {
                all.push(
                    Preprocess {
                        orientation: Orientation::LPS,
                        spacing_mm,
                        intensity,
                        clip_negative: intensity == Intensity::MinMax,
                        ..settings(2, [6, 8, 10], downsample)
                    }
                    .check()
                    .unwrap(),
                );
            }
        }
    }
    all
}

#[track_caller]
fn same_study(found: &Study, expected: &Study) {
    assert_eq!(found.image, expected.image);
    assert_eq!(found.brain, expected.brain);
    assert_eq!(found.tumour, expected.tumour);
    for name in ["s0", "s1"] {
        assert_eq!(found.channel(name).unwrap(), expected.channel(name).unwrap());
    }
    assert!(found.frame.geometry().same_grid(&expected.frame.geometry()));
    assert_eq!(found.preparation.brain_outside_crop, expected.preparation.brain_outside_crop);
    assert_eq!(found.preparation.tumour_outside_crop, expected.preparation.tumour_outside_crop);
}

#[test]
fn every_stored_orientation_gives_the_same_input() {
    let folder = tempfile::tempdir().unwrap();
    let lps = case(folder.path(), ["LPS"; 3]);
    let settings = all_settings();
    let expected: Vec<Study> =
        settings.iter().map(|preprocess| Study::load(&lps, preprocess).unwrap()).collect();
    for codes in all_codes() {
        let folder = tempfile::tempdir().unwrap();
        let files = case(folder.path(), [codes.as_str(); 3]);
        for (preprocess, expected) in settings.iter().zip(&expected) {
            let study = Study::load(&files, preprocess).unwrap();
            same_study(&study, expected);
            let stored = files.sequence("s0").unwrap().read().unwrap();
            let map = study.frame.to_scan(study.channel("s0").unwrap()).unwrap();
            assert_eq!(map.geometry, stored.geometry, "{codes}");
            let turned_to = study.preparation.turned_to.map(|codes| codes.to_string());
            assert_eq!(turned_to.as_deref(), (codes != "LPS").then_some("LPS"));
            assert_eq!(study.preparation.stored_codes.unwrap().to_string(), codes);
        }
    }
}

#[test]
fn files_of_a_case_may_be_stored_in_different_orientations() {
    let folder = tempfile::tempdir().unwrap();
    let lps = case(folder.path(), ["LPS"; 3]);
    for preprocess in all_settings() {
        let expected = Study::load(&lps, &preprocess).unwrap();
        for codes in [["LPS", "RAS", "LPS"], ["RAS", "LPS", "PIR"], ["SAL", "PIR", "LAS"]] {
            let folder = tempfile::tempdir().unwrap();
            let files = case(folder.path(), codes);
            let study = Study::load(&files, &preprocess).unwrap();
            same_study(&study, &expected);
            assert!(study.preparation.grid_distance_mm < 1e-4);
            let first = files.sequence("s0").unwrap().read().unwrap().geometry;
            assert_eq!(study.frame.scan(), &first);
            let summary = study.preparation.summary();
            let verb = if codes[1] == "LPS" { "stored" } else { "turned from" };
            assert!(summary.contains(&format!("s1 {verb} {}", codes[1])), "{summary}");
        }
    }
    // Without an orientation to turn to, the stored grids are compared.
    let folder = tempfile::tempdir().unwrap();
    let files = case(folder.path(), ["LPS", "RAS", "LPS"]);
    let message = Study::load(&files, &settings(2, [6, 8, 10], 1).check().unwrap()).unwrap_err().to_string();
    assert!(message.contains("1.nii.gz: expected the grid of"), "{message}");
}

/// A grid that is moved by a voxel along one axis is another grid, however it is stored.
#[test]
fn moved_grids_are_refused_after_the_turn() {
    let preprocess =
        Preprocess { orientation: Orientation::LPS, ..settings(2, [6, 8, 10], 1) }.check().unwrap();
    for codes in ["LPS", "RAS", "PIR"] {
        let folder = tempfile::tempdir().unwrap();
        let files = case(folder.path(), ["LPS"; 3]);
        let second = files.sequence("s1").unwrap();
        let scan = second.read().unwrap();
        let voxels = scan.voxels.clone();
        let moved = Volume { voxels, geometry: scan.geometry.window([0, 1, 0], SHAPE, 1) };
        nifti::write(&second.path, &stored_as(&moved, codes)).unwrap();
        let message = Study::load(&files, &preprocess).unwrap_err().to_string();
        assert!(message.contains("moves a corner by 1.25 mm"), "{message}");
        assert_eq!(message.contains("after turning to LPS"), codes != "LPS", "{message}");
        assert_eq!(message.lines().count(), 1);
    }
}

#[test]
fn a_scan_without_an_orientation_is_refused_where_one_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let files = case(folder.path(), ["LPS"; 3]);
    let preprocess = |orientation| Preprocess { orientation, ..settings(2, [6, 8, 10], 1) }.check().unwrap();
    let scan = &files.sequence("s0").unwrap().path;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(std::fs::File::open(scan).unwrap()),
        &mut bytes,
    )
    .unwrap();
    bytes[252..256].fill(0);
    let plain = folder.path().join("0.nii");
    std::fs::write(&plain, &bytes).unwrap();
    let unstated = CaseFiles { sequences: vec![("s0".into(), plain.into())], ..files };
    let one = |orientation| {
        let preprocess =
            Preprocess { sequences: vec!["s0".into()], ..preprocess(orientation).settings().clone() };
        let unstated = CaseFiles { segmentation: None, ..unstated.clone() };
        Study::load(&unstated, &preprocess.check().unwrap())
    };
    let message = one(Orientation::LPS).unwrap_err().to_string();
    assert!(message.contains("0.nii: expected a header that states the orientation"), "{message}");
    let study = one(Orientation::Stored).unwrap();
    assert_eq!((study.preparation.stored_codes, study.preparation.turned_to), (None, None));
}

/// Any scan, turned, resampled, cropped and downsampled in any way.
fn frames() -> impl Strategy<Value = Frame> {
    let sizes = || [1_usize..10, 1_usize..10, 1_usize..10];
    let ratios = || prop::option::of([0.2_f64..3.0, 0.2_f64..3.0, 0.2_f64..3.0]);
    let codes = prop::option::of(prop::sample::select(all_codes()));
    (sizes(), sizes(), 1_usize..4, ratios(), codes, prop::bool::ANY).prop_map(
        |(shape, blocks, factor, ratios, codes, tilted)| {
            let affine = if tilted {
                oblique()
            } else {
                [[0.0, 0.0, -1.5, 9.0], [0.0, 2.0, 0.0, 1.0], [0.7, 0.0, 0.0, -8.0]]
            };
            let mut preprocess = settings(1, blocks.map(|n| n * factor), factor);
            if let Some(codes) = codes {
                preprocess.orientation = codes.parse().unwrap();
            }
            let scan = Geometry::from_affine(shape, affine);
            if let Some(ratios) = ratios {
                preprocess.spacing_mm = Spacing::Millimetres(ratios);
            }
            Frame::centred(scan, &preprocess.check().unwrap()).unwrap()
        },
    )
}

fn counting(shape: [usize; 3]) -> Array3<u32> {
    let [_, ny, nx] = shape;
    Array3::from_shape_fn(shape, |(z, y, x)| 1 + ((z * ny + y) * nx + x) as u32)
}

/// Index of the voxel of a grid that contains a position in millimetres: `Ok(None)` outside, `Err` at the side of a voxel.
fn containing(grid: &Geometry, position: [f64; 3]) -> Result<Option<[usize; 3]>, ()> {
    let at = grid.voxel(position).unwrap();
    let side = |x: &f64| ((x - 0.5) - (x - 0.5).round()).abs() < 5e-3;
    let inside = at.iter().zip(grid.shape).all(|(&x, n)| x > -0.5 && x < n as f64 - 0.5);
    match (at.iter().any(side), inside) {
        (true, _) => Err(()),
        (false, true) => Ok(Some(at.map(|x| x.round() as usize))),
        (false, false) => Ok(None),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_map_has_the_value_of_the_network_voxel_around_each_position(frame in frames()) {
        let map = counting(frame.shape());
        let (network, scan) = (frame.geometry(), frame.scan().clone());
        prop_assert_eq!(network.shape, frame.shape());
        let on_scan = frame.to_scan(map.view())?;
        prop_assert_eq!(&on_scan.geometry, &scan);
        for ((z, y, x), &value) in on_scan.voxels.indexed_iter() {
            if let Ok(at) = containing(&network, scan.world([z, y, x].map(|i| i as f64))) {
                prop_assert_eq!(value, at.map_or(0, |at| map[at]), "z {} y {} x {}", z, y, x);
            }
        }
        let mask = frame.to_scan(map.mapv(|v| v % 3 == 0).view())?;
        let values = on_scan.voxels.mapv(|v| v != 0 && v % 3 == 0);
        prop_assert_eq!(mask.voxels, values);
    }

    #[test]
    fn labels_have_the_value_of_the_scan_voxel_around_each_position(frame in frames()) {
        let (network, scan) = (frame.geometry(), frame.scan().clone());
        let labels = Volume { voxels: counting(scan.shape), geometry: scan.clone() };
        let mapped = frame.to_network(labels.voxels.view())?;
        let (start, resampled, factor) = (frame.start(), frame.resampled_shape(), frame.downsample());
        for ((z, y, x), &value) in mapped.indexed_iter() {
            // The centre of a network voxel that is partly padding is not that of its part inside.
            let whole = [z, y, x].iter().enumerate().all(|(axis, i)| {
                let first = start[axis] + (i * factor) as isize;
                first >= 0 && first + factor as isize <= resampled[axis] as isize
            });
            if let (true, Ok(Some(at))) = (whole, containing(&scan, network.world([z, y, x].map(|i| i as f64)))) {
                prop_assert_eq!(value, labels.voxels[at]);
            }
        }
        let outside = mapped.mapv(|v| if v == 0 { 7777 } else { v });
        prop_assert_eq!(frame.labels_to_network(&labels, 7777)?, outside.clone());
        for codes in ["RAS", "PIR"] {
            prop_assert_eq!(frame.labels_to_network(&stored_as(&labels, codes), 7777)?, outside.clone());
        }
    }

    /// Labels on a part of the scan's grid.
    #[test]
    fn labels_on_another_grid_are_mapped_by_position(frame in frames()) {
        let (network, scan) = (frame.geometry(), frame.scan().clone());
        let part = scan.window([-1, 0, 1], scan.shape, 1);
        let labels = Volume { voxels: counting(part.shape), geometry: part.clone() };
        let Ok(mapped) = frame.labels_to_network(&labels, 7777) else { return Ok(()) };
        for ((z, y, x), &value) in mapped.indexed_iter() {
            if let Ok(at) = containing(&part, network.world([z, y, x].map(|i| i as f64))) {
                prop_assert_eq!(value, at.map_or(7777, |at| labels.voxels[at]));
            }
        }
    }
}

/// Labels in the scan's order whose header has both codes 0.
#[test]
fn labels_of_unknown_orientation_are_taken_voxel_by_voxel_or_refused() {
    let shape = [4, 5, 6];
    let unknown = Geometry::unoriented(shape, [1.0; 3]);
    let labels = Volume { voxels: counting(shape), geometry: unknown.clone() };
    let frame = |scan: &Geometry, orientation| {
        let with = Preprocess { orientation, ..settings(1, shape, 1) };
        Frame::centred(scan.clone(), &with.check().unwrap()).unwrap()
    };
    let moved = |[x, y, z]: [f64; 3]| {
        Geometry::from_affine(shape, [[1.0, 0.0, 0.0, x], [0.0, 1.0, 0.0, y], [0.0, 0.0, 1.0, z]])
    };
    // The second has the affine that a reader assumes for the labels.
    for scan in [Geometry::axis_aligned(shape, [1.0; 3]), moved([0.0; 3]), moved([9.0, -3.0, 2.0])] {
        let turned = frame(&scan, Orientation::LPS);
        for error in
            [turned.labels_to_network(&labels, 0), turned.labels_to_scan(&labels)].map(Result::unwrap_err)
        {
            let message = error.to_string();
            assert!(message.contains("expected sform or qform with a code"), "{message}");
            assert!(message.contains("found both codes 0"), "{message}");
        }
        assert_eq!(labels.on_grid(&scan), None);
        let stored = frame(&scan, Orientation::Stored);
        assert_eq!(stored.labels_to_network(&labels, 0).unwrap(), labels.voxels);
        assert_eq!(stored.labels_to_scan(&labels).unwrap(), labels.voxels);
        let thick = Volume { voxels: labels.voxels.clone(), geometry: Geometry::unoriented(shape, [2.0; 3]) };
        assert!(stored.labels_to_scan(&thick).is_err());
    }
    let neither = frame(&unknown, Orientation::Stored);
    assert_eq!(neither.labels_to_network(&labels, 0).unwrap(), labels.voxels);
    assert_eq!(neither.labels_to_scan(&labels).unwrap(), labels.voxels);
    // Labels of the network's grid, as written by this crate, state an affine.
    let written = Volume { voxels: labels.voxels.clone(), geometry: neither.geometry() };
    assert_eq!(neither.labels_to_network(&written, 0).unwrap(), labels.voxels);
}
