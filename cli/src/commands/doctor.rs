//! `offshoot doctor`.

use offshoot_device::{Check, Machine, Outcome, checks};
use serde_json::{Value, json};

use super::shared::open_or_built_in;
use crate::args::{DoctorArgs, RunArgs};
use crate::built_in::Packages;
use crate::error::CommandError;

pub(super) fn run(args: &DoctorArgs, packages: &Packages) -> Result<(), CommandError> {
    let alone = RunArgs { threads: std::num::NonZeroU8::MIN, pin: false };
    let extractor = open_or_built_in(packages, &alone, args.package.as_deref(), args.extractor)?;
    let machine = Machine::default();
    let checks = checks(&machine, &extractor);
    let bad = checks.iter().filter(|check| check.outcome == Outcome::Bad).count();
    if args.json {
        let list: Vec<_> = checks.iter().map(as_json).collect();
        println!("{}", json!({ "machine": machine.processor(), "checks": list, "bad": bad }));
    } else {
        println!("{}", machine.processor().as_deref().unwrap_or("a machine without a name"));
        checks.iter().for_each(|check| println!("{check}"));
    }
    if bad == 0 { Ok(()) } else { Err(CommandError::Doctor(bad)) }
}

fn as_json(check: &Check) -> Value {
    json!({
        "about": check.about,
        "outcome": check.outcome.name(),
        "found": check.found,
        "mend": check.mend,
    })
}
