//! Files in other formats: recognition by their first bytes, and the command that converts them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// File in another format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    /// Name of the format.
    pub what: String,
    /// Next step for the user.
    pub instead: String,
}

/// Number of bytes read: at the beginning, and of an archive at the end, where its list is.
const LOOKED_AT: u64 = 1 << 16;

/// Recognizes a file in another format that is used for models; `Ok(None)` if it may be ONNX.
pub(super) fn look(path: &Path) -> io::Result<Option<Foreign>> {
    if std::fs::metadata(path)?.is_dir() {
        return Ok(Some(folder(path)));
    }
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(LOOKED_AT).read_to_end(&mut head)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Ok(by_bytes(path, &head));
    }
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_AT)))?;
    file.take(LOOKED_AT).read_to_end(&mut head)?;
    Ok(Some(archive(path, &head)))
}

fn foreign(what: &str, instead: impl Into<String>) -> Foreign {
    Foreign { what: what.to_string(), instead: instead.into() }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

const TORCH: &str = "in Python, with the network built and its weights loaded: model.eval(); \
                     torch.onnx.export(model, torch.randn(1, 3, 224, 224), \"model.onnx\")";
const TORCHSCRIPT: &str = "in Python: torch.onnx.export(torch.jit.load(\"FILE\").eval(), \
                           torch.randn(1, 3, 224, 224), \"model.onnx\")";

fn folder(path: &Path) -> Foreign {
    let shown = path.display();
    if path.join("saved_model.pb").exists() {
        return saved_model(path);
    }
    let models = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut models: Vec<_> =
        models.filter(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))).collect();
    models.sort();
    if let Some(model) = models.first() {
        return foreign("a folder", format!("give the file in it: {}", model.display()));
    }
    if path.join("config.json").exists() {
        return foreign(
            "a folder of Hugging Face's transformers",
            format!(
                "export it: optimum-cli export onnx --model {shown} exported (pip install optimum[onnx])"
            ),
        );
    }
    foreign("a folder without an .onnx file", "give the model's .onnx file")
}

fn saved_model(folder: &Path) -> Foreign {
    let folder = folder.display();
    foreign(
        "a TensorFlow SavedModel",
        format!(
            "export its folder: python -m tf2onnx.convert --saved-model {folder} --output model.onnx"
        ),
    )
}

/// Recognizes a zip archive by the names in it.
fn archive(path: &Path, bytes: &[u8]) -> Foreign {
    let shown = path.display().to_string();
    if has(bytes, b"/code/") && has(bytes, b"constants.pkl") {
        return foreign("a TorchScript model", TORCHSCRIPT.replace("FILE", &shown));
    }
    if has(bytes, b"data.pkl") {
        return foreign("a PyTorch checkpoint", TORCH);
    }
    if has(bytes, b"model.weights.h5") || has(bytes, b"metadata.json") && has(bytes, b"config.json")
    {
        return foreign("a Keras model", keras(&shown));
    }
    if has(bytes, b".onnx") {
        return foreign("a zip archive with a model in it", format!("unpack it: unzip {shown}"));
    }
    foreign("a zip archive", "unpack it, and give the .onnx file if there is one")
}

fn keras(shown: &str) -> String {
    format!(
        "in Python: keras.models.load_model(\"{shown}\").export(\"model.onnx\", format=\"onnx\") \
         (Keras 3 with tf2onnx)"
    )
}

