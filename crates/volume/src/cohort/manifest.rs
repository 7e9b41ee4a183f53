//! CSV manifests of cohorts: `case,group,label,split,<sequences>,seg`, with paths relative to the file.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::assemble::is_usable;
use super::case::{CaseFiles, CohortCase};
use super::columns::{Columns, SEGMENTATION};
use super::grades;
use super::left_out::LeftOut;
use super::list::Cohort;
use super::needs::Needs;
use super::patients::patient;
use super::scans;
use super::sequence_names::SequenceNames;
use super::split::Split;
use crate::{Error, ScanFile};

/// Reads a manifest. Returns whether it has a column of groups, which are then final.
pub(super) fn open(path: &Path, sequences: &SequenceNames, needs: Needs) -> Result<(Cohort, bool), Error> {
    let text =
        fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })?;
    parse(path, &text, sequences, needs)
}

fn parse(path: &Path, text: &[u8], sequences: &SequenceNames, needs: Needs) -> Result<(Cohort, bool), Error> {
    let broken = |error: csv::Error| Error::Manifest {
        path: path.to_owned(),
        line: error.position().map_or(0, csv::Position::line),
        case: None,
        expected: "rows with as many cells as the header, in UTF-8".to_owned(),
        found: error.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(broken)?.clone();
    let rows = reader.records().collect::<Result<Vec<StringRecord>, _>>().map_err(broken)?;
    let columns = Columns::of(path, &header, &rows, (sequences, needs))?;

    let mut cohort = Cohort::default();
    if !columns.unused.is_empty() {
        let unused = scans::name_list(columns.unused.iter().map(String::as_str));
        cohort.notes.push(format!("{}: not among the sequences, not used: {unused}", path.display()));
    }
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut splits: BTreeMap<String, (Split, String)> = BTreeMap::new();
    for record in &rows {
        let line = Line { path, number: line_of(text, record.position()), record, columns: &columns };
        let id = line.id()?;
        if let Some(first) = lines.insert(id.clone(), line.number) {
            return Err(line.invalid("each case once".to_owned(), format!("it again, after line {first}")));
        }
        match line.case(sequences, needs)? {
            Ok(case) => {
                if let Some(split) = case.split {
                    let (other, of) = splits.entry(case.group.clone()).or_insert((split, id));
                    if *other != split {
                        let found = format!("it in {split}, and in {other} with case {of}");
                        let advice = match columns.group {
                            Some(_) => "",
                            None => "; if they are different patients, add a group column",
                        };
                        return Err(line.invalid(
                            format!("group {} in one split", case.group),
                            format!("{found}{advice}"),
                        ));
                    }
                }
                cohort.cases.push(case);
            }
            Err(reason) => cohort.left_out.push(LeftOut { case: id, reason }),
        }
    }
    Ok((cohort, columns.group.is_some()))
}

/// Line on which a record's text starts. The record's position may precede blank lines.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    position.map_or(0, |position| {
        let rest = text.get(position.byte() as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
    })
}

/// A row with its position in the manifest.
struct Line<'a> {
    path: &'a Path,
    number: u64,
    record: &'a StringRecord,
    columns: &'a Columns,
}

