//! Mapping between the scan's grid and the network's.

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis, s};

use crate::resampling::{AxisMap, LARGEST_GRID, TIE_VOXELS};
use crate::turn::Turn;
use crate::{Error, Geometry, Orientation, Spacing, ValidPreprocess, Volume};

/// The network's grid as a part of a scan: the scan is turned to the network's orientation, resampled to its spacing
/// around the same centre, and cropped around the centre (padded where it is smaller); `downsample`³ voxels of the crop
/// are one network voxel.
///
/// [`to_network`](Frame::to_network) maps volumes on the scan's grid to the network's, [`to_scan`](Frame::to_scan) maps
/// them back; both take the nearest voxel and are meant for maps, masks and labels. Intensities are interpolated and
/// averaged instead, by [`Study::load`](crate::Study::load).
///
/// Unless the scan is resampled, a volume on the network's grid survives the round trip through the scan's grid, except
/// for voxels that lie entirely outside the scan, which become 0. A volume on the scan's grid survives the opposite round
/// trip inside the crop if nothing is resampled or downsampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    scan: Geometry,
    turn: Turn,
    /// Axes of the turned scan: z, y, x.
    axes: [AxisMap; 3],
    crop: [usize; 3],
    downsample: usize,
    /// Whether the settings require an orientation other than the stored one.
    is_oriented: bool,
}

impl Frame {
    /// Creates the frame of a scan's centre crop. A crop of c voxels from n starts at ⌊n/2⌋ − ⌊c/2⌋; of a smaller scan,
    /// ⌊(c − n)/2⌋ voxels of padding come first, as with MONAI's `ResizeWithPadOrCrop`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the settings name an orientation and the scan does not state its own (see
    /// [`Geometry::has_orientation`]), or if the scan has more than 1 048 576 voxels along an axis at the settings' spacing.
    pub fn centred(scan: Geometry, preprocess: &ValidPreprocess) -> Result<Self, Error> {
        let orientation = preprocess.orientation();
        if orientation != Orientation::Stored && !scan.has_orientation() {
            return Err(Error::InvalidSetting {
                setting: "orientation",
                expected:
                    "\"stored\" for a scan whose header states no orientation (sform and qform codes 0)"
                        .to_owned(),
                found: orientation.to_string(),
            });
        }
        let turn = Turn::of(&scan, orientation);
        let (crop, downsample) = (preprocess.crop(), preprocess.downsample());
        let (shape, spacing) = (turn.reorder(scan.shape), turn.reorder(scan.spacing_mm));
        let ratio = |axis: usize| match preprocess.spacing() {
            Spacing::Stored => 1.0,
            Spacing::Millimetres(mm) => mm[axis] / spacing[axis],
        };
        let axis = |axis: usize| {
            AxisMap::centred(shape[axis], ratio(axis), crop[axis], downsample).ok_or_else(|| {
                Error::InvalidSetting {
                    setting: "spacing_mm",
                    expected: format!("a spacing that divides the scan into 1 to {LARGEST_GRID} voxels"),
                    found: format!(
                        "{} mm for {} voxels of {} mm",
                        ratio(axis) * spacing[axis],
                        shape[axis],
                        spacing[axis]
                    ),
                }
            })
        };
        let axes = [axis(0)?, axis(1)?, axis(2)?];
        let is_oriented = orientation != Orientation::Stored;
        Ok(Self { scan, turn, axes, crop, downsample, is_oriented })
    }

    /// Creates the frame of a scan that is the network's input as it is.
    pub(crate) fn whole(scan: Geometry) -> Result<Self, Error> {
        let axis = |n: usize| {
            let range = || Error::InvalidSetting {
                setting: "shape",
                expected: format!("axes of 1 to {LARGEST_GRID} voxels"),
                found: n.to_string(),
            };
            let axis = AxisMap::centred(n, 1.0, n, 1).filter(|_| (1..=LARGEST_GRID).contains(&n));
            axis.ok_or_else(range)
        };
        let crop = scan.shape;
        let axes = [axis(crop[0])?, axis(crop[1])?, axis(crop[2])?];
        Ok(Self { turn: Turn::IDENTITY, axes, crop, downsample: 1, scan, is_oriented: false })
    }