/// Recognizes a file by its first bytes, or by its name if these are ambiguous.
fn by_bytes(path: &Path, head: &[u8]) -> Option<Foreign> {
    let shown = path.display();
    let found = match () {
        () if holds(head, 0, b"version https://git-lfs") => foreign(
            "a pointer of Git LFS, not the file itself",
            format!("fetch it: git lfs pull --include \"{}\"", file_name(path)),
        ),
        () if is_page(head) => foreign(
            "a web page",
            "download the file itself: on GitHub by \"Download raw file\", on Hugging Face with /resolve/ in \
             the address where it has /blob/",
        ),
        () if holds(head, 4, b"TFL3") => foreign(
            "a TensorFlow Lite model",
            format!(
                "export it: python -m tf2onnx.convert --tflite {shown} --output model.onnx (one in floats)"
            ),
        ),
        () if holds(head, 4, b"ORTM") => foreign(
            "a model in onnxruntime's own format",
            "give the .onnx file that it was made from",
        ),
        () if holds(head, 0, b"\x89HDF\r\n\x1a\n") => {
            foreign("a Keras model, or weights, in HDF5", keras(&shown.to_string()))
        }
        () if holds(head, 8, b"{\"") && length_before(head) => foreign(
            "weights in safetensors, without the network",
            "export the network with them: optimum-cli export onnx --model MODEL exported, or torch.onnx.export",
        ),
        () if head.first() == Some(&0x80)
            && head.get(1).is_some_and(|version| (2..=5).contains(version)) =>
        {
            foreign("a Python pickle, as old PyTorch checkpoints are", TORCH)
        }
        () if holds(head, 0, b"OFFSHOOT") || is_package(path) => foreign(
            "a package already",
            format!(
                "look at it by `offshoot inspect {shown}`; `convert` makes one from an .onnx file"
            ),
        ),
        () => return packed(path, head).or_else(|| by_name(path, head)),
    };
    Some(found)
}

/// True if the bytes hold `magic` at this place.
fn holds(bytes: &[u8], from: usize, magic: &[u8]) -> bool {
    bytes.get(from..from + magic.len()) == Some(magic)
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "offshoot")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// True for a web page that a server sends instead of a file.
fn is_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let start = text[..text.len().min(256)].to_ascii_lowercase();
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body", b"<!--"]
        .iter()
        .any(|tag| start.starts_with(tag))
}

/// True if the file begins with the length of a JSON header, like safetensors.
fn length_before(head: &[u8]) -> bool {
    let length = head.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| (2..1 << 30).contains(&length))
}

/// Recognizes compressed files.
fn packed(path: &Path, head: &[u8]) -> Option<Foreign> {
    let kinds: [(&[u8], &str, &str); 6] = [
        (b"\x1f\x8b", "packed by gzip", "gunzip"),
        (b"\xfd7zXZ\0", "packed by xz", "unxz"),
        (b"BZh", "packed by bzip2", "bunzip2"),
        (b"\x28\xb5\x2f\xfd", "packed by Zstandard", "unzstd"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "7z x"),
        (b"Rar!", "a RAR archive", "unrar x"),
    ];
    if head.get(257..262) == Some(b"ustar") {
        return Some(foreign("a tar archive", format!("unpack it: tar xf {}", path.display())));
    }
    let (_, what, by) = kinds.into_iter().find(|(magic, ..)| head.starts_with(magic))?;
    let name = file_name(path);
    let tar = name.contains(".tar") || name.ends_with(".tgz");
    let by = if tar { "tar xf" } else { by };
    Some(foreign(what, format!("unpack it: {by} {}", path.display())))
}

