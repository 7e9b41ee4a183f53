//! The summary, the CSV tables and the terminal's table hold the same numbers.

use super::*;

#[test]
fn the_summary_survives_json() {
    let summary = sample::summary();
    let text = summary.to_json().unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    assert_eq!(text, summary.to_json().unwrap());
}

/// Keys that scripts rely on.
#[test]
fn the_summary_has_the_documented_keys() {
    let value: serde_json::Value = serde_json::from_str(&sample::summary().to_json().unwrap()).unwrap();
    for pointer in [
        "/cohort/cases",
        "/cohort/train",
        "/cohort/validation",
        "/cohort/test",
        "/cohort/positive",
        "/cohort/left_out/0/case",
        "/cohort/left_out/0/why",
        "/classifier/epoch",
        "/classifier/test_auc/mean",
        "/classifier/test_auc/ci95/1",
        "/classifier/test_auc/n",
        "/classifier/test_auc/paper",
        "/classifier/test_accuracy/mean",
        "/classifier/validation_auc/why",
        "/selected/sequence",
        "/selected/regions",
        "/selected/compactness",
        "/dice/learned/oracle/mean",
        "/dice/gradcam/otsu/mean",
        "/dice/random/validation_threshold/mean",
        "/dice/ceiling/oracle/mean",
        "/dice/diffused/otsu_volume/mean",
        "/dice/lime/mixture/mean",
        "/dice/rise/volume/mean",
        "/dice/intensity/mask/mean",
        "/dice/random_weights/oracle/mean",
        "/measures/diffused/pointing/mean",
        "/diffusion/lambda",
        "/differences/0/p",
        "/ranked/learned/2/mean",
        "/cumulative/blank/4/paper",
        "/grid/0/split",
        "/grid/0/sequence",
        "/grid/0/regions",
        "/grid/0/compactness",
        "/grid/0/fill",
        "/grid/0/mean",
        "/grid/0/ci95",
        "/grid/0/n",
        "/grid/0/paper",
        "/focus/correlation/mean",
    ] {
        assert!(value.pointer(pointer).is_some(), "{pointer}");
    }
    let missing = value.pointer("/classifier/validation_auc").unwrap();
    assert!(missing["mean"].is_null() && missing["ci95"].is_null());
    assert!(value.pointer("/dice/ceiling/otsu").is_none());
    assert!(value.pointer("/classifier/test_auc/why").is_none());
}

#[test]
fn csv_rows_hold_every_number() {
    let tables = all(&sample::summary(), &sample::cases()).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.file).collect();
    assert_eq!(
        names,
        [
            "table1.csv",
            "table2.csv",
            "table3.csv",
            "gradcam.csv",
            "classifier.csv",
            "measures.csv",
            "cases.csv"
        ]
    );
    let rows = |file: &str| -> Vec<csv::StringRecord> {
        let table = tables.iter().find(|table| table.file == file).unwrap();
        csv::Reader::from_reader(&table.bytes[..]).records().map(|row| row.unwrap()).collect()
    };
    assert_eq!(rows("table1.csv").len(), 3 * 3);
    assert_eq!(rows("table2.csv").len(), 3 * 5);
    assert_eq!(rows("table3.csv").len(), 2 * 4 * 3 * 3);
    assert_eq!(rows("gradcam.csv").len(), (Method::ALL.len() - 1) * 7 + 1 + 2);
    assert_eq!(rows("measures.csv").len(), 3 + 1);
    let cases = rows("cases.csv");
    assert_eq!((&cases[0][0], &cases[0][7], &cases[1][5]), ("a, \"quoted\"", "0.25", ""));
    let classifier = rows("classifier.csv");
    assert_eq!((&classifier[0][1], &classifier[0][5]), ("13", "81"));
    assert_eq!((&classifier[3][1], &classifier[3][6]), ("", "one class <only>"));
}

#[test]
fn cases_survive_csv() {
    let mut cases = sample::cases();
    cases[1].flat = vec![Method::Blank, Method::Max];
    cases[0].probability = 0.1 + 0.2;
    let tables = all(&sample::summary(), &cases).unwrap();
    let bytes = &tables.iter().find(|table| table.file == "cases.csv").unwrap().bytes;
    assert_eq!(read_cases(bytes).unwrap(), cases);
    assert_eq!(read_cases(&all(&sample::summary(), &[]).unwrap()[6].bytes).unwrap(), []);
}

#[test]
fn other_tables_are_no_cases() {
    let message = |bytes: &[u8]| read_cases(bytes).unwrap_err().to_string();
    assert!(message(b"case,why\na,b\n").starts_with("tables/cases.csv: expected the columns"));
    let header = "case,split,label,probability,regions,tumour_voxels,flat";
    let table = |columns: &str, row: &str| format!("{header}{columns}\n{row}\n").into_bytes();
    assert!(message(&table(",blank_best", "a,test,1,0.5,9,,,0.1")).contains("found blank_best"));
    assert!(message(&table(",grey_oracle", "a,test,1,0.5,9,,,0.1")).contains("found grey"));
    assert!(message(&table("", "a,test,1,high,9,,")).contains("column probability, found \"high\""));
}

#[test]
fn the_terminal_table_is_aligned_and_short() {
    let mut summary = sample::summary();
    for (method, over) in [
        (Method::Learned, Method::Blank),
        (Method::Blank, Method::Random),
        (Method::Diffused, Method::Blank),
        (Method::Diffused, Method::RandomDiffused),
    ] {
        let one = Difference { method, over, ..summary.differences[1].clone() };
        summary.differences.push(one);
    }
    let text = terminal_table(&summary).unwrap();
    assert_eq!(text.lines().count(), 8 + Method::ALL.len(), "{text}");
    let rows: Vec<&str> = text.lines().skip(2).take(1 + Method::ALL.len()).collect();
    assert!(
        rows[0].starts_with("Dice") && rows[Method::ALL.len()].starts_with("Supervoxel ceiling"),
        "{text}"
    );
    assert!(rows.iter().all(|row| row.chars().count() == rows[0].chars().count()), "{text}");
    assert!(rows[1].contains("0.75 [0.69, 0.81]") && rows[1].ends_with("0.44"), "{text}");
    assert!(text.contains("test AUC 0.88 [0.81, 0.94] (paper: 0.83)"), "{text}");
    assert!(text.contains("Learned fill does not beat Blank"), "{text}");
    assert!(text.contains("Learned fill beats Random control (oracle: difference 0.19"), "{text}");
    let fill = text.lines().find(|line| line.starts_with("learned fill: ")).unwrap();
    assert!(fill.contains(" from Max; mean |Δp|: Learned fill 0."), "{fill}");
}
