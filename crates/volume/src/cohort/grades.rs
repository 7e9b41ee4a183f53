//! Grades by case: the `name_mapping.csv` of BraTS, `grades.csv` and `grades.tsv`, and the `participants.tsv` of BIDS.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::scans::{file_name, name_list};
use super::tokens::tokens;
use crate::Error;

/// Names of tables, in lower case.
const TABLES: [&str; 4] = ["name_mapping.csv", "grades.csv", "grades.tsv", PARTICIPANTS];
/// BIDS's table of subjects.
pub(super) const PARTICIPANTS: &str = "participants.tsv";
/// BraTS's table of cases.
pub(super) const NAME_MAPPING: &str = "name_mapping.csv";
/// Columns of grades, in lower case.
const GRADE_COLUMNS: [&str; 3] = ["grade", "label", "diagnosis"];
/// Words in the header of a column of identifiers.
const ID_WORDS: [&str; 8] = ["id", "ids", "case", "subject", "patient", "participant", "name", "brats"];
/// Words in the header of another column, such as `patient_age`.
const OTHER_WORDS: [&str; 6] = ["age", "sex", "survival", "days", "date", "weight"];
/// Cells that hold nothing.
const EMPTY: [&str; 5] = ["", "na", "nan", "n/a", "none"];
/// Largest table, in bytes.
const LARGEST_TABLE: u64 = 64 << 20;

/// Returns whether a file is a table of grades.
pub(super) fn is_table(path: &Path) -> bool {
    TABLES.contains(&file_name(path).to_lowercase().as_str()) && path.is_file()
}

/// Parses HGG or LGG, in any letter case, as a label; HGG is the positive class.
pub(super) fn class(grade: &str) -> Option<bool> {
    if grade.eq_ignore_ascii_case("HGG") {
        Some(true)
    } else if grade.eq_ignore_ascii_case("LGG") {
        Some(false)
    } else {
        None
    }
}

/// Parses HGG, LGG, 1 or 0 as a label.
pub(super) fn label(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => class(text),
    }
}

/// Grades by every identifier that the tables list for a case.
#[derive(Debug, Default)]
pub(super) struct Grades {
    /// Earlier tables take precedence.
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    path: PathBuf,
    /// Names of all columns, if none of them holds grades.
    without_grades: Option<Vec<String>>,
    by_id: HashMap<String, Grade>,
}

/// What a table says of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Grade {
    Class(bool),
    /// Reason for a missing class, following the name of the table.
    Unclear(String),
    /// Rows or columns that disagree.
    Contradictory,
}