/// Recognizes formats without a signature by name, unless the bytes contradict it.
fn by_name(path: &Path, head: &[u8]) -> Option<Foreign> {
    let shown = path.display();
    let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
    if file_name(path) == "saved_model.pb" {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Some(saved_model(folder));
    }
    // ONNX files begin with their version; such a file may be a model, whatever its name.
    if head.first() == Some(&8) {
        return None;
    }
    let found = match extension.as_str() {
        "pb" => foreign(
            "a TensorFlow graph",
            format!(
                "export it: python -m tf2onnx.convert --graphdef {shown} --inputs NAME:0 --outputs NAME:0 \
                 --output model.onnx"
            ),
        ),
        "pdmodel" | "pdiparams" => foreign(
            "a PaddlePaddle model",
            "export its folder: paddle2onnx --model_dir FOLDER --model_filename inference.pdmodel \
             --params_filename inference.pdiparams --save_file model.onnx",
        ),
        "mlmodel" | "mlpackage" => {
            foreign("a Core ML model", "give the model that it was made from as .onnx")
        }
        "engine" | "plan" | "trt" => {
            foreign("a TensorRT engine", "give the .onnx file that it was built from")
        }
        "xml" | "bin" => foreign(
            "no ONNX model by its name",
            "of OpenVINO's give the .onnx file it was made from",
        ),
        "pt" | "pth" | "ckpt" => foreign("a PyTorch checkpoint by its name", TORCH),
        "h5" | "keras" => foreign("a Keras model by its name", keras(&shown.to_string())),
        _ => return None,
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, bytes: &[u8]) -> Option<Foreign> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        look(&path).unwrap()
    }

    /// Tests files in other formats, as their programs write them.
    #[test]
    fn other_files_are_named() {
        let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        let mut safetensors = 64u64.to_le_bytes().to_vec();
        safetensors.extend(b"{\"weight\":{\"dtype\":\"F32\"");
        let cases: [(&str, &[u8], &str, &str); 16] = [
            ("m.onnx", lfs, "Git LFS", "git lfs pull --include \"m.onnx\""),
            ("m.onnx", b"\n<!DOCTYPE html><html>", "a web page", "/resolve/"),
            (
                "m.pt",
                b"PK\x03\x04..archive/data.pkl..",
                "a PyTorch checkpoint",
                "torch.onnx.export",
            ),
            (
                "m.pt",
                b"PK\x03\x04..m/code/__torch__.py..m/constants.pkl",
                "a TorchScript model",
                "torch.jit.load",
            ),
            ("m.keras", b"PK\x03\x04config.json..metadata.json", "a Keras model", "load_model"),
            ("m.zip", b"PK\x03\x04model.onnx", "a zip archive with a model", "unzip"),
            (
                "m.pth",
                b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
                "a Python pickle",
                "torch.onnx.export",
            ),
            ("m.tflite", b"\x1c\0\0\0TFL3\0\0", "a TensorFlow Lite model", "--tflite"),
            ("m.ort", b"\x1c\0\0\0ORTM\0\0", "onnxruntime's own format", "the .onnx file"),
            ("m.h5", b"\x89HDF\r\n\x1a\n\0\0", "HDF5", "load_model"),
            ("m.safetensors", &safetensors, "safetensors", "optimum-cli"),
            ("m.onnx.gz", b"\x1f\x8b\x08\0", "packed by gzip", "gunzip"),
            ("m.tar.gz", b"\x1f\x8b\x08\0", "packed by gzip", "tar xf"),
            (
                "frozen.pb",
                b"\x0a\x20\x0a\x05input\x12\x0bPlaceholder",
                "a TensorFlow graph",
                "--graphdef",
            ),
            ("saved_model.pb", b"\x08\x01\x12\xff", "a TensorFlow SavedModel", "--saved-model"),
            ("a.offshoot", b"\x00\x01", "a package already", "offshoot inspect"),
        ];
        for (name, bytes, what, instead) in cases {
            let found = named(name, bytes).unwrap_or_else(|| panic!("{name} is taken for a model"));
            assert!(
                found.what.contains(what) && found.instead.contains(instead),
                "{name}: {found:?}"
            );
        }
        assert_eq!(named("model.onnx", b"\x08\x07\x12\x00"), None);
        assert_eq!(named("model", b"some text"), None);
    }

    #[test]
    fn folders_are_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let find = || look(dir.path()).unwrap().unwrap();
        assert!(find().what.contains("a folder without"));
        std::fs::write(dir.path().join("config.json"), "{}").unwrap();
        assert!(find().instead.contains("optimum-cli export onnx"));
        std::fs::write(dir.path().join("net.onnx"), "").unwrap();
        assert!(find().instead.contains("net.onnx"));
        std::fs::write(dir.path().join("saved_model.pb"), "").unwrap();
        assert!(find().instead.contains("--saved-model"));
    }
}
