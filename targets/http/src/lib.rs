//! Small HTTP server that no visitor can block, on one thread of its own.
//!
//! A [`Site`] answers requests that its [`Guard`] has accepted: the page of a device, or the
//! service. Connections, their time and the bytes of requests are limited by [`Limits`]. [`bind`]
//! opens an address or a Unix socket, and makes the token that others need.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod access;
mod admission;
mod bind;
mod error;
mod reply;
mod request;
mod server;

pub use access::{Guard, SHORTEST_TOKEN};
pub use admission::Places;
pub use bind::{Address, Bound, Listener, bind, web_address};
pub use error::BindError;
pub use hyper::body::Bytes;
pub use hyper::{Method, StatusCode, header};
pub use reply::{Reply, Stream, reply, stream, text};
pub use request::{Request, one, query};
pub use server::{Limits, Server, Site};
