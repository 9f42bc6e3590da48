//! Weights in external data files.
//!
//! The files are read here and stored in the model, so that tract opens no file. A model may name
//! only plain files of its own folder: a link, hard or symbolic, could be any file of the user's
//! (CVE-2024-27318, CVE-2026-34446, CVE-2026-34447).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use tract_onnx::pb::{GraphProto, TensorProto};

use super::{MAX_BYTES, check};

/// Returns the files that tensors are stored in, one for each such tensor.
pub(super) fn files(graph: &GraphProto) -> Vec<String> {
    check::tensors(graph)
        .filter(|t| check::is_external(t))
        .map(|t| entry(t, "location").to_string())
        .collect()
}

fn entry<'t>(tensor: &'t TensorProto, key: &str) -> &'t str {
    tensor.external_data.iter().find(|e| e.key == key).map_or("", |e| e.value.as_str())
}

/// Reads all tensors from `folder` into the graph; returns the number of bytes.
///
/// `Err` is the file and the cause.
pub(super) fn load(graph: &mut GraphProto, folder: &Path) -> Result<u64, (String, String)> {
    let mut read = 0;
    let attributes = graph.node.iter_mut().flat_map(|n| &mut n.attribute);
    let inner = attributes.flat_map(|a| a.t.iter_mut().chain(&mut a.tensors));
    for tensor in graph.initializer.iter_mut().chain(inner).filter(|t| check::is_external(t)) {
        let bytes = one(tensor, folder, MAX_BYTES - read).map_err(|what| {
            (entry(tensor, "location").to_string(), format!("tensor `{}`: {what}", tensor.name))
        })?;
        read += bytes.len() as u64;
        tensor.raw_data = bytes;
        tensor.external_data.clear();
        tensor.data_location = None;
    }
    Ok(read)
}

fn number(tensor: &TensorProto, key: &str) -> Result<Option<u64>, String> {
    match entry(tensor, key) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("{key} `{text}` is no number")),
    }
}

fn one(tensor: &TensorProto, folder: &Path, room: u64) -> Result<Vec<u8>, String> {
    let location = entry(tensor, "location");
    let mut parts = Path::new(location).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == location)
    {
        return Err("only a file's name is allowed, without a folder".to_string());
    }
    let wanted = check::tensor_bytes(tensor).map_err(|refused| refused.what)?;
    let offset = number(tensor, "offset")?.unwrap_or(0);
    let length = number(tensor, "length")?;
    let mut file = open(&folder.join(location))?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let length = length.unwrap_or_else(|| size.saturating_sub(offset));
    if length != wanted {
        return Err(format!("{length} bytes, its shape {:?} asks for {wanted}", tensor.dims));
    }
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(format!("{length} bytes from {offset} on, the file has {size}"));
    }
    if length > room {
        return Err(format!("more than {MAX_BYTES} bytes in all; that is the limit"));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(|e| e.to_string())?;
    file.take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err("the file became shorter".to_string())
    }
}

/// Opens a plain file with a single hard link.
fn open(path: &Path) -> Result<File, String> {
    let named = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !named.is_file() {
        return Err("not a plain file; links are not followed".to_string());
    }
    let file = File::open(path).map_err(|e| e.to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let opened = file.metadata().map_err(|e| e.to_string())?;
        // The file was replaced after the check.
        if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
            return Err("changed while it was opened".to_string());
        }
        if opened.nlink() != 1 {
            return Err(format!("has {} names (hard links); copy it", opened.nlink()));
        }
    }
    Ok(file)
}
