//! Heads in files: what is saved is loaded, and what goes wrong is told and leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};

use offshoot::{ErrorKind, Extractor, Frame, Head, HeadKind, Limits};
use offshoot_core::head::HeadError;
use tempfile::TempDir;

mod common;

use common::net::{every_operation, mobile_net};
use common::random::Random;
use common::seal;

fn extractor() -> Extractor {
    Extractor::from_bytes(every_operation()).unwrap()
}

/// Teaches `samples` of two classes.
fn taught(kind: HeadKind, extractor: &mut Extractor, samples: usize) -> Head {
    let mut head = Head::new(kind, extractor, Limits { classes: 3, samples: 20 }).unwrap();
    let classes = ["mug", "plant"].map(|name| head.add_class(name).unwrap());
    for (i, pixels) in images(samples).iter().enumerate() {
        head.add_sample(
            classes[i % 2],
            extractor.embed(&Frame::rgb(8, 8, pixels).unwrap()).unwrap(),
        )
        .unwrap();
    }
    head
}

fn images(n: usize) -> Vec<Vec<u8>> {
    let mut random = Random(3);
    (0..n).map(|_| random.bytes(3 * 8 * 8)).collect()
}

fn answers(head: &mut Head, extractor: &mut Extractor) -> Vec<[f32; 2]> {
    head.fit().unwrap();
    let ask = |pixels: &Vec<u8>| {
        let mut out = [0.0; 2];
        head.probabilities(extractor.embed(&Frame::rgb(8, 8, pixels).unwrap()).unwrap(), &mut out)
            .unwrap();
        out
    };
    images(9).iter().map(ask).collect()
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("things.head");
    (folder, file)
}

/// Names of everything in a folder.
fn listing(folder: &Path) -> Vec<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// The file is named and the cause is told, each once.
fn tells(error: &offshoot::Error, file: &Path, cause: &str) {
    let text = error.to_string();
    assert_eq!(error.path(), Some(file));
    assert_eq!(text.matches(&*file.display().to_string()).count(), 1, "{text}");
    assert_eq!(text.matches(cause).count(), 1, "{text}");
}

fn head_error(error: &offshoot::Error) -> HeadError {
    let ErrorKind::Head(cause) = error.kind() else { panic!("{error:?}") };
    *cause
}

#[test]
fn a_saved_head_answers_as_before() {
    let mut extractor = extractor();
    for kind in HeadKind::ALL {
        let (folder, file) = folder();
        let mut head = taught(kind, &mut extractor, 9);
        let before = answers(&mut head, &mut extractor);
        head.save(&file).unwrap();
        assert_eq!(listing(folder.path()), ["things.head"]);
        let mut loaded = Head::load(&file, &extractor).unwrap();
        assert_eq!(answers(&mut loaded, &mut extractor), before, "{kind}");
        assert_eq!((loaded.kind(), loaded.limits()), (kind, head.limits()));
        assert!(loaded.classes().eq(head.classes()));
        // It goes on learning, and the same lesson gives the same file.
        let bytes = fs::read(&file).unwrap();
        loaded.add_class("key").unwrap();
        loaded.save(&file).unwrap();
        assert_ne!(fs::read(&file).unwrap(), bytes);
        head.add_class("key").unwrap();
        let second = file.with_extension("second");
        head.save(&second).unwrap();
        assert_eq!(fs::read(&file).unwrap(), fs::read(&second).unwrap());
    }
}

#[test]
fn a_bare_file_name_is_saved_in_the_current_folder() {
    let (folder, _) = folder();
    std::env::set_current_dir(folder.path()).unwrap();
    taught(HeadKind::NearestMean, &mut extractor(), 2).save("bare.head").unwrap();
    assert_eq!(listing(folder.path()), ["bare.head"]);
    std::env::set_current_dir("/").unwrap();
}

