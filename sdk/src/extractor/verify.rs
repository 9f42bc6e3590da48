//! Whether a package gives here what it gave where it was made.

use offshoot_core::Frame;
use offshoot_core::graph::Element;
use offshoot_core::package::Precision;
use sha2::{Digest, Sha256};

use super::Extractor;
use crate::Error;

/// The outcome of [`Extractor::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Golden vectors run.
    pub vectors: usize,
    /// How many gave what they must: the same codes of an int8 package, floats within a relative
    /// error of 1e-3, codes of a mixed package within one step on average.
    pub passed: usize,
    /// SHA-256 over the package's id and all outputs; for int8 packages the same on every machine.
    pub digest: [u8; 32],
}

impl Verification {
    /// Whether every vector gave what it must.
    pub fn is_ok(&self) -> bool {
        self.passed == self.vectors
    }
}

/// One line, to be compared by eye between two machines.
impl std::fmt::Display for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_ok() {
            write!(f, "verify ok  {} vectors  sha256:", self.vectors)?;
        } else {
            write!(f, "verify FAILED  {} of {} vectors passed  sha256:", self.passed, self.vectors)?;
        }
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Extractor {
    /// Runs the package's golden vectors.
    ///
    /// # Errors
    /// What tract-core reports.
    pub fn verify(&mut self) -> Result<Verification, Error> {
        let package = self.package();
        let precision = package.manifest().precision;
        let takes_text = package.text().is_some();
        let goldens: Vec<_> = package
            .goldens()
            .map(|g| (g.width.into(), g.height.into(), g.rgb.to_vec(), g.ids().collect(), g.output.to_vec()))
            .collect();
        let mut hash = Sha256::new();
        hash.update(self.id);
        let mut passed = 0;
        for (width, height, rgb, ids, want) in &goldens {
            let ids: &Vec<u32> = ids;
            let embedding = if takes_text {
                self.embed_tokens(ids)
            } else {
                self.embed(&Frame::rgb(*width, *height, rgb).expect("checked when it was opened"))
            };
            let got: Vec<u8> = embedding?.bytes().collect();
            hash.update(&got);
            passed += usize::from(agrees(precision, self.element, &got, want));
        }
        Ok(Verification { vectors: goldens.len(), passed, digest: hash.finalize().into() })
    }
}

/// The engine's codes must be the same; what tract-core computes may differ by what the order of
/// a sum changes.
fn agrees(precision: Precision, element: Element, got: &[u8], want: &[u8]) -> bool {
    match (precision, element) {
        (Precision::Int8, _) => got == want,
        (_, Element::Int8(_)) => {
            let steps: u64 =
                got.iter().zip(want).map(|(&g, &w)| u64::from((g as i8).abs_diff(w as i8))).sum();
            got.len() == want.len() && steps <= got.len() as u64
        }
        (_, Element::Float) => {
            let (got, want) = (floats(got), floats(want));
            let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let difference: Vec<f32> = got.iter().zip(&want).map(|(g, w)| g - w).collect();
            got.len() == want.len() && norm(&difference) <= 1e-3 * norm(&want)
        }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
