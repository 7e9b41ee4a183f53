//! The face neighbours of a voxel.

/// Iterates over the voxels that share a face with `voxel`, in the order x − 1, x + 1, y − 1, y + 1, z − 1, z + 1.
pub(super) fn neighbours([depth, height, width]: [usize; 3], voxel: usize) -> impl Iterator<Item = usize> {
    let plane = height * width;
    let (z, y, x) = (voxel / plane, voxel / width % height, voxel % width);
    let all = [
        (x > 0, voxel.wrapping_sub(1)),
        (x + 1 < width, voxel + 1),
        (y > 0, voxel.wrapping_sub(width)),
        (y + 1 < height, voxel + width),
        (z > 0, voxel.wrapping_sub(plane)),
        (z + 1 < depth, voxel + plane),
    ];
    all.into_iter().filter_map(|(exists, there)| exists.then_some(there))
}
