//! `offshoot export`.

use offshoot::Head;
use offshoot_convert::onnx_export::export;
use offshoot_convert::report::bytes;

use super::shared::write_file;
use crate::args::ExportArgs;
use crate::error::CommandError;

pub(super) fn run(args: &ExportArgs) -> Result<(), CommandError> {
    let extractor = args.tail.open(args.run, &args.package)?;
    let mut head = Head::load(&args.head, &extractor)?;
    head.fit()?;
    let model = export(&extractor.package(), extractor.tail(), &head).map_err(|source| {
        let path = if source.is_of_head() { &args.head } else { &args.package };
        CommandError::Export { path: path.clone(), source }
    })?;
    write_file(&args.output, &model)?;
    println!(
        "{}: backbone and head of {} classes, {}; image in, probabilities out",
        args.output.display(),
        head.class_count(),
        bytes(model.len()),
    );
    Ok(())
}
