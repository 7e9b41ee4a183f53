//! A made-up summary for tests.

use std::collections::BTreeMap;

use super::cases::CaseRow;
use super::measure::Measure;
use super::method::Method;
use super::number::Number;
use super::paper::Paper;
use super::summary::{
    ClassifierSummary, CohortSummary, DiceSummary, Difference, DiffusionSummary, FillSummary, FocusSummary,
    GridCell, LeftOut, MeasureDifference, Selected, Summary,
};
use super::threshold::Threshold;

fn number(mean: f64, paper: Option<f64>) -> Number {
    Number { mean: Some(mean), ci95: Some([mean - 0.0625, mean + 0.0625]), n: 15, paper, why: None }
}

/// A summary with every table, a missing number, and names that need escaping in HTML.
#[allow(clippy::unwrap_used, reason = "the embedded numbers are tested")]
pub fn summary() -> Summary {
    let paper = Paper::load().unwrap();
    let mut dice = BTreeMap::new();
    for (index, method) in Method::ALL.into_iter().enumerate() {
        let mean = 0.75 - 0.03125 * index as f64;
        dice.insert(
            method,
            DiceSummary {
                oracle: number(mean, paper.oracle(method)),
                otsu: (method != Method::Ceiling).then(|| number(mean - 0.125, None)),
                validation_threshold: (method != Method::Ceiling).then(|| number(mean - 0.09375, None)),
                otsu_volume: (method != Method::Ceiling).then(|| number(mean - 0.15625, None)),
                mixture: (method != Method::Ceiling).then(|| number(mean - 0.1875, None)),
                volume: (method != Method::Ceiling).then(|| number(mean - 0.125, None)),
                mask: (method != Method::Ceiling).then(|| number(mean - 0.140625, None)),
            },
        );
    }
    let ranks = |count: usize, of: &dyn Fn(Method, usize) -> Option<f64>| -> BTreeMap<Method, Vec<Number>> {
        [Method::Learned, Method::Blank, Method::Random]
            .into_iter()
            .map(|method| {
                let numbers = (1..=count).map(|rank| number(0.375 / rank as f64, of(method, rank)));
                (method, numbers.collect())
            })
            .collect()
    };
    let mut grid = Vec::new();
    for split in ["validation", "test"] {
        for sequence in ["t1", "t1ce", "t2", "flair"] {
            for regions in [50, 100, 250] {
                for fill in [Method::Blank, Method::Min, Method::Max] {
                    let at = grid.len() as f64;
                    grid.push(GridCell {
                        split: split.to_owned(),
                        sequence: sequence.to_owned(),
                        regions,
                        made: Some(regions as f64 - 4.5),
                        compactness: 0.1,
                        fill,
                        mean: Some(at / 256.0 + 0.125),
                        ci95: Some([at / 256.0, at / 256.0 + 0.25]),
                        n: 8,
                        paper: paper.grid(sequence, regions, fill),
                        why: None,
                    });
                }
            }
        }
    }
    Summary {
        cohort: CohortSummary {
            cases: 60,
            train: 36,
            validation: 9,
            test: 15,
            positive: 36,
            left_out: vec![LeftOut { case: "case<7>".to_owned(), why: "no \"t2\" & no grade".to_owned() }],
            findings: vec!["3 of 12 cases turned to LPS (stored <RAS>)".to_owned()],
        },
        classifier: ClassifierSummary {
            epoch: Some(13),
            networks: 1,
            test_auc: number(0.875, Some(paper.classifier.test_auc)),
            test_accuracy: number(0.8125, None),
            validation_auc: Number::none("one class <only>", None),
            brightness_auc: number(0.5625, None),
        },
        selected: Selected { sequence: "t2".to_owned(), regions: 100, compactness: 0.1 },
        dice,
        ranked: ranks(3, &|method, rank| paper.ranked(method, rank)),
        cumulative: ranks(5, &|method, rank| paper.cumulative(method, rank)),
        grid,
        focus: FocusSummary { correlation: number(-0.3125, None) },
        differences: vec![
            Difference {
                method: Method::Learned,
                over: Method::Random,
                dice: Threshold::Oracle,
                difference: number(0.1875, None),
                p: Some(0.001),
                beats: true,
            },
            Difference {
                method: Method::Blank,
                over: Method::GradCam,
                dice: Threshold::Oracle,
                difference: number(0.03125, None),
                p: Some(0.25),
                beats: false,
            },
        ],
        measure_differences: vec![MeasureDifference {
            method: Method::Diffused,
            over: Method::Random,
            measure: Measure::Deletion,
            difference: number(-0.0625, None),
            p: Some(0.03125),
            better: true,
        }],
        fill: Some(FillSummary {
            distance_from_max: number(0.25, None),
            mean_abs_delta_p: [(Method::Learned, 0.125), (Method::Blank, 0.0625)]
                .map(|(fill, mean)| (fill, number(mean, None)))
                .into(),
        }),
        measures: [
            (Method::Blank, Measure::Pointing),
            (Method::Diffused, Measure::Pointing),
            (Method::Diffused, Measure::Deletion),
        ]
        .into_iter()
        .fold(
            BTreeMap::new(),
            |mut all: BTreeMap<Method, BTreeMap<Measure, Number>>, (method, measure)| {
                all.entry(method).or_default().insert(measure, number(0.625, None));
                all
            },
        ),
        diffusion: Some(DiffusionSummary {
            fill: Method::Blank,
            scores: "delta_p".to_owned(),
            reading: "magnitude".to_owned(),
            lambda: 4.0,
            scale: 1.0,
            border: false,
            cases: 6,
        }),
        folds: Vec::new(),
    }
}

/// Two cases, one of them without an expert segmentation.
pub fn cases() -> Vec<CaseRow> {
    let dice = |value: f64| -> BTreeMap<Threshold, f64> {
        [Threshold::Oracle, Threshold::Otsu, Threshold::Validation].map(|name| (name, value)).into()
    };
    let row = |case: &str, tumour_voxels: Option<usize>| CaseRow {
        case: case.to_owned(),
        split: "test".to_owned(),
        positive: tumour_voxels.is_some(),
        probability: 0.75,
        regions: 97,
        tumour_voxels,
        dice: match tumour_voxels {
            Some(_) => [(Method::Blank, dice(0.5)), (Method::Learned, dice(0.25))].into(),
            None => BTreeMap::new(),
        },
        flat: Vec::new(),
    };
    vec![row("a, \"quoted\"", Some(812)), row("b", None)]
}