impl Line<'_> {
    fn invalid(&self, expected: String, found: String) -> Error {
        let case = self.cell(Some(self.columns.case)).filter(|case| is_usable(case)).map(str::to_owned);
        // Quoted cells can hold line breaks.
        let [expected, found] = [expected, found].map(|text| text.replace(char::is_control, " "));
        Error::Manifest { path: self.path.to_owned(), line: self.number, case, expected, found }
    }

    /// A cell, unless it is empty or its column absent.
    fn cell(&self, column: Option<usize>) -> Option<&str> {
        self.record.get(column?).filter(|cell| !cell.is_empty())
    }

    /// Identifier of the case, which also names files and folders.
    fn id(&self) -> Result<String, Error> {
        let name = self.cell(Some(self.columns.case)).unwrap_or_default();
        if is_usable(name) {
            Ok(name.to_owned())
        } else {
            Err(self.invalid("a case name that can name a folder".to_owned(), format!("{name:?}")))
        }
    }

    /// Assembles the case, or lists everything that it lacks.
    fn case(&self, sequences: &SequenceNames, needs: Needs) -> Result<Result<CohortCase, String>, Error> {
        let id = self.id()?;
        let mut lacks = Vec::new();
        let label = match self.cell(self.columns.label) {
            _ if needs == Needs::Nothing => false,
            None => {
                lacks.push("no label".to_owned());
                false
            }
            Some(label) => grades::label(label)
                .ok_or_else(|| self.invalid("the label 0, 1, LGG or HGG".to_owned(), format!("{label:?}")))?,
        };
        let split = self.cell(self.columns.split).map(|name| {
            name.parse::<Split>().map_err(|_| {
                self.invalid("the split train, validation or test, or none".to_owned(), format!("{name:?}"))
            })
        });
        let split = split.transpose()?;
        let mut files = Vec::new();
        for (sequence, &column) in sequences.names().zip(&self.columns.sequences) {
            match self.file(Some(column)) {
                Some(Ok(file)) => files.push((sequence.to_owned(), file)),
                Some(Err(absent)) => lacks.push(format!("no {sequence} scan at {}", absent.display())),
                None => lacks.push(format!("no {sequence} scan")),
            }
        }
        let segmentation = self.file(self.columns.segmentation).transpose().unwrap_or_else(|absent| {
            lacks.push(format!("no {SEGMENTATION} at {}", absent.display()));
            None
        });
        if !lacks.is_empty() {
            return Ok(Err(lacks.join("; ")));
        }
        let group = match self.columns.group {
            None => patient(&id),
            Some(_) => self.cell(self.columns.group).unwrap_or(&id),
        };
        let group = group.to_owned();
        Ok(Ok(CohortCase { files: CaseFiles { id, sequences: files, segmentation }, group, label, split }))
    }

    /// File in a cell, or the path at which there is none; `None` if the cell is empty or its column absent. A folder that is named
    /// like a file is the file in it.
    fn file(&self, column: Option<usize>) -> Option<Result<ScanFile, PathBuf>> {
        let ScanFile { path, volume } = ScanFile::parse(self.cell(column)?);
        let path = self.path.parent().unwrap_or(Path::new("")).join(path);
        if path.is_file() {
            return Some(Ok(ScanFile { path, volume }));
        }
        Some(match scans::inside(&path).as_slice() {
            [only] => Ok(ScanFile { path: only.clone(), volume }),
            _ => Err(path),
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn mutated_manifests_are_read_without_panic() {
        let text = b"case,group,label,split,t1,flair,seg\na1,anna,1,train,a/t1.nii,a/f.nii#0,\n\
                     \"b1\",,LGG,,b/t1.nii.gz,b/f.nii,b/seg.nii\r\n";
        let names = SequenceNames::new(&["t1".to_owned()]);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..4000 {
            let mut bytes = text.to_vec();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..4) {
                    0 => bytes[at] = rng.random(),
                    1 => bytes.insert(at, b"\",\n\t\r\0\xff#"[rng.random_range(0..8)]),
                    2 if bytes.len() > 8 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(8)),
                }
            }
            let _ = parse(Path::new("absent/cohort.csv"), &bytes, &names, Needs::Class);
        }
    }

    #[test]
    fn large_manifests_take_linear_time() {
        const CASES: usize = 200_000;
        let names = SequenceNames::new(&["t1".to_owned()]);
        let rows: String = (0..CASES).map(|i| format!("P{i}_1,1,\n\n")).collect();
        let columns: String = (0..CASES).map(|i| format!(",{i}x")).collect();
        let start = std::time::Instant::now();
        let read = |text: String| parse(Path::new("cohort.csv"), text.as_bytes(), &names, Needs::Class);
        let (cohort, _) = read(format!("case,label,t1\n{rows}")).unwrap();
        assert_eq!(cohort.left_out.len(), CASES);
        assert!(read(format!("case,label,t1{columns}\n")).is_err());
        // Comparing all pairs of rows or columns would take minutes.
        assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    }
}
