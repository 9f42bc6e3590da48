//! Helpers of several suites: networks made of random numbers, a counting allocator, and a second
//! writer of the package's outer structure. Suites of other crates include this file by path.

#![allow(dead_code, reason = "every suite uses a part of it")]

pub mod counting;
pub mod net;
pub mod random;
pub mod seal;
pub mod words;
