//! Parity of intensity scaling with MONAI's transforms.

use std::collections::HashMap;

use ndarray::Array3;
use relevox_volume::{Geometry, Intensity, PercentileOver, Preprocess, Study, Volume, ZScoreOver};

use crate::fixtures::{Cells, rows};
use crate::scans::{settings, write_case};

const SHAPE: [usize; 3] = [4, 5, 6];

fn intensity(setting: &str) -> Intensity {
    let words: Vec<&str> = setting.split(' ').collect();
    let number = |word: &str| word.parse().unwrap();
    match words[..] {
        ["minmax", ..] => Intensity::MinMax,
        ["zscore", "nonzero"] => Intensity::ZScore { over: ZScoreOver::NonZero },
        ["zscore", "all"] => Intensity::ZScore { over: ZScoreOver::All },
        ["window", low, high] => Intensity::Window { low: number(low), high: number(high) },
        ["percentile", low, high, over] => {
            let over = if over == "all" { PercentileOver::All } else { PercentileOver::Brain };
            Intensity::Percentile { low: number(low), high: number(high), over }
        }
        _ => panic!("{setting}"),
    }
}

#[test]
fn scaled_intensities_equal_monais() {
    let mut raw: HashMap<String, Array3<f32>> = HashMap::new();
    let mut compared = 0;
    for row in rows("intensities.csv") {
        let mut cells = Cells::of(&row);
        let (name, setting) = (cells.text(), cells.text());
        let expected = cells.rest(SHAPE);
        if setting == "raw" {
            raw.insert(name.to_owned(), expected.mapv(|v| v as f32));
            continue;
        }
        let voxels = raw[name].clone();
        let scan = Volume { voxels, geometry: Geometry::axis_aligned(SHAPE, [1.0; 3]) };
        let preprocess = Preprocess {
            intensity: intensity(setting),
            // A window has its own lower end.
            clip_negative: setting.ends_with("clipped") || setting.starts_with("window"),
            ..settings(1, SHAPE, 1)
        };
        let folder = tempfile::tempdir().unwrap();
        let files = write_case(folder.path(), &[scan], None);
        let study = Study::load(&files, &preprocess.check().unwrap()).unwrap();
        for ((at, &expected), &found) in expected.indexed_iter().zip(&study.image) {
            let tolerance = 1e-5 * expected.abs().max(1.0);
            assert!(
                (f64::from(found) - expected).abs() < tolerance,
                "{name} {setting} {at:?}: {found}, not {expected}"
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 4 * 9);
}