#[test]
fn a_head_of_another_package_is_refused() {
    let (_folder, file) = folder();
    taught(HeadKind::Softmax, &mut extractor(), 4).save(&file).unwrap();
    let other = Extractor::from_bytes(mobile_net()).unwrap();
    let error = Head::load(&file, &other).unwrap_err();
    assert_eq!(head_error(&error), HeadError::OtherPackage);
    tells(&error, &file, "another package");
    // Not only where the dimensions differ: the same network with one other weight.
    let mut sections = seal::sections(&every_operation());
    let id = Extractor::from_bytes(every_operation()).unwrap().id();
    let at = sections[0].windows(32).position(|w| w == id.as_bytes()).unwrap();
    sections[0][at] ^= 1;
    let twin = Extractor::from_bytes(seal::seal(&sections)).unwrap();
    assert_eq!(head_error(&Head::load(&file, &twin).unwrap_err()), HeadError::OtherPackage);
    Head::load(&file, &extractor()).unwrap();
}

#[test]
fn a_damaged_head_is_refused() {
    let (_folder, file) = folder();
    let extractor = &mut extractor();
    taught(HeadKind::Softmax, extractor, 4).save(&file).unwrap();
    let good = fs::read(&file).unwrap();
    for bit in (0..good.len() * 8).step_by(7) {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&file, &bytes).unwrap();
        let error = Head::load(&file, extractor).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Head(_)), "bit {bit}: {error:?}");
    }
    for len in 0..good.len() {
        fs::write(&file, &good[..len]).unwrap();
        let error = Head::load(&file, extractor).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Head(_)), "{len} bytes: {error:?}");
    }
    let mut bytes = good.clone();
    bytes[40] ^= 1;
    fs::write(&file, &bytes).unwrap();
    tells(&Head::load(&file, extractor).unwrap_err(), &file, "damaged");
    fs::write(&file, every_operation()).unwrap();
    tells(&Head::load(&file, extractor).unwrap_err(), &file, "not a head");
    fs::write(&file, &good).unwrap();
    Head::load(&file, extractor).unwrap();
}

#[test]
fn files_that_cannot_be_read() {
    let (folder, file) = folder();
    let error = Head::load(&file, &extractor()).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound)
    );
    tells(&error, &file, "No such file");
    assert!(matches!(
        Head::load(folder.path(), &extractor()).unwrap_err().kind(),
        ErrorKind::Io(_)
    ));
    for (name, content) in
        [("missing", None), ("empty", Some(&b""[..])), ("text", Some(b"OFFSHOE"))]
    {
        let path = folder.path().join(name);
        content.iter().for_each(|bytes| fs::write(&path, bytes).unwrap());
        let error = Extractor::open(&path).unwrap_err();
        assert_eq!(matches!(error.kind(), ErrorKind::Io(_)), content.is_none(), "{error:?}");
        assert!(matches!(error.kind(), ErrorKind::Io(_) | ErrorKind::Package(_)), "{error:?}");
        tells(
            &error,
            &path,
            if content.is_none() { "No such file" } else { "not an offshoot package" },
        );
    }
    assert!(matches!(Extractor::open(folder.path()).unwrap_err().kind(), ErrorKind::Io(_)));
}

#[test]
fn saving_into_a_missing_folder_leaves_nothing() {
    let (folder, _) = folder();
    let file = folder.path().join("no/such/folder/things.head");
    let error = taught(HeadKind::NearestMean, &mut extractor(), 2).save(&file).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound)
    );
    tells(&error, &file, "No such file");
    assert!(listing(folder.path()).is_empty());
}

/// The rename fails after everything has been written: the last moment at which it can.
#[test]
fn a_failed_save_leaves_what_was_there() {
    let (folder, file) = folder();
    fs::create_dir(&file).unwrap();
    fs::write(file.join("kept"), "as it was").unwrap();
    let head = taught(HeadKind::Softmax, &mut extractor(), 4);
    let error = head.save(&file).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error:?}");
    tells(&error, &file, "directory");
    assert_eq!(listing(folder.path()), ["things.head"], "the second file is cleaned up");
    assert_eq!(fs::read_to_string(file.join("kept")).unwrap(), "as it was");
    // When the obstacle is gone the same head is saved.
    fs::remove_dir_all(&file).unwrap();
    head.save(&file).unwrap();
    assert_eq!(listing(folder.path()), ["things.head"]);
}

