//! Checkup of a data set for a package: foreign images, separable classes, and what would help.

pub mod advice;
pub mod curve;
pub mod foreign;
pub mod held_out;

use offshoot_core::Parts;
use offshoot_core::graph::TensorId;
use offshoot_core::statistics::Appearance;

use curve::Curve;
use foreign::{Distance, ImageFault};
use held_out::{HeldOut, PartGate};

/// Samples of a data set as a package sees them.
#[derive(Debug, Default)]
pub struct Seen {
    /// Class of each sample.
    pub labels: Vec<usize>,
    /// Number of classes.
    pub classes: usize,
    /// Statistics of each image at the size of the network's input; none for texts.
    pub images: Vec<Appearance>,
    /// Columns and rows of each image; none for texts.
    pub sizes: Vec<[u32; 2]>,
    /// Depths in the order of the network, the embedding last.
    pub depths: Vec<DepthValues>,
    /// First value of each part of the embedding; empty if it is not divided.
    pub parts: Vec<usize>,
}

/// Values of all samples at one depth.
#[derive(Debug, Default)]
pub struct DepthValues {
    /// Tensor of the package's graph.
    pub tensor: TensorId,
    /// Name of the layer.
    pub name: String,
    /// Rows of the feature map.
    pub rows: usize,
    /// Number of values of a sample.
    pub len: usize,
    /// Values, sample by sample.
    pub values: Vec<f32>,
}

/// Findings of a checkup.
#[derive(Debug)]
pub struct Checkup {
    /// Distance from the calibration set at each depth; none if the package states no statistics.
    pub distances: Vec<Distance>,
    /// Statistics in which the images differ from the calibration set, or from any photograph.
    pub faults: Vec<ImageFault>,
    /// Accuracy on held-out samples at each depth, the embedding last.
    pub depths: Vec<HeldOut>,
    /// Comparison of the embedding with all depths joined; none for one depth.
    pub gate: Option<PartGate>,
    /// Learning curve.
    pub curve: Curve,
}

impl Checkup {
    /// Measures the samples; `step` is called after each of [`Checkup::steps`].
    ///
    /// # Errors
    /// Fails if there are more classes or samples than a head holds.
    pub fn of(
        seen: &Seen,
        domain: Option<&offshoot_core::package::Domain<'_>>,
        input: [u32; 2],
        mut step: impl FnMut(),
    ) -> Result<Self, offshoot::Error> {
        let distances = domain.map_or_else(Vec::new, |domain| foreign::distances(seen, domain));
        let faults = foreign::faults(seen, domain, input);
        let views = seen.views();
        let mut depths = Vec::new();
        for view in &views {
            let single = Parts::single(view.len);
            let found = held_out::ridge(&view.values, single, &seen.labels, seen.classes)?;
            depths.push(HeldOut { name: view.name.clone(), rows: view.rows, ..found });
            step();
        }
        let gate = match views.len() {
            0 | 1 => None,
            _ => Some(held_out::gate(&views, &seen.labels, seen.classes)?),
        };
        step();
        let joined = gate.as_ref().filter(|gate| gate.reads_all && seen.has_parts());
        let curve = match (joined, views.last()) {
            (Some(_), _) | (None, None) => {
                let (values, parts) = held_out::joined(&views);
                Curve::measure(&values, parts, &seen.labels, seen.classes)?
            }
            (None, Some(last)) => {
                let single = Parts::single(last.len);
                Curve::measure(&last.values, single, &seen.labels, seen.classes)?
            }
        };
        step();
        Ok(Self { distances, faults, depths, gate, curve })
    }

    /// Number of steps of a checkup.
    pub fn steps(seen: &Seen) -> usize {
        seen.depths.len().max(seen.parts.len()) + 2
    }
}

impl Seen {
    /// Returns true if the package's embedding joins several depths.
    pub fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Returns the depths, or the parts of an embedding that joins several.
    fn views(&self) -> Vec<DepthValues> {
        let copy = |depth: &DepthValues| DepthValues {
            name: depth.name.clone(),
            values: depth.values.clone(),
            ..*depth
        };
        let Some(embedding) = self.depths.last().filter(|_| self.has_parts()) else {
            return self.depths.iter().map(copy).collect();
        };
        let ends = self.parts.iter().skip(1).copied().chain([embedding.len]);
        let ranges = self.parts.iter().copied().zip(ends);
        let views = ranges.enumerate().map(|(part, (start, end))| DepthValues {
            name: format!("part {}", part + 1),
            len: end - start,
            values: embedding
                .values
                .chunks_exact(embedding.len)
                .flat_map(|row| &row[start..end])
                .copied()
                .collect(),
            ..DepthValues::default()
        });
        views.collect()
    }
}
