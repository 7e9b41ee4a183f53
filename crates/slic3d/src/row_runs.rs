//! Runs of one label along a row of voxels: labels are smooth, so most passes over them go run by run.

/// Labels compared at once.
const LANES: usize = 8;

/// Where the run ends that begins at `start`.
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