    /// The frame of another file of the case, whose turned grid is this frame's up to rounding.
    pub(crate) fn of_file(&self, file: Self) -> Self {
        Self { scan: file.scan, turn: file.turn, ..self.clone() }
    }

    /// Grid of the scan.
    pub fn scan(&self) -> &Geometry {
        &self.scan
    }

    /// Index of the voxel of the oriented and resampled scan at which the crop starts, z, y, x; negative where the scan is
    /// padded.
    pub fn start(&self) -> [isize; 3] {
        self.axes.map(|axis| axis.start())
    }

    /// Shape of the oriented and resampled scan, z, y, x.
    pub fn resampled_shape(&self) -> [usize; 3] {
        self.axes.each_ref().map(AxisMap::grid)
    }

    /// Size of the crop in voxels of the oriented and resampled scan, z, y, x.
    pub fn crop(&self) -> [usize; 3] {
        self.crop
    }

    /// Voxels of the crop per network voxel along each axis.
    pub fn downsample(&self) -> usize {
        self.downsample
    }

    /// Shape of the network's grid, z, y, x.
    pub fn shape(&self) -> [usize; 3] {
        self.crop.map(|n| n / self.downsample)
    }

    /// Returns whether the stored axes are permuted or flipped.
    pub fn is_turned(&self) -> bool {
        !self.turn.is_identity()
    }

    /// Returns whether the scan is resampled to another spacing.
    pub fn is_resampled(&self) -> bool {
        self.axes.iter().any(AxisMap::is_resampled)
    }

    /// Position of the network's grid in the scanner's coordinate system.
    pub fn geometry(&self) -> Geometry {
        self.grid().window(self.start(), self.crop, self.downsample)
    }

    /// Grid of the turned scan.
    pub(crate) fn oriented(&self) -> Geometry {
        self.turn.geometry(&self.scan)
    }

    /// The oriented and resampled grid.
    fn grid(&self) -> Geometry {
        let turned = self.oriented();
        if !self.is_resampled() {
            return turned;
        }
        let first = turned.world(self.axes.map(|axis| axis.scan_position(0.0)));
        let mut rows = turned.world_from_voxel;
        for (world, row) in rows.iter_mut().enumerate() {
            for axis in 0..3 {
                row[2 - axis] *= self.axes[axis].ratio();
            }
            row[3] = first[world];
        }
        Geometry::from_affine(self.axes.map(|axis| axis.grid()), rows)
    }

    /// Maps a volume on the network's grid to the scan's grid: each scan voxel takes the value of the network voxel
    /// that contains its centre, and 0 outside the crop.
    ///
    /// # Shapes
    /// `map`: `[z, y, x]` of [`Frame::shape`]; the result has the scan's shape.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if `map` is not on the network's grid.
    pub fn to_scan<T: Copy + Default>(&self, map: ArrayView3<T>) -> Result<Volume<T>, Error> {
        require_shape("volume on the network's grid", self.shape(), map.shape())?;
        let mut turned = Array3::from_elem(self.turn.reorder(self.scan.shape), T::default());
        let [zs, ys, xs] = self.axes.map(|axis| axis.covered_scan());
        let [z_of, y_of, x_of] = self.network_indices();
        for z in zs {
            for y in ys.clone() {
                let from = map.slice(s![z_of[z], y_of[y], ..]);
                let mut to = turned.slice_mut(s![z, y, ..]);
                for x in xs.clone() {
                    to[x] = from[x_of[x]];
                }
            }
        }
        let voxels = match self.is_turned() {
            true => self.turn.undo(turned.view()).as_standard_layout().into_owned(),
            false => turned,
        };
        Ok(Volume { voxels, geometry: self.scan.clone() })
    }

