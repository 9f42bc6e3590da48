//! `?` works on every error that a function of the facade's types returns.

use offshoot::{
    Embedding, Error, ErrorKind, Extractor, Frame, Head, HeadKind, Image, Isa, Limits, Options,
    Package,
};

/// Lesson as an application writes it; its compiling is half of the test.
fn lesson() -> Result<usize, Error> {
    let shades = [100; 192];
    let frame = Frame::rgb(8, 8, &shades)?;
    Package::open(&std::fs::read("tests/tiny.offshoot").expect("a file of the tests"))?;
    let (kind, isa): (HeadKind, Isa) = ("ncm".parse()?, Isa::from_env()?);
    let options = Options::new().isa(isa);
    let mut extractor = Extractor::open_with("tests/tiny.offshoot", &options)?;
    let mut head = Head::new(kind, &extractor, Limits { classes: 2, samples: 4 })?;
    head.set_false_rejection_rate(0.5)?;
    let class = head.add_class("grey")?;
    head.add_sample(class, extractor.embed(&frame)?)?;
    head.rename_class(class, "gray")?;
    head.fit()?;
    head.classify(extractor.embed(&frame)?)?;
    head.report()?;
    let mut bytes = vec![0; head.encoded_len()];
    head.encode(&mut bytes)?;
    let mut other = Head::from_bytes(&bytes, &extractor)?;
    other.merge(&head)?;
    other.remove_class(class)?;
    Ok(head.sample_count())
}

#[test]
fn an_application_returns_the_facades_error() {
    assert_eq!(lesson().unwrap(), 1);
}

#[test]
fn a_folder_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let extractor = Extractor::open("tests/tiny.offshoot").unwrap();
    let package = Extractor::open(path).unwrap_err();
    let head = Head::load(path, &extractor).unwrap_err();
    let image = Image::open(path).unwrap_err();
    for (error, wanted) in [
        (package, "a file that ends with .offshoot"),
        (head, "a head file"),
        (image, "an image file"),
    ] {
        assert_eq!(error.to_string(), format!("{}: is a folder; name {wanted}", path.display()));
        assert_eq!(error.path(), Some(path));
        assert!(matches!(error.kind(), ErrorKind::Io(_)));
    }
}

#[test]
fn what_failed_can_be_told_apart() {
    let frame = || -> Result<(), Error> {
        Frame::rgb(8, 8, &[0; 10])?;
        Ok(())
    };
    assert!(matches!(frame().unwrap_err().kind(), ErrorKind::Frame(_)));
    assert_eq!(frame().unwrap_err().to_string(), "the frame needs 192 bytes, the buffer has 10");
    let kind = || -> Result<HeadKind, Error> { Ok("oracle".parse()?) };
    assert!(matches!(kind().unwrap_err().kind(), ErrorKind::HeadKind(_)));
    let head = Head::new(
        HeadKind::NearestMean,
        &Extractor::open("tests/tiny.offshoot").unwrap(),
        Limits { classes: 1, samples: 1 },
    )
    .unwrap();
    let ask = |head: &Head| -> Result<(), Error> {
        head.classify(Embedding::Float(&[0.0; 3]))?;
        Ok(())
    };
    assert!(matches!(ask(&head).unwrap_err().kind(), ErrorKind::Ask(_)));
}

/// A run-length coded bitmap of a kilobyte that says it is as large as an image may be.
fn bitmap(width: u32, height: u32, bytes: usize) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    let pixels = 14 + 40 + 4 * 256;
    file.extend((pixels + bytes as u32).to_le_bytes());
    file.extend([0; 4]);
    file.extend(pixels.to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([1, 0, 8, 0]);
    // BI_RLE8.
    file.extend(1u32.to_le_bytes());
    file.extend((bytes as u32).to_le_bytes());
    file.extend([0; 16]);
    file.extend((0..=255u8).flat_map(|shade| [shade, shade, shade, 0]));
    file.extend((0..bytes / 2 - 1).flat_map(|_| [255, 7]));
    file.extend([0, 1]);
    file
}

#[test]
fn a_small_file_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.bmp");
    std::fs::write(&path, bitmap(12_288, 11_585, 1000)).unwrap();
    let error = Image::open(&path).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::LargeImage { width: 12_288, height: 11_585, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("bomb.bmp") && error.to_string().contains("12288x11585"),
        "{error}"
    );
    // What a camera takes is read, also where it is all one colour.
    std::fs::write(&path, bitmap(4000, 3000, 2 * 12_000_000 / 255)).unwrap();
    let image = Image::open(&path).unwrap();
    // Rows of bitmaps go up.
    let below = &image.rgb()[3 * 4000 * 2999..][..3];
    assert_eq!((image.width(), image.height(), below), (4000, 3000, &[7; 3][..]));
}
