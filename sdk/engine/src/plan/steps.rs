//! Memory for the steps of a plan.

use crate::plan::step::Step;

/// Memory for the steps of a [`Plan`](crate::Plan): an array, a slice of the caller's, or, with the
/// feature `std`, a vector.
///
/// The trait is sealed, because kernels trust that the steps of a run are those that were planned:
/// an implementation of the caller's could return other steps later.
///
/// ```compile_fail,E0277
/// use offshoot_engine::{Plan, Step};
///
/// struct Own([Step; 1]);
///
/// impl AsRef<[Step]> for Own {
///     fn as_ref(&self) -> &[Step] { &self.0 }
/// }
///
/// impl AsMut<[Step]> for Own {
///     fn as_mut(&mut self) -> &mut [Step] { &mut self.0 }
/// }
///
/// fn run(plan: &Plan<Own>, arena: &mut [i8]) {
///     plan.run(&[], &[], arena).unwrap();
/// }
/// ```
pub trait Steps: sealed::List {}

impl<S: sealed::List> Steps for S {}

mod sealed {
    use super::Step;

    pub trait List {
        fn list(&self) -> &[Step];
        fn list_mut(&mut self) -> &mut [Step];
    }

    impl<const N: usize> List for [Step; N] {
        fn list(&self) -> &[Step] {
            self
        }

        fn list_mut(&mut self) -> &mut [Step] {
            self
        }
    }

    impl List for &mut [Step] {
        fn list(&self) -> &[Step] {
            self
        }

        fn list_mut(&mut self) -> &mut [Step] {
            self
        }
    }

    #[cfg(any(test, feature = "std"))]
    impl List for std::vec::Vec<Step> {
        fn list(&self) -> &[Step] {
            self
        }

        fn list_mut(&mut self) -> &mut [Step] {
            self
        }
    }
}
