//! Golden vectors: a package gives here what it gave where it was made.

use offshoot_core::graph::{Element, Graph};
use offshoot_core::package::{Golden, GoldenInput, Precision};
use sha2::{Digest, Sha256};

use super::Extractor;
use crate::{Error, Frame, Signal};

/// The outcome of [`Extractor::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Golden vectors run.
    pub vectors: usize,
    /// Number of vectors that gave what they must: the same codes of an int8 package, floats
    /// within a relative error of 1e-3 of a package in float. In a mixed one floats come before
    /// codes, a value near the middle between two codes becomes the other one where it is rounded
    /// otherwise, and more follow from it: 0.2 there.
    pub passed: usize,
    /// SHA-256 over the package's id and all outputs; for int8 packages the same on every machine.
    pub digest: [u8; 32],
}

impl Verification {
    /// Returns true if every vector gave what it must.
    #[must_use]
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
            write!(
                f,
                "verify FAILED  {} of {} vectors passed  sha256:",
                self.passed, self.vectors
            )?;
        }
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Extractor {
    /// Runs the package's golden vectors, or those of the tuned tail if one is set.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let verification = Extractor::open("../models/sprout/sprout.offshoot")?.verify()?;
    /// println!("{verification}");
    /// assert!(verification.is_ok());
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    ///
    /// # Errors
    /// Errors of tract-core while the network runs.
    pub fn verify(&mut self) -> Result<Verification, Error> {
        if let Some(verification) = self.verify_tail()? {
            return Ok(verification);
        }
        let package = self.package();
        let precision = package.manifest().precision;
        let channels = package.graph().tensor(Graph::INPUT).shape.c();
        let goldens: Vec<_> =
            package.goldens().map(|golden| Owned::new(golden, channels)).collect();
        let mut hash = Sha256::new();
        hash.update(self.id.as_bytes());
        let mut passed = 0;
        for golden in &goldens {
            let embedding = match &golden.input {
                Input::Frame { width, height, rgb } => {
                    self.embed(&Frame::rgb(*width, *height, rgb)?)
                }
                Input::Tokens(ids) => self.embed_tokens(ids),
                Input::Samples(samples) => self.embed_window(samples),
                Input::Signal(samples, channels) => {
                    self.embed_signal(&Signal::float(*channels, samples)?)
                }
            };
            let got: Vec<u8> = embedding?.bytes().collect();
            hash.update(&got);
            passed += usize::from(agrees(precision, self.element, &got, &golden.output));
        }
        Ok(Verification { vectors: goldens.len(), passed, digest: hash.finalize().into() })
    }
}

/// Golden vector apart from its package, which the extractor has while it runs.
struct Owned {
    input: Input,
    output: Vec<u8>,
}

enum Input {
    Frame {
        width: u32,
        height: u32,
        rgb: Vec<u8>,
    },
    Tokens(Vec<u32>),
    Samples(Vec<i16>),
    /// Samples with their number of channels.
    Signal(Vec<f32>, usize),
}

impl Owned {
    fn new(golden: Golden<'_>, channels: usize) -> Self {
        let input = match golden.input {
            GoldenInput::Frame { width, height, rgb } => {
                Input::Frame { width: width.into(), height: height.into(), rgb: rgb.to_vec() }
            }
            GoldenInput::Tokens(ids) => Input::Tokens(ids.iter().collect()),
            GoldenInput::Samples(samples) => Input::Samples(samples.iter().collect()),
            GoldenInput::Signal(samples) => Input::Signal(samples.iter().collect(), channels),
        };
        Self { input, output: golden.output.to_vec() }
    }
}

/// Relative error that is allowed where floats are computed: of the order of sums, and of the codes
/// that follow from it, which are as near to the float network as before (a cosine of 0.98).
const FLOAT: f64 = 1e-3;
const MIXED: f64 = 0.2;

/// The engine's codes must be the same; what tract-core computes may differ.
fn agrees(precision: Precision, element: Element, got: &[u8], want: &[u8]) -> bool {
    let most = match precision {
        Precision::Int8 | Precision::Dynamic => return got == want,
        Precision::Mixed => MIXED,
        Precision::Float => FLOAT,
    };
    let got = values(element, got);
    let want = values(element, want);
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let difference: Vec<f64> = got.iter().zip(&want).map(|(g, w)| g - w).collect();
    got.len() == want.len() && norm(&difference) <= most * norm(&want)
}

fn values(element: Element, bytes: &[u8]) -> Vec<f64> {
    match element {
        Element::Int8(quant) => {
            bytes.iter().map(|&code| quant.dequantize(code as i8).into()).collect()
        }
        Element::Float => {
            let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into();
            bytes.chunks_exact(4).map(float).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use offshoot_core::quant::{Quant, Scale};

    use super::*;

    #[test]
    fn what_is_allowed_is_by_what_computes() {
        let codes = Element::Int8(Quant { scale: Scale::new(0.5).unwrap(), zero_point: -100 });
        let floats = |values: [f32; 2]| values.map(f32::to_le_bytes).concat();
        let near = |precision, by| {
            agrees(precision, Element::Float, &floats([3.0 + by, 4.0]), &floats([3.0, 4.0]))
        };
        assert!(near(Precision::Float, 0.004) && !near(Precision::Float, 0.006));
        assert!(near(Precision::Mixed, 0.9) && !near(Precision::Mixed, 1.1));
        assert!(!near(Precision::Mixed, f32::NAN));
        let shifted = |precision, by: u8| agrees(precision, codes, &[206 + by, 196], &[206, 196]);
        assert!(shifted(Precision::Mixed, 12) && !shifted(Precision::Mixed, 20));
        assert!(shifted(Precision::Int8, 0) && !shifted(Precision::Int8, 1));
        assert!(!agrees(Precision::Mixed, codes, &[206], &[206, 196]));
    }
}
