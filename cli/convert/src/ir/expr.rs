//! Formula of one value: activations as taken apart by exporters.

use offshoot_core::graph::{Binary, Unary};

/// Formula of one value.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Value itself.
    Input,
    /// Function of a formula.
    Unary(Unary, Box<Self>),
    /// Function of a formula and a constant, which is the second operand.
    Constant(Binary, f32, Box<Self>),
    /// Function of two formulas.
    Binary(Binary, Box<Self>, Box<Self>),
}

impl Expr {
    /// Returns limits.
    pub fn clamp(lo: f32, hi: f32) -> Self {
        Self::Unary(Unary::Clamp { lo, hi }, Box::new(Self::Input))
    }

    /// Returns `-x`.
    pub fn minus() -> Self {
        Self::Constant(Binary::Mul, -1.0, Box::new(Self::Input))
    }

    /// Returns 1 for `x` above zero, else 0.
    pub fn step() -> Self {
        Self::Unary(Unary::Step, Self::x())
    }

    /// Returns `1 - x`: the contrary of 0 or 1.
    pub fn no() -> Self {
        Self::Constant(Binary::Add, 1.0, Box::new(Self::minus()))
    }

    /// Returns `x`, boxed as an operand.
    pub(crate) fn x() -> Box<Self> {
        Box::new(Self::Input)
    }

    /// Returns `x` to a power, for `x` above zero.
    pub fn power(exponent: f32) -> Self {
        Self::Unary(Unary::Power { exponent }, Box::new(Self::Input))
    }

    /// Returns `x` to a power, also for `x` below zero if the exponent is a small whole number.
    pub fn raised(exponent: f32) -> Self {
        match exponent {
            1.0 => Self::Constant(Binary::Mul, 1.0, Self::x()),
            2.0 => Self::Binary(Binary::Mul, Self::x(), Self::x()),
            3.0 => Self::Binary(Binary::Mul, Self::x(), Box::new(Self::raised(2.0))),
            0.5 => Self::Unary(Unary::Sqrt, Self::x()),
            _ => Self::power(exponent),
        }
    }

    /// Returns the tanh approximation of GELU (Hendrycks & Gimpel 2016).
    pub fn gelu_by_tanh() -> Self {
        let cube = Self::Constant(Binary::Mul, 0.044_715, Box::new(Self::raised(3.0)));
        let sum = Self::Binary(Binary::Add, Self::x(), Box::new(cube));
        let inner = Self::Constant(Binary::Mul, (2.0 / std::f32::consts::PI).sqrt(), Box::new(sum));
        let tanh = Self::Unary(Unary::Tanh, Box::new(inner));
        let gate = Self::Constant(Binary::Add, 1.0, Box::new(tanh));
        let half = Self::Constant(Binary::Mul, 0.5, Self::x());
        Self::Binary(Binary::Mul, Box::new(half), Box::new(gate))
    }

    /// Returns the composition with another formula, which is computed first.
    #[must_use]
    pub fn of(&self, inner: &Self) -> Self {
        match self {
            Self::Input => inner.clone(),
            Self::Unary(op, x) => Self::Unary(*op, Box::new(x.of(inner))),
            Self::Constant(op, value, x) => Self::Constant(*op, *value, Box::new(x.of(inner))),
            Self::Binary(op, a, b) => {
                Self::Binary(*op, Box::new(a.of(inner)), Box::new(b.of(inner)))
            }
        }
    }

    /// Returns the number of operations.
    pub fn size(&self) -> usize {
        match self {
            Self::Input => 0,
            Self::Unary(_, x) | Self::Constant(_, _, x) => 1 + x.size(),
            Self::Binary(_, a, b) => 1 + a.size() + b.size(),
        }
    }

    /// Evaluates the formula; the same on every machine, since the functions are `libm`'s.
    pub fn eval(&self, x: f32) -> f32 {
        self.at(x.into()) as f32
    }

    fn at(&self, x: f64) -> f64 {
        match self {
            Self::Input => x,
            Self::Unary(op, inner) => unary(*op, inner.at(x)),
            Self::Constant(op, value, inner) => binary(*op, inner.at(x), (*value).into()),
            Self::Binary(op, a, b) => binary(*op, a.at(x), b.at(x)),
        }
    }
}

fn unary(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Clamp { lo, hi } => x.max(lo.into()).min(hi.into()),
        Unary::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
        Unary::Tanh => libm::tanh(x),
        Unary::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Unary::Exp => libm::exp(x),
        Unary::Sqrt => libm::sqrt(x),
        Unary::Erf => libm::erf(x),
        Unary::Abs => x.abs(),
        Unary::LeakyRelu { slope } => {
            if x < 0.0 {
                x * f64::from(slope)
            } else {
                x
            }
        }
        Unary::Power { exponent } => libm::pow(x, exponent.into()),
        Unary::Log => libm::log(x),
        Unary::Step => f64::from(u8::from(x > 0.0)),
        other => unreachable!("{other:?} is not imported"),
    }
}

fn binary(op: Binary, a: f64, b: f64) -> f64 {
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        other => unreachable!("{other:?} is not imported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_have_their_known_values() {
        let x = || Box::new(Expr::Input);
        let silu = Expr::Binary(Binary::Mul, x(), Box::new(Expr::Unary(Unary::Sigmoid, x())));
        assert!((silu.eval(1.0) - 0.731_058_6).abs() < 1e-6);
        assert!((Expr::gelu_by_tanh().eval(1.0) - 0.841_192).abs() < 1e-5);
        assert_eq!(Expr::raised(2.0).eval(-3.0), 9.0);
        assert_eq!(Expr::raised(3.0).eval(-2.0), -8.0);
        assert_eq!(Expr::power(-0.5).eval(4.0), 0.5);
        assert_eq!(Expr::clamp(0.0, 6.0).eval(7.0), 6.0);
        let of = Expr::minus().of(&Expr::raised(2.0));
        assert_eq!((of.eval(3.0), of.size()), (-9.0, 2));
    }
}