impl Grades {
    /// Adds a table.
    pub fn add(&mut self, path: &Path) -> Result<(), Error> {
        if self.tables.iter().any(|table| table.path == path) {
            return Ok(());
        }
        let unreadable = |source| Error::Io { path: path.to_owned(), action: "read", source };
        let bytes = fs::metadata(path).map_err(unreadable)?.len();
        if bytes > LARGEST_TABLE {
            return Err(Error::Format {
                path: path.to_owned(),
                expected: "a table of at most 64 MiB",
                found: format!("{bytes} bytes"),
            });
        }
        let text = fs::read(path).map_err(unreadable)?;
        let mut table = parse(&text, path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv")));
        table.path = path.to_owned();
        self.tables.push(table);
        Ok(())
    }

    /// Class of a case by the first of its identifiers that a table lists, or why it has none.
    pub fn get(&self, ids: &[&str], default_table: &str) -> Result<bool, String> {
        let mut unclear = None;
        for id in ids.iter().map(|id| id.to_lowercase()) {
            for table in &self.tables {
                match table.by_id.get(&id) {
                    Some(Grade::Class(class)) => return Ok(*class),
                    Some(Grade::Unclear(why)) if unclear.is_none() => {
                        unclear = Some(format!("no grade: {} {why}", file_name(&table.path)));
                    }
                    Some(Grade::Contradictory) => {
                        return Err(format!("no grade: {} says both HGG and LGG", file_name(&table.path)));
                    }
                    _ => {}
                }
            }
        }
        Err(unclear.unwrap_or_else(|| self.absent(default_table)))
    }

    fn absent(&self, default_table: &str) -> String {
        let without = self.tables.iter().find_map(|table| {
            let columns = table.without_grades.as_ref()?;
            let columns = name_list(columns.iter().map(String::as_str));
            Some(format!(
                "no grade: {} has no column grade, label or diagnosis, only {columns}",
                file_name(&table.path)
            ))
        });
        without.unwrap_or_else(|| {
            let mut names: Vec<String> = self.tables.iter().map(|table| file_name(&table.path)).collect();
            names.dedup();
            let names = if names.is_empty() { default_table.to_owned() } else { names.join(" or ") };
            format!("no grade: neither an HGG or LGG folder nor a row of {names}")
        })
    }
}

/// Parses a table. Malformed rows have the cells that could be parsed.
fn parse(text: &[u8], tabs: bool) -> Table {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(if tabs { b'\t' } else { b',' })
        .from_reader(text);
    let cell = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_start_matches('\u{feff}').to_owned();
    let headers: Vec<String> =
        reader.byte_headers().map(|row| row.iter().map(cell).collect()).unwrap_or_default();
    let rows: Vec<csv::ByteRecord> = reader.byte_records().map_while(Result::ok).collect();
    let lower: Vec<String> = headers.iter().map(|name| name.to_lowercase()).collect();
    let mut table = Table { path: PathBuf::new(), without_grades: None, by_id: HashMap::new() };
    let mut columns = Vec::new();
    for name in GRADE_COLUMNS {
        if let Some(index) = lower.iter().position(|column| column == name) {
            let values: HashSet<&[u8]> =
                rows.iter().filter_map(|row| row.get(index)).filter(|value| !is_empty(value)).collect();
            let coded = values.iter().all(|value| label(&cell(value)).is_some());
            // Numbers are labels only in a column that holds nothing else: 1 among 2, 3 and 4 is a WHO grade.
            let other = values.iter().map(|value| cell(value)).filter(|value| label(value).is_none()).min();
            columns.push(GradeColumn { name, index, coded, other });
        }
    }
    if columns.is_empty() {
        table.without_grades = Some(headers);
        return table;
    }
    let is_grade = |index: &usize| columns.iter().any(|column| column.index == *index);
    let named_id = |index: &usize| {
        let words = tokens(lower.get(*index).map_or("", String::as_str));
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.text));
        has(&ID_WORDS) && !has(&OTHER_WORDS)
    };
    let others: Vec<usize> = (0..lower.len()).filter(|index| !is_grade(index)).collect();
    let named: Vec<usize> = others.iter().copied().filter(named_id).collect();
    let id_columns = if named.is_empty() { others } else { named };
    for row in &rows {
        let Some(grade) = columns.iter().filter_map(|column| column.grade(row)).reduce(combine) else {
            continue;
        };
        for id in id_columns.iter().filter_map(|&index| row.get(index)).filter(|id| !is_empty(id)) {
            let id = cell(id).to_lowercase();
            let merged = match table.by_id.remove(&id) {
                Some(earlier) => combine(earlier, grade.clone()),
                None => grade.clone(),
            };
            table.by_id.insert(id, merged);
        }
    }
    table
}

fn is_empty(cell: &[u8]) -> bool {
    EMPTY.iter().any(|empty| cell.eq_ignore_ascii_case(empty.as_bytes()))
}

/// A column of grades.
struct GradeColumn {
    name: &'static str,
    index: usize,
    /// Whether every value is HGG, LGG, 1 or 0.
    coded: bool,
    /// A value that is none of them.
    other: Option<String>,
}

