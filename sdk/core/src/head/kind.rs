//! Kinds of heads, and the settings of their fits.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Algorithm of a head.
///
/// All are fitted to the same kept samples; `n` samples, `k` classes, `d` dimensions. Products of
/// samples, `n * d` for a new sample, are kept from one fit to the next. The costs below are for
/// `n <= d`. With more samples than dimensions heads are solved in dimensions: `n * d^2 / 2` for
/// products of dimensions, the same again for held-out scores, `d` in place of `n` in the cubes
/// below, and `n * d * k` for every pass over the samples. `sdk/docs/heads.md` has measured times,
/// bytes and accuracies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadKind {
    /// Nearest class mean by angle: weight imprinting (Qi, Brown and Lowe 2018), the head of
    /// Coral's `ImprintingEngine`. `n * d` to fit; least memory; the order of the samples changes
    /// no bit. For one or two samples per class.
    NearestMean = 0,
    /// Softmax (multinomial logistic) regression with weight decay, solved to the optimum by
    /// conjugate gradients. About `60 * n^2 * k` to fit, six times that with calibrated
    /// confidences. For classes that are well separated.
    Softmax = 1,
    /// Least squares with weight decay (ridge regression, Hoerl and Kennard 1970) and exact
    /// leave-one-out (Allen 1974). A class counts as the root of its number of samples.
    /// `2 / 3 * n^3` to fit. Accurate for overlapping classes.
    Ridge = 2,
    /// Linear discriminant analysis with one shrunk covariance, the head of streaming LDA (Hayes
    /// and Kanan 2020). `2 / 3 * n^3` to fit. Classes have equal weight: for very uneven numbers of
    /// samples.
    Slda = 3,
    /// k-NN: the five nearest samples by angle vote (Fix and Hodges 1951). `n^2` to fit, `n * d` to
    /// answer. For classes with several appearances and many samples.
    Knn = 4,
    /// Ridge regression or LDA at the regularization and transform that make the held-out samples
    /// most likely, or class means or k-NN if they are clearly more often right; see
    /// [`Head::chosen`](super::Head::chosen). About eight fits.
    Auto = 5,
}

impl HeadKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::NearestMean, Self::Softmax, Self::Ridge, Self::Slda, Self::Knn, Self::Auto];

    /// Returns the name that [`FromStr`] parses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NearestMean => "ncm",
            Self::Softmax => "softmax",
            Self::Ridge => "ridge",
            Self::Slda => "slda",
            Self::Knn => "knn",
            Self::Auto => "auto",
        }
    }

    /// Returns true if the answer is linear in the embedding, so that dimensions have weights.
    #[must_use]
    pub fn is_linear(self) -> bool {
        self != Self::Knn
    }

    /// Returns true if fitting takes a second matrix of the samples' products.
    pub(super) const fn solves(self) -> bool {
        !matches!(self, Self::NearestMean | Self::Knn)
    }
}

impl fmt::Display for HeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Error of parsing: the text names no kind of head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown head, available are auto, ncm, softmax, ridge, slda and knn")]
pub struct UnknownHeadKind;

impl FromStr for HeadKind {
    type Err = UnknownHeadKind;

    /// Parses a [`HeadKind::name`], and `nearest-mean` for `ncm`.
    fn from_str(text: &str) -> Result<Self, UnknownHeadKind> {
        let text = if text == "nearest-mean" { "ncm" } else { text };
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownHeadKind)
    }
}

/// Transform of an embedding's L2 norm before a head sees it; `m` is the mean norm of the samples.
///
/// With one sample per class a norm says little: [`Transform::Quarter`] wins two to five points
/// over [`Transform::Raw`] on ants, bees and animals. With several samples of well separated
/// classes the norm itself is informative. Centring is part of the heads (the bias is free). The
/// signed square root of each value was measured too and left out: it won up to half a point on
/// CIFAR-10 and lost more on ants, bees and animals with few samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Transform {
    /// `x / m`: unchanged up to a common factor.
    Raw = 0,
    /// `x / sqrt(m * |x|)`: half way to L2 normalization.
    Half = 1,
    /// `x / |x|`: L2 normalization.
    Unit = 2,
    /// `x / (m * |x|^3)^(1/4)`: three quarters of the way to L2 normalization.
    Quarter = 3,
}

impl Transform {
    /// All transforms.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Half, Self::Unit, Self::Quarter];
}

/// Kind of head with all settings of its fit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recipe {
    /// Kind of the head.
    pub kind: HeadKind,
    /// Transform of L2 norms.
    pub transform: Transform,
    /// Inverse L2 regularization: weight of the samples against the weight decay. For softmax this
    /// is scikit-learn's `C`; for ridge and LDA the decay is the variance of the samples divided by
    /// it.
    pub inverse_l2: f32,
}

impl Recipe {
    /// Returns the best known recipe of a kind; measured on ants and bees, four animals and
    /// CIFAR-10 under MobileNetV2, 1 to 200 samples per class.
    #[must_use]
    pub const fn of(kind: HeadKind) -> Self {
        let (transform, inverse_l2) = match kind {
            HeadKind::NearestMean | HeadKind::Knn => (Transform::Unit, 1.0),
            HeadKind::Softmax => (Transform::Half, 10.0),
            HeadKind::Ridge | HeadKind::Slda | HeadKind::Auto => (Transform::Quarter, 1.0),
        };
        Self { kind, transform, inverse_l2 }
    }
}