    /// Maps a volume on the scan's grid to the network's grid: each network voxel takes the value of the scan voxel
    /// nearest to its centre, or to that of its part inside the resampled scan (of two equally near ones, the first), and 0 if
    /// it lies entirely outside.
    ///
    /// # Shapes
    /// `scan`: `[z, y, x]` of the scan; the result has the shape of [`Frame::shape`].
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if `scan` is not on the scan's grid.
    pub fn to_network<T: Copy + Default>(&self, scan: ArrayView3<T>) -> Result<Array3<T>, Error> {
        require_shape("volume on the scan's grid", self.scan.shape, scan.shape())?;
        let scan = self.turn.apply(scan);
        let shape = self.shape();
        let nearest: [Vec<Option<usize>>; 3] =
            std::array::from_fn(|axis| (0..shape[axis]).map(|i| self.axes[axis].nearest_scan(i)).collect());
        Ok(Array3::from_shape_fn(shape, |(z, y, x)| match (nearest[0][z], nearest[1][y], nearest[2][x]) {
            (Some(z), Some(y), Some(x)) => scan[[z, y, x]],
            _ => T::default(),
        }))
    }

    /// Maps labels on any grid to the network's grid: each network voxel takes the label of the voxel nearest to its centre
    /// in the scanner's coordinate system (of two equally near ones along an axis, the first), and `outside` where the labels
    /// do not reach. Labels on the scan's voxels, in any orientation, are mapped as [`Frame::to_network`] maps them.
    ///
    /// Labels whose file states no orientation (see [`Geometry::has_orientation`]) are taken voxel by voxel if they have the
    /// scan's shape and spacing, and the scan states none either or the settings take it as stored.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the labels do not overlap the network's grid, or state no orientation and can't be
    /// taken voxel by voxel, and [`Error::ShapeMismatch`] if the volume is not on its own grid.
    pub fn labels_to_network(&self, labels: &Volume<u32>, outside: u32) -> Result<Array3<u32>, Error> {
        let network = self.geometry();
        let (shape, voxels) = (labels.geometry.shape, labels.voxels.view());
        require_shape("labels", shape, voxels.shape())?;
        if self.takes_as_stored(&labels.geometry)? {
            let taken = self.to_network(labels.voxels.mapv(Some).view())?;
            return Ok(taken.mapv(|label| label.unwrap_or(outside)));
        }
        if labels.geometry.same_grid(&network) {
            return Ok(labels.voxels.clone());
        }
        let oriented = self.oriented();
        let turn = Turn::of(&labels.geometry, Orientation::Codes(oriented.axis_codes()));
        if turn.geometry(&labels.geometry).same_grid(&oriented) {
            let frame = Self { scan: labels.geometry.clone(), turn, ..self.clone() };
            let taken = frame.to_network(labels.voxels.mapv(Some).view())?;
            return Ok(taken.mapv(|label| label.unwrap_or(outside)));
        }
        let no_overlap = || Error::InvalidSetting {
            setting: "labels",
            expected: "labels that overlap the scan in the scanner's coordinates".to_owned(),
            found: format!(
                "none inside the crop; their first voxel is at {:.1?} mm",
                labels.geometry.world([0.0; 3])
            ),
        };
        let mut inside = 0_usize;
        let mut taken = Array3::from_elem(self.shape(), outside);
        for ((z, y, x), taken) in taken.indexed_iter_mut() {
            let at =
                labels.geometry.voxel(network.world([z, y, x].map(|i| i as f64))).ok_or_else(no_overlap)?;
            let at = at.map(|position| (position - 0.5 - TIE_VOXELS).ceil());
            if at.iter().zip(shape).all(|(&position, n)| (0.0..n as f64).contains(&position)) {
                *taken = voxels[at.map(|position| position as usize)];
                inside += 1;
            }
        }
        if inside == 0 { Err(no_overlap()) } else { Ok(taken) }
    }

