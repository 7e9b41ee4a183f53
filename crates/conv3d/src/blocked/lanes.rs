//! Channels by their place in memory, and dense weights.

use super::window::BLOCK;

/// Dense weights and bias of a convolution.
#[derive(Clone, Copy)]
pub struct Dense<'a> {
    /// Weights `[o, i, kz, ky, kx]`.
    pub weights: &'a [f32],
    /// One value per output channel.
    pub bias: &'a [f32],
}

/// Channels of an input voxel's values, block by block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Values of a voxel in one block.
    pub pitch: usize,
    /// Channel of each value; `None` for padding.
    pub channels: Vec<Option<usize>>,
}

impl Lanes {
    /// Returns the layout of an image, which is not padded to a block if it has fewer channels.
    pub fn image(channels: usize) -> Lanes {
        if channels < BLOCK {
            return Lanes { pitch: channels, channels: (0..channels).map(Some).collect() };
        }
        Lanes::parts(&[channels])
    }

    /// Returns the layout of concatenated layers, each padded to whole blocks.
    pub fn parts(parts: &[usize]) -> Lanes {
        let mut channels = Vec::new();
        let mut next = 0;
        for &part in parts {
            channels.extend((next..next + part).map(Some));
            channels.resize(channels.len().next_multiple_of(BLOCK), None);
            next += part;
        }
        Lanes { pitch: BLOCK, channels }
    }

    /// Returns the number of blocks.
    pub fn blocks(&self) -> usize {
        self.channels.len() / self.pitch
    }

    /// Returns the number of channels.
    pub fn count(&self) -> usize {
        self.channels.iter().flatten().count()
    }

    /// Arranges one value per channel by lane, with zeros for padding.
    pub fn arrange(&self, by_channel: &[f32]) -> Vec<f32> {
        self.channels.iter().map(|channel| channel.map_or(0.0, |channel| by_channel[channel])).collect()
    }
}
