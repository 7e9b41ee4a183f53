//! When the voxels of a row fill vectors better than the output channels do.

/// Most output channels of a kernel with voxels in its lanes.
const MOST: usize = 8;

/// Rows of few output channels, with their voxels in the lanes.
#[derive(Clone, Copy)]
pub(super) struct FewOutputs {
    pub(super) outputs: usize,
    pub(super) width: usize,
    /// The width in whole vectors.
    pub(super) padded: usize,
}

impl FewOutputs {
    /// Returns rows of this form, if they take fewer steps than with channels in the lanes. Steps between voxels must be 1.
    pub(super) fn of(outputs: usize, width: usize, x_stride: usize, lanes: usize) -> Option<FewOutputs> {
        let padded = width.next_multiple_of(lanes);
        let fewer = outputs * padded < outputs.next_multiple_of(lanes) * width;
        (x_stride == 1 && outputs <= MOST.min(lanes / 2) && fewer).then_some(FewOutputs {
            outputs,
            width,
            padded,
        })
    }

    /// Returns the number of values of a row, `[channel][x]`.
    pub(super) fn len(&self) -> usize {
        self.outputs * self.padded
    }

    /// Returns the values of one channel.
    pub(super) fn channel<'a>(&self, row: &'a [f32], channel: usize) -> &'a [f32] {
        &row[channel * self.padded..][..self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voxels_fill_the_lanes_where_channels_do_less() {
        let padded = |outputs, width, stride, lanes| {
            FewOutputs::of(outputs, width, stride, lanes).map(|few| few.padded)
        };
        assert_eq!(padded(8, 56, 1, 16), Some(64));
        assert_eq!(padded(8, 7, 1, 16), None);
        assert_eq!(padded(8, 9, 1, 16), Some(16));
        assert_eq!(padded(8, 56, 2, 16), None);
        assert_eq!(padded(8, 56, 1, 8), None);
        assert_eq!(padded(9, 64, 1, 16), None);
        assert_eq!(padded(3, 64, 1, 4), None);
        assert_eq!(padded(1, 8, 1, 4), Some(8));
    }
}