/// The second file cannot be made: the first is not touched.
#[test]
fn the_old_head_stays_until_the_new_one_is_whole() {
    let extractor = &mut extractor();
    let (folder, file) = folder();
    taught(HeadKind::Softmax, extractor, 4).save(&file).unwrap();
    let old = fs::read(&file).unwrap();
    let obstacle = folder.path().join("things.head.new");
    fs::create_dir(&obstacle).unwrap();
    let better = taught(HeadKind::Softmax, extractor, 8);
    tells(&better.save(&file).unwrap_err(), &file, "directory");
    assert_eq!(fs::read(&file).unwrap(), old);
    assert_eq!(Head::load(&file, extractor).unwrap().sample_count(), 4);
    fs::remove_dir(&obstacle).unwrap();
    // A leftover of a save that the power cut short is replaced, however long it is.
    fs::write(&obstacle, vec![7; 100_000]).unwrap();
    better.save(&file).unwrap();
    assert_eq!(listing(folder.path()), ["things.head"]);
    assert_eq!(Head::load(&file, extractor).unwrap().sample_count(), 8);
}

/// A reader that has the old file open keeps reading the old head: it is replaced, not rewritten.
#[test]
fn a_head_is_replaced_and_not_rewritten() {
    use std::io::Read;
    let extractor = &mut extractor();
    let (_folder, file) = folder();
    taught(HeadKind::Softmax, extractor, 4).save(&file).unwrap();
    let old = fs::read(&file).unwrap();
    let mut open = fs::File::open(&file).unwrap();
    taught(HeadKind::Softmax, extractor, 8).save(&file).unwrap();
    let mut seen = Vec::new();
    open.read_to_end(&mut seen).unwrap();
    assert_eq!(seen, old);
    assert_ne!(fs::read(&file).unwrap(), old);
}

/// Links and files of others at the second file's place are neither followed nor written to.
#[test]
#[cfg(unix)]
fn no_link_is_followed() {
    let (folder, file) = folder();
    let mut extractor = extractor();
    let head = taught(HeadKind::Auto, &mut extractor, 6);
    let victim = folder.path().join("victim");
    let fresh = folder.path().join("things.head.new");
    fs::write(&victim, "precious").unwrap();
    let links: [fn(&Path, &Path) -> std::io::Result<()>; 2] =
        [|to, at| std::os::unix::fs::symlink(to, at), |to, at| fs::hard_link(to, at)];
    for link in links {
        link(&victim, &fresh).unwrap();
        head.save(&file).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(&file).unwrap().is_file() && !fresh.exists());
        Head::load(&file, &extractor).unwrap();
    }
}

/// Makes the largest head in a process of its own, which may have 1 GB.
#[cfg(unix)]
#[test]
fn too_little_memory_is_an_error() {
    const INSIDE: &str = "OFFSHOOT_LITTLE_MEMORY";
    if std::env::var_os(INSIDE).is_some() {
        let limits = Limits { classes: 1024, samples: 65_535 };
        let id = offshoot::PackageId::new([1; 32]);
        let error = Head::for_embeddings(HeadKind::Auto, 4096, id, limits).unwrap_err();
        assert!(matches!(head_error(&error), HeadError::Memory { needed } if needed > 1 << 30));
        assert!(error.to_string().contains("lower its limits"), "{error}");
        return;
    }
    let script = "ulimit -v 1000000 && exec \"$0\" too_little_memory_is_an_error --exact";
    let mut shell = std::process::Command::new("sh");
    let program = std::env::current_exe().unwrap();
    let ended = shell.arg("-c").arg(script).arg(program).env(INSIDE, "1").output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}
