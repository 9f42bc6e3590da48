//! Weights in files beside the model: read only when asked for, and only from where they may lie.

use crate::common::graph;

use std::fs;
use std::path::PathBuf;

use graph::Graph;
use offshoot_convert::import::{ImportError, Imported, Source};
use offshoot_convert::ir::pooling::Pool;
use prost::Message;
use tract_onnx::pb::{ModelProto, SparseTensorProto, StringStringEntryProto, TensorProto};

/// A convolution whose weights, of 864 bytes, are in `weights.bin` beside the model.
struct Bench {
    dir: tempfile::TempDir,
    model: ModelProto,
}

impl Bench {
    fn new() -> Self {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        graph.weights("w", &[8, 3, 3, 3]).node("Conv", "conv", &["x", "w"], &[]);
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("models")).unwrap();
        let mut bench = Self { dir, model: graph.model(13) };
        let data = std::mem::take(&mut bench.tensor().raw_data);
        assert_eq!(data.len(), 864);
        fs::write(bench.path("weights.bin"), data).unwrap();
        bench.place(&[("location", "weights.bin")]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("models").join(name)
    }

    fn tensor(&mut self) -> &mut TensorProto {
        &mut self.model.graph.as_mut().unwrap().initializer[0]
    }

    fn place(&mut self, entries: &[(&str, &str)]) {
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
            key: key.to_string(),
            value: value.to_string(),
        };
        self.tensor().data_location = Some(1);
        self.tensor().external_data = entries.iter().map(entry).collect();
    }

    fn import(&self, allowed: bool) -> Result<Imported, ImportError> {
        let path = self.path("graph.onnx");
        fs::write(&path, self.model.encode_to_vec()).unwrap();
        Source::open(&path)?.with_external_data(allowed)?.import(&[], None, Pool::None)
    }

    /// Returns the fault of the file, with the rest of the message checked.
    fn refused(&self) -> String {
        let error = self.import(true).unwrap_err();
        let ImportError::ExternalFile { path, file, what } = &error else { panic!("{error}") };
        assert!(
            error.to_string().contains(&format!("{}: weights in `{file}`: ", path.display())),
            "{error}"
        );
        what.clone()
    }
}

#[test]
fn off_unless_asked_for() {
    let bench = Bench::new();
    let refused = bench.import(false).unwrap_err();
    assert!(
        matches!(&refused, ImportError::ExternalData { tensors: 1, first, .. } if first == "weights.bin")
    );
    assert_eq!(bench.import(true).unwrap().model.layers.len(), 2);
}