impl GradeColumn {
    fn grade(&self, row: &csv::ByteRecord) -> Option<Grade> {
        let value = row.get(self.index).filter(|value| !is_empty(value))?;
        let value = String::from_utf8_lossy(value).into_owned();
        let class = if self.coded { label(&value) } else { class(&value) };
        Some(class.map_or_else(
            || match (&self.other, label(&value)) {
                (Some(other), Some(_)) => Grade::Unclear(format!(
                    "says {value:?} in the column {}, which is a label only if all are 0 or 1, and another is {other:?}",
                    self.name
                )),
                _ => Grade::Unclear(format!("says {value:?}, neither HGG nor LGG")),
            },
            Grade::Class,
        ))
    }
}

/// Combines two entries of a case. One that is clear suffices.
fn combine(a: Grade, b: Grade) -> Grade {
    match (a, b) {
        (Grade::Contradictory, _) | (_, Grade::Contradictory) => Grade::Contradictory,
        (Grade::Class(a), Grade::Class(b)) if a != b => Grade::Contradictory,
        (Grade::Class(class), _) | (_, Grade::Class(class)) => Grade::Class(class),
        (unclear, _) => unclear,
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn grades(text: &str) -> Grades {
        let mut table = parse(text.as_bytes(), text.contains('\t'));
        table.path = PathBuf::from("participants.tsv");
        Grades { tables: vec![table] }
    }

    fn grade(text: &str, id: &str) -> Result<bool, String> {
        grades(text).get(&[id], PARTICIPANTS)
    }

    #[test]
    fn columns_of_participants() {
        assert_eq!(grade("participant_id\tage\tgrade\nsub-1\t50\tHGG\nsub-2\t1\tlgg\n", "sub-2"), Ok(false));
        assert_eq!(grade("\u{feff}participant_id\tLabel\nsub-1\t1\nsub-2\t0\n", "sub-1"), Ok(true));
        assert_eq!(grade("diagnosis\tparticipant_id\nHGG\tsub-1\nn/a\tsub-2\n", "SUB-1"), Ok(true));
        assert!(grade("diagnosis\tparticipant_id\nHGG\tsub-1\nn/a\tsub-2\n", "sub-2").is_err());
        // Another column's value is not an identifier.
        assert!(grade("participant_id\tage\tgrade\nsub-1\t50\tHGG\n", "50").is_err());
        let message = grade("participant_id\tage\nsub-1\t50\n", "sub-1").unwrap_err();
        assert!(message.contains("participant_id and age"), "{message}");
        assert_eq!(grade("grade\tlabel\tparticipant_id\n4\t1\tsub-1\n", "sub-1"), Ok(true));
    }

    #[test]
    fn nothing_is_guessed_from_who_grades() {
        let text = "participant_id\tgrade\nsub-1\t1\nsub-2\t4\nsub-3\tHGG\n";
        for (id, parts) in [("sub-1", ["\"1\"", "\"4\""]), ("sub-2", ["\"4\"", "neither HGG nor LGG"])] {
            let message = grade(text, id).unwrap_err();
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
        assert_eq!(grade(text, "sub-3"), Ok(true));
    }

    #[test]
    fn contradictions_are_unclear() {
        assert!(grade("id,grade\na,HGG\na,LGG\na,HGG\n", "a").unwrap_err().contains("both HGG and LGG"));
        assert!(grade("id,grade,label\na,HGG,0\n", "a").unwrap_err().contains("both HGG and LGG"));
        assert_eq!(grade("id,grade\na,HGG\na,HGG\n", "a"), Ok(true));
    }

    #[test]
    fn mutated_tables_are_read_without_panic() {
        let text = b"Grade,BraTS_2019_subject_ID,label\nHGG,\"BraTS19_W_1\",1\r\nLGG,NA,0\n\"III\",x,\n";
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..4000 {
            let mut bytes = text.to_vec();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..3) {
                    0 => bytes[at] = rng.random(),
                    1 => bytes.insert(at, b"\",\n\t\r\0\xff"[rng.random_range(0..7)]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            let table = parse(&bytes, round % 2 == 0);
            let _ = Grades { tables: vec![table] }.get(&["x"], NAME_MAPPING);
        }
    }
}
