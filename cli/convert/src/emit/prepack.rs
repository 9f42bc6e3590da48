//! Packing of weights when a package is made, so that opening it on the device copies nothing.

use offshoot_core::Package;
use offshoot_core::graph::Graph;
use offshoot_core::package::{PackageError, Packed, Precision, WriteError, with_packed};
use offshoot_engine::{Isa, Plan, PlanError, Target};
use thiserror::Error;

/// Error of packing.
#[derive(Debug, Error)]
pub enum PackingError {
    /// A target was stated for a float package.
    #[error("--target packs int8 packages: leave out --target, or --precision f32")]
    Float,
    /// The package has layers run by tract-core, which keeps weights of its own.
    #[error("--target packs int8 packages; this one, written as it is, is {}", .0.name())]
    Precision(Precision),
    /// The package cannot be read.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The network cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The package cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Returns the package with its weights packed for `target`.
///
/// # Errors
/// The package is not int8.
pub fn pack(file: &[u8], target: &Target) -> Result<Vec<u8>, PackingError> {
    let package = Package::open(file)?;
    let graph = package.graph();
    let precision = package.manifest().precision;
    if precision != Precision::Int8 {
        return Err(PackingError::Precision(precision));
    }
    let all = 0..graph.node_count();
    let (plan, _) = Plan::build(graph, Isa::GENERIC, all, &[Graph::INPUT], &[graph.output()])?;
    let mut panels = vec![0; plan.packed_bytes_for(target)];
    plan.pack_for(target, graph.weights(), &mut panels).expect("as long as the plan says");
    let packed = Packed { target: target.name(), order: target.order(), panels: &panels };
    Ok(with_packed(file, packed)?)
}

/// Returns a target by name, or this processor's for `native`.
///
/// # Errors
/// No such target; the text lists the targets.
pub fn parse_target(name: &str) -> Result<Target, String> {
    let found = if name == "native" { Isa::best().target() } else { Target::named(name) };
    found.ok_or_else(|| {
        let names: Vec<&str> = Target::ALL.iter().map(Target::name).collect();
        format!("there are native, {}", names.join(", "))
    })
}
