//! Reports: the answers that a head gives to its own samples, each held out in turn.

use std::ffi::c_char;
use std::fmt::Write;

use offshoot::EditError;

use super::{HEADS, HeadHandle, class, number};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{Out, Versioned, put_text};

/// Results of the held-out samples.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// sizeof(offshoot_report).
    pub size: u32,
    /// Number of samples that were evaluated; those alone in their class are not.
    pub asked: u32,
    /// Number of samples that were classified correctly.
    pub right: u32,
    /// Number of pieces of advice.
    pub advice: u32,
    /// Share of correct answers; NaN if no sample could be evaluated.
    pub accuracy: f32,
    /// Lower bound of its confidence interval of 95 %.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
    /// Mean difference between confidence and accuracy; NaN if no sample could be evaluated.
    pub calibration_error: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Report {}

/// Results of the held-out samples of a class.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ClassReport {
    /// sizeof(offshoot_class_report).
    pub size: u32,
    /// Number of its samples that were evaluated.
    pub asked: u32,
    /// Number of its samples that were classified correctly.
    pub right: u32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for ClassReport {}

/// Tells how a fitted head answers its own samples, each held out in turn.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_report(head: HeadHandle, report: Out<Report>) -> Status {
    guard(|| {
        let record = report.record("report")?;
        HEADS.read(head.id, |head| {
            let found = head.report()?;
            let interval = found.interval();
            record.put(&Report {
                size: 0,
                asked: found.asked() as u32,
                right: found.right() as u32,
                advice: found.advice().count() as u32,
                accuracy: found.accuracy().unwrap_or(f32::NAN),
                low: interval.low,
                high: interval.high,
                calibration_error: found.calibration_error().unwrap_or(f32::NAN),
            });
            Ok(())
        })
    })
}

/// Tells the results of the held-out samples of a class.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_report_class(
    head: HeadHandle,
    class_id: u32,
    report: Out<ClassReport>,
) -> Status {
    guard(|| {
        let record = report.record("report")?;
        HEADS.read(head.id, |head| {
            let own = class(head, class_id)?;
            let found = head.report()?;
            let asked: usize = head.classes().map(|(said, _)| found.confusion(own, said)).sum();
            let right = found.confusion(own, own) as u32;
            record.put(&ClassReport { size: 0, asked: asked as u32, right });
            Ok(())
        })
    })
}

/// Tells the number of held-out samples of a class that were classified as another, or as itself.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_report_confusion(
    head: HeadHandle,
    class_id: u32,
    said_id: u32,
    count: Out<u32>,
) -> Status {
    guard(|| {
        let place = count.place("count")?;
        HEADS.read(head.id, |head| {
            let own = class(head, class_id)?;
            let said = class(head, said_id)?;
            place.put(head.report()?.confusion(own, said) as u32);
            Ok(())
        })
    })
}

/// Tells the answer to a sample that is held out, and its probability; either may be null. `asked`
/// becomes 0 for a sample that was not evaluated, and the others stay.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_report_sample(
    head: HeadHandle,
    sample: usize,
    asked: Out<u32>,
    said_id: Out<u32>,
    probability: Out<f32>,
) -> Status {
    guard(|| {
        let place = asked.place("asked")?;
        HEADS.read(head.id, |head| {
            let count = head.sample_count();
            let report = head.report()?;
            if sample >= count {
                return Err(EditError::NoSuchSample { sample, count }.into());
            }
            let answer = report.answer(sample);
            place.put(answer.is_some().into());
            if let Some((said, share)) = answer {
                said_id.optional().put(number(said));
                probability.optional().put(share);
            }
            Ok(())
        })
    })
}

/// Writes a piece of advice, such as "`mug` has 2 samples", and a NUL to `out`; `length` may be
/// null, and is told without the NUL.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_report_advice(
    head: HeadHandle,
    index: usize,
    out: Out<c_char>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        HEADS.read(head.id, |head| {
            let report = head.report()?;
            let unknown = || Fault::NoSuchAdvice { index, count: report.advice().count() };
            let advice = report.advice().nth(index).ok_or_else(unknown)?;
            let mut text = String::new();
            // A string takes any text.
            let _ = write!(text, "{advice}");
            // SAFETY: the header asks for `capacity` bytes.
            unsafe { put_text(&text, out, capacity, length) }
        })
    })
}