#[test]
fn the_values_are_those_of_the_file() {
    use offshoot_convert::ir::LayerOp;
    let mut bench = Bench::new();
    let mut file = vec![7; 100];
    file.extend(fs::read(bench.path("weights.bin")).unwrap());
    file.extend([9; 50]);
    fs::write(bench.path("shared.bin"), file).unwrap();
    let own = bench.import(true).unwrap().model;
    bench.place(&[
        ("location", "shared.bin"),
        ("offset", "100"),
        ("length", "864"),
        ("checksum", "unread"),
    ]);
    let shared = bench.import(true).unwrap().model;
    let weights = |model: &offshoot_convert::ir::Model| match &model.layers[1].op {
        LayerOp::Conv(conv) => conv.weights.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(weights(&own), weights(&shared));
    assert_eq!(weights(&own).len(), 216);
}

#[test]
fn only_a_file_name() {
    let mut bench = Bench::new();
    fs::create_dir(bench.path("inner")).unwrap();
    fs::copy(bench.path("weights.bin"), bench.path("inner/weights.bin")).unwrap();
    fs::copy(bench.path("weights.bin"), bench.dir.path().join("weights.bin")).unwrap();
    let absolute = bench.path("weights.bin").display().to_string();
    let outside = [
        "../weights.bin",
        &absolute,
        "/etc/passwd",
        "inner/weights.bin",
        "./weights.bin",
        "..",
        ".",
        "",
    ];
    for location in outside {
        bench.place(&[("location", location)]);
        assert_eq!(
            bench.refused(),
            "tensor `w`: only a file's name is allowed, without a folder",
            "{location}"
        );
    }
    // No location at all.
    bench.place(&[("offset", "0")]);
    assert!(bench.refused().contains("only a file's name"));
}

#[cfg(unix)]
#[test]
fn no_links() {
    use std::os::unix::fs::symlink;
    let mut bench = Bench::new();
    let outside = bench.dir.path().join("private.bin");
    fs::copy(bench.path("weights.bin"), &outside).unwrap();
    symlink(&outside, bench.path("soft.bin")).unwrap();
    symlink("weights.bin", bench.path("near.bin")).unwrap();
    fs::hard_link(&outside, bench.path("hard.bin")).unwrap();
    for (name, what) in [
        ("soft.bin", "not a plain file; links are not followed"),
        ("near.bin", "not a plain file; links are not followed"),
        ("hard.bin", "has 2 names (hard links); copy it"),
    ] {
        bench.place(&[("location", name)]);
        assert!(bench.refused().contains(what), "{name}: {}", bench.refused());
    }
    // A folder of the user's own choice may be one.
    symlink(bench.path(""), bench.dir.path().join("alias")).unwrap();
    bench.place(&[("location", "weights.bin")]);
    bench.import(true).unwrap();
    let source = Source::open(&bench.dir.path().join("alias/graph.onnx")).unwrap();
    source.with_external_data(true).unwrap().import(&[], None, Pool::None).unwrap();
}

#[test]
fn the_length_is_that_of_the_shape() {
    let mut bench = Bench::new();
    let place = |bench: &mut Bench, offset: &str, length: &str| {
        bench.place(&[("location", "weights.bin"), ("offset", offset), ("length", length)]);
        bench.refused()
    };
    assert!(
        place(&mut bench, "0", "860").contains("860 bytes, its shape [8, 3, 3, 3] asks for 864")
    );
    assert!(place(&mut bench, "4", "864").contains("864 bytes from 4 on, the file has 864"));
    assert!(place(&mut bench, "18446744073709551615", "864").contains("the file has 864"));
    assert!(place(&mut bench, "-1", "864").contains("offset `-1` is no number"));
    bench.place(&[("location", "weights.bin"), ("offset", "1000")]);
    assert!(bench.refused().contains("0 bytes, its shape"));
    bench.place(&[("location", "nowhere.bin")]);
    assert!(bench.refused().contains("No such file"));
    fs::create_dir(bench.path("folder.bin")).unwrap();
    bench.place(&[("location", "folder.bin")]);
    assert!(bench.refused().contains("not a plain file"));
}

/// Neither of the ways around the rules that others had: sparse tensors, tensors of nodes.
#[test]
fn no_way_around() {
    let mut bench = Bench::new();
    let tensor = bench.tensor().clone();
    let graph = bench.model.graph.as_mut().unwrap();
    graph
        .sparse_initializer
        .push(SparseTensorProto { values: Some(tensor.clone()), ..Default::default() });
    assert!(
        matches!(bench.import(true), Err(ImportError::Refused { what, .. }) if what.contains("sparse"))
    );

    let mut bench = Bench::new();
    bench.place(&[("location", "../weights.bin")]);
    let tensor = bench.tensor().clone();
    let graph = bench.model.graph.as_mut().unwrap();
    graph.initializer.clear();
    graph.node.insert(0, Graph::constant("w", tensor));
    assert!(matches!(bench.import(false), Err(ImportError::ExternalData { tensors: 1, .. })));
    assert!(bench.refused().contains("only a file's name"));
    bench.model.graph.as_mut().unwrap().node[0].attribute[0].t.as_mut().unwrap().external_data[0]
        .value = "weights.bin".to_string();
    assert_eq!(bench.import(true).unwrap().model.layers.len(), 2);
}
