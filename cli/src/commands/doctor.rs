//! `offshoot doctor`.

use serde_json::json;

use super::{CommandError, open_or_sprout};
use crate::args::{DoctorArgs, RunArgs};
use crate::doctor::{Outcome, checks};
use crate::machine::Machine;

pub(super) fn run(args: &DoctorArgs) -> Result<(), CommandError> {
    let extractor =
        open_or_sprout(&RunArgs { threads: std::num::NonZeroU8::MIN, pin: false }, args.package.as_deref())?;
    let machine = Machine::default();
    let checks = checks(&machine, &extractor);
    let bad = checks.iter().filter(|check| check.outcome == Outcome::Bad).count();
    if args.json {
        let list: Vec<_> = checks.iter().map(crate::doctor::Check::json).collect();
        println!("{}", json!({ "machine": machine.processor(), "checks": list, "bad": bad }));
    } else {
        println!("{}", machine.processor().as_deref().unwrap_or("a machine without a name"));
        for check in &checks {
            println!("{:<8} {}: {}", check.outcome.name(), check.about, check.found);
            if let Some(how) = &check.mend {
                println!("         -> {how}");
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(CommandError::Doctor(bad)) }
}