    /// Returns labels in the order of the scan's voxels, as [`Volume::on_grid`] does. Labels whose file states no orientation
    /// are taken as by [`Frame::labels_to_network`].
    ///
    /// # Shapes
    /// The result has the scan's shape, `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the labels are on another grid, or state no orientation and can't be taken voxel by
    /// voxel, and [`Error::ShapeMismatch`] if the volume is not on its own grid.
    pub fn labels_to_scan(&self, labels: &Volume<u32>) -> Result<Array3<u32>, Error> {
        require_shape("labels", labels.geometry.shape, labels.voxels.shape())?;
        if self.takes_as_stored(&labels.geometry)? {
            return Ok(labels.voxels.clone());
        }
        let voxels = |[z, y, x]: [usize; 3]| format!("{x} x {y} x {z} voxels");
        labels.on_grid(&self.scan).ok_or_else(|| Error::InvalidSetting {
            setting: "labels",
            expected: format!("the grid of the scan, {} (x, y, z)", voxels(self.scan.shape)),
            found: format!("another, {}", voxels(labels.geometry.shape)),
        })
    }

    /// Returns whether labels of unknown orientation are taken voxel by voxel. `false` leaves them to their affine.
    fn takes_as_stored(&self, labels: &Geometry) -> Result<bool, Error> {
        if labels.has_orientation() {
            return Ok(false);
        }
        let scan_states_one = self.scan.has_orientation();
        let stored = Geometry::unoriented(self.scan.shape, self.scan.spacing_mm);
        if !(scan_states_one && self.is_oriented) && labels.same_grid(&stored) {
            return Ok(true);
        }
        if !scan_states_one {
            return Ok(false);
        }
        Err(Error::InvalidSetting {
            setting: "labels",
            expected: "sform or qform with a code, which says how its voxels lie".to_owned(),
            found: "both codes 0".to_owned(),
        })
    }

    /// Computes the share of a mask's voxels that lie outside the crop, and are not seen by the network; `None` if the mask is
    /// empty.
    ///
    /// # Shapes
    /// `mask`: `[z, y, x]` of the scan.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if `mask` is not on the scan's grid.
    pub fn share_outside_crop(&self, mask: ArrayView3<bool>) -> Result<Option<f64>, Error> {
        require_shape("mask on the scan's grid", self.scan.shape, mask.shape())?;
        let (all, inside) = self.count_inside(self.turn.apply(mask));
        Ok((all > 0).then(|| (all - inside) as f64 / all as f64))
    }

