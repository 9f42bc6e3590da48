//! `offshoot models` and `offshoot pull`.

use std::path::{Path, PathBuf};

use offshoot_convert::preprocess::catalog::{Catalog, Recipe};
use offshoot_convert::report::bytes;

use super::progress::Progress;
use super::shared::write_file;
use crate::args::{ModelsArgs, PullArgs};
use crate::built_in::Packages;
use crate::download::{PullError, Pulled, hex, pull};
use crate::error::CommandError;

pub(super) fn models(args: &ModelsArgs, packages: &Packages) -> Result<(), CommandError> {
    let catalog = args.open()?;
    let width = catalog.model.iter().map(|r| r.name.len()).max().unwrap_or_default();
    println!("{:width$}  {:<9} {:<13} {:<13} got by", "name", "input", "normalization", "licence");
    for recipe in &catalog.model {
        let (w, h) = recipe.input;
        let how = match (&recipe.url, recipe.sha256) {
            _ if args.has(packages, recipe) => "pull, without a network: part of this program",
            (Some(_), Some(_)) => "pull",
            (Some(_), None) => "pull --trust: unverified",
            (None, _) => &recipe.source,
        };
        let name = &recipe.name;
        let norm = recipe.normalization();
        let licence = &recipe.licence;
        println!("{name:width$}  {:<9} {norm:<13} {licence:<13} {how}", format!("{w}x{h}"));
    }
    Ok(())
}

pub(super) fn run(args: &PullArgs, packages: &Packages) -> Result<(), CommandError> {
    let catalog = args.catalog.open()?;
    let recipe = catalog.by_name(&args.name)?;
    let file = format!("{}.onnx", recipe.name.replace('/', "_"));
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(file));
    println!("{}: licence {}; from: {}", recipe.name, recipe.licence, recipe.source);
    if let Some(note) = &recipe.note {
        println!("  {note}");
    }
    if args.catalog.has(packages, recipe) {
        return unpack(packages, &recipe.name, &output);
    }
    let bar = Progress::new(100, "pull");
    let pulled = pull(recipe, &output, args.trust, &mut |done, total| {
        bar.set_of(done, total.unwrap_or(done).max(1));
    });
    bar.finish();
    let Pulled { sha256, bytes: size, resumed } = pulled?;
    let went_on =
        if resumed > 0 { format!(", {resumed} of them from before") } else { String::new() };
    println!("{}: {}{went_on}", output.display(), bytes(size as usize));
    let checked = match (recipe.sha256, recipe.published_sha256) {
        (Some(_), _) => "matches the catalogue",
        (None, Some(_)) => "as its publisher states; not verified",
        (None, None) => "not verified",
    };
    println!("  sha256 {}, {checked}", hex(&sha256));
    Ok(())
}

/// Writes the built-in files of a backbone; writes none if one of them exists already.
fn unpack(packages: &Packages, name: &str, output: &Path) -> Result<(), CommandError> {
    let ending = |file: &str| file.rsplit('.').next().unwrap_or_default().to_string();
    let files: Vec<_> = packages
        .files(name)
        .into_iter()
        .map(|file| (output.with_extension(ending(file)), file))
        .collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(PullError::Exists { path: path.clone() }.into());
    }
    for (path, file) in files {
        let content = packages.read(file)?;
        write_file(&path, &content)?;
        println!("{}: {}, part of this program", path.display(), bytes(content.len()));
    }
    Ok(())
}

impl ModelsArgs {
    /// Returns true if the backbone is built in; in a catalogue of the user the same name means
    /// another one.
    fn has(&self, packages: &Packages, recipe: &Recipe) -> bool {
        self.catalog.is_none() && !packages.files(&recipe.name).is_empty()
    }

    fn open(&self) -> Result<Catalog, CommandError> {
        Ok(self.catalog.as_deref().map_or_else(|| Ok(Catalog::built_in()), Catalog::open)?)
    }
}
