//! `explain --method averaged`: the mean map of diffused relevance over several partitions.

use std::fs;

use crate::harness::untrained::Untrained;
use crate::harness::{self, refuse, stderr, succeed};
use ndarray::{ArrayD, Zip};
use relevox::SlicRegions;
use relevox::volume::nifti;
use relevox::volume::npy::ArrayFile;
use serde_json::Value;

fn array(untrained: &Untrained, name: &str) -> ArrayD<f32> {
    ArrayFile::parse(&untrained.text(&format!("out/{name}.npy"))).read().unwrap().values
}

/// Explains with one partition, and returns the map of diffused relevance and the regions' ids by voxel.
fn single(untrained: &Untrained, more: &[&str]) -> (ArrayD<f32>, ArrayD<u32>) {
    untrained.explained("x.npy", &[&["--method", "diffused"], more].concat());
    let ids = nifti::read_labels(&untrained.path("out/regions.nii.gz")).unwrap().voxels;
    (array(untrained, "diffused"), ids.into_dyn())
}

/// The oracle: the maps of three explanations with one partition each.
#[test]
fn several_partitions_are_averaged() {
    let untrained = Untrained::new(1);
    let regions = ["--regions", "8"];
    let (own, ids) = single(&untrained, &regions);
    let (second, _) = single(&untrained, &["--regions", "14", "--sequence", "channel1"]);
    let (third, _) = single(&untrained, &["--regions", "20"]);
    let sum = &own + &second + &third;
    let (low, high) = sum.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    let expected = sum.mapv(|value| (value - low) / (high - low) * 100.0);

    let partitions = ["--partitions", "1:14,channel0:20"];
    let (result, said) = untrained
        .explained("x.npy", &[&["--method", "averaged,diffused"], &regions[..], &partitions].concat());
    assert!(
        said.contains("14 regions of channel1 within the brain") && said.contains("20 regions"),
        "{said}"
    );
    assert_eq!(result["methods"]["averaged"]["flat"], false);
    assert!(result["without_regions"]["logit"].is_f64());
    assert_eq!(array(&untrained, "diffused"), own, "the regions' own map is another");
    let found = array(&untrained, "averaged");
    let off = Zip::from(&found).and(&expected).fold(0.0_f32, |off, a, b| off.max((a - b).abs()));
    assert!(off < 1e-3, "{off} of 100");
    assert_ne!(found, own);

    // Regions have the mean of the map over them.
    let table = fs::read_to_string(untrained.path("out/averaged.csv")).unwrap();
    let mut rows = 0;
    for row in csv::Reader::from_reader(table.as_bytes()).records() {
        let row = row.unwrap();
        let id: u32 = row[0].parse().unwrap();
        let inside =
            || found.iter().zip(&ids).filter(|(_, of)| **of == id).map(|(value, _)| f64::from(*value));
        let mean = inside().sum::<f64>() / inside().count() as f64;
        let relevance: f64 = row[3].parse().unwrap();
        assert!((relevance - mean).abs() < 1e-3, "region {id}: {relevance}, expected {mean}");
        rows += 1;
    }
    assert_eq!(rows, result["regions"].as_u64().unwrap());
    let page = fs::read_to_string(untrained.path("out/index.html")).unwrap();
    assert!(page.contains("Averaged relevance"));
}

#[test]
fn without_known_sequences_the_regions_are_averaged_with_more_of_them() {
    let untrained = Untrained::new(1);
    let averaged = |more: &[&str]| {
        let (result, _) = untrained.explained(
            "x.npy",
            &[&["--method", "averaged", "--regions", "8", "--no-pictures"], more].concat(),
        );
        let said = result["assumed"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        (array(&untrained, "averaged"), said.collect::<Vec<_>>())
    };
    let (by_default, said) = averaged(&[]);
    assert!(said.contains(&"averaged with the map of these regions: 20 regions of channel0 within the brain, compactness 0.1".to_owned()), "{said:?}");
    // The regions' own partition counts once.
    assert_eq!(averaged(&["--partitions", "0:20,0:8"]).0, by_default);
}

#[test]
fn the_experiments_partitions_are_the_default() {
    let of = |sequence: &str, count| SlicRegions {
        sequence: sequence.to_owned(),
        count,
        compactness: 0.3,
        masked: Some(true),
        ..SlicRegions::default()
    };
    let brats = ["t1", "t1ce", "t2", "flair"].map(str::to_owned);
    assert_eq!(of("t2", 100).averaged_with(&brats), [of("flair", 250)]);
    assert_eq!(of("flair", 50).averaged_with(&brats), [of("t2", 100), of("flair", 250)]);
    assert_eq!(of("t1", 51).averaged_with(&brats[..2]), [of("t1", 128)]);
    assert_eq!(of("t2", 100).averaged_with(&brats[2..3]), [of("t2", 250)]);
}

#[test]
fn partitions_that_cannot_be_averaged_are_refused() {
    let untrained = Untrained::new(1);
    let averaged = ["--method", "averaged", "--regions", "8", "--partitions"];
    for (partitions, parts) in [
        ("2:20", &["--partitions", "a channel from 0 to 1", "found 2"][..]),
        ("t2:20", &["--partitions", "channel0, channel1", "found t2"]),
        ("0:20,channel0:20", &["--partitions", "each once", "channel0:20"]),
        ("0:8", &["--partitions", "differs from the regions", "channel0:8"]),
    ] {
        refuse(untrained.explain("x.npy", &[&averaged[..], &[partitions]].concat()), parts);
    }
    refuse(untrained.explain("x.npy", &["--partitions", "0:20"]), &["--partitions", "--method averaged"]);
    refuse(
        untrained.explain("x.npy", &["--method", "averaged", "--sets"]),
        &["sets", "a method by region", "averaged"],
    );
    for wrong in ["t2", "t2:", ":20", "t2:0", "t2:many"] {
        let output = untrained.explain("x.npy", &[&averaged[..], &[wrong]].concat()).output().unwrap();
        let said = stderr(&output);
        assert!(output.status.code() == Some(2) && said.contains("such as flair:250"), "{wrong}: {said}");
    }
    assert!(!untrained.path("out").exists(), "something was left behind");
}

#[test]
fn a_map_without_relevance_is_said_to_be_flat() {
    let untrained = Untrained::new(1);
    // The mean of a constant brain is what its regions hold already.
    let constant = harness::untrained::image().mapv(|value| if value == 0.0 { 0.0 } else { 0.5 });
    relevox::volume::npy::write(&untrained.path("constant.npy"), constant.view().into_dyn()).unwrap();
    let output = succeed(
        untrained.explain("constant.npy", &["--method", "averaged", "--regions", "8", "--compactness", "10"]),
    );
    let said = stderr(&output);
    assert!(said.contains("averaged: in no partition does the change of one region differ"), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["methods"]["averaged"]["flat"], true);
    assert!(array(&untrained, "averaged").iter().all(|value| *value == 0.0));
}