    /// Views a volume on the scan's grid in the network's orientation.
    pub(crate) fn turned<'a, T>(&self, scan: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        self.turn.apply(scan)
    }

    /// Calls `visit` for each voxel of a turned scan inside the crop, z, y, x, with the index of the network voxel that
    /// contains it.
    pub(crate) fn for_each_voxel<T: Copy>(
        &self,
        turned: ArrayView3<T>,
        mut visit: impl FnMut([usize; 3], T),
    ) {
        let [zs, ys, xs] = self.axes.map(|axis| axis.covered_scan());
        let [z_of, y_of, x_of] = self.network_indices();
        for z in zs {
            for y in ys.clone() {
                let row = turned.slice(s![z, y, xs.clone()]);
                for (x, &value) in xs.clone().zip(row) {
                    visit([z_of[z], y_of[y], x_of[x]], value);
                }
            }
        }
    }

    /// Network voxel of each scan voxel by axis; 0 outside the crop.
    fn network_indices(&self) -> [Vec<usize>; 3] {
        let shape = self.turn.reorder(self.scan.shape);
        std::array::from_fn(|axis| {
            let covered = self.axes[axis].covered_scan();
            let index = |i| if covered.contains(&i) { self.axes[axis].network_index(i) } else { 0 };
            (0..shape[axis]).map(index).collect()
        })
    }

    /// Resamples the turned scan to the grid inside the crop, one axis after the other. `add` adds a weighted plane.
    fn resample<T: Copy + Default>(
        &self,
        turned: ArrayView3<T>,
        add: impl Fn(ArrayViewMut2<T>, f32, ArrayView2<T>),
    ) -> Array3<T> {
        let mut current = turned.to_owned();
        for axis in 0..3 {
            let map = self.axes[axis];
            let covered = map.covered_grid();
            let mut shape = <[usize; 3]>::from(current.dim());
            shape[axis] = covered.len();
            let mut next = Array3::from_elem(shape, T::default());
            for (mut plane, grid) in next.axis_iter_mut(Axis(axis)).zip(covered) {
                let (first, weights) = map.weights(grid);
                for (offset, weight) in weights.into_iter().enumerate() {
                    add(plane.view_mut(), weight, current.index_axis(Axis(axis), first + offset));
                }
            }
            current = next;
        }
        current
    }

    /// Resamples intensities of the turned scan and averages them over the blocks of the network's grid; 0 is padding.
    pub(crate) fn interpolate(&self, turned: ArrayView3<f32>) -> Array3<f32> {
        let current = self.resample(turned, |mut sum, weight, plane| sum.scaled_add(weight, &plane));
        let mut image = Array3::zeros(self.shape());
        self.for_each_grid_voxel(current.view(), |at, value| image[at] += value);
        if self.downsample > 1 {
            let block = self.downsample.pow(3) as f32;
            image.mapv_inplace(|v: f32| v / block);
        }
        image
    }

    /// Resamples a mask of the turned scan to the network's grid: any voxel that contributes to a network voxel sets it.
    pub(crate) fn spread(&self, turned: ArrayView3<bool>) -> Array3<bool> {
        let current = self.resample(turned, |mut set, weight, plane: ArrayView2<bool>| {
            if weight > 0.0 {
                set.zip_mut_with(&plane, |all, one| *all |= one);
            }
        });
        let mut mask = Array3::from_elem(self.shape(), false);
        self.for_each_grid_voxel(current.view(), |at, value: bool| mask[at] |= value);
        mask
    }

    /// Counts the labelled voxels in each block of the network's grid, each grid voxel taking the nearest label.
    pub(crate) fn count_labelled(&self, turned: ArrayView3<u32>) -> Array3<u32> {
        let mut counts = Array3::<u32>::zeros(self.shape());
        if !self.is_resampled() {
            self.for_each_voxel(turned, |at, label| counts[at] += u32::from(label > 0));
            return counts;
        }
        let covered = self.axes.map(|axis| axis.covered_grid());
        let nearest: [Vec<usize>; 3] = std::array::from_fn(|axis| {
            covered[axis].clone().map(|grid| self.axes[axis].nearest_scan_of_grid(grid)).collect()
        });
        let shape: [usize; 3] = std::array::from_fn(|axis| nearest[axis].len());
        let labels = Array3::<u32>::from_shape_fn(shape, |(z, y, x)| {
            turned[[nearest[0][z], nearest[1][y], nearest[2][x]]]
        });
        self.for_each_grid_voxel(labels.view(), |at, label| counts[at] += u32::from(label > 0));
        counts
    }

    /// Calls `visit` for each grid voxel of the crop with its network voxel. `covered` holds the grid inside the crop.
    fn for_each_grid_voxel<T: Copy>(&self, covered: ArrayView3<T>, mut visit: impl FnMut([usize; 3], T)) {
        let [zs, ys, xs] = self
            .axes
            .map(|axis| axis.covered_grid().map(|grid| axis.network_index_of_grid(grid)).collect::<Vec<_>>());
        for ((z, y, x), &value) in covered.indexed_iter() {
            visit([zs[z], ys[y], xs[x]], value);
        }
    }

    /// Counts the set voxels of a turned mask, and those inside the crop.
    pub(crate) fn count_inside(&self, turned: ArrayView3<bool>) -> (usize, usize) {
        let count = |mask: ArrayView3<bool>| mask.iter().filter(|set| **set).count();
        let [zs, ys, xs] = self.axes.map(|axis| axis.covered_scan());
        (count(turned), count(turned.slice(s![zs, ys, xs])))
    }
}

fn require_shape(what: &'static str, expected: [usize; 3], found: &[usize]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch { what, expected: expected.to_vec(), found: found.to_vec() })
}
