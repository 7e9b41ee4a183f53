//! Labels of a segmentation in progress: the value of unassigned voxels, and runs of one label along a row.
//!
//! Labels are smooth, so that most passes over them go run by run.

/// The label of a voxel that no cluster has reached, or that lies outside the mask.
pub(crate) const UNASSIGNED: u32 = u32::MAX;

/// Number of labels compared at once.
const LANES: usize = 8;

/// Returns the end of the run that begins at `start`.
#[inline]
pub(crate) fn run_end(row: &[u32], start: usize) -> usize {
    let label = row[start];
    let (chunks, _) = row[start..].as_chunks::<LANES>();
    let same = |chunk: &&[u32; LANES]| chunk.iter().fold(0, |differ, &there| differ | (there ^ label)) == 0;
    let end = start + LANES * chunks.iter().take_while(same).count();
    end + row[end..].iter().take_while(|&&there| there == label).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_the_label_changes() {
        for length in 1..40 {
            for change in 1..=length {
                let row: Vec<u32> = (0..length).map(|x| u32::from(x >= change)).collect();
                for start in 0..length {
                    assert_eq!(run_end(&row, start), if start < change { change } else { length });
                }
            }
        }
    }
}
