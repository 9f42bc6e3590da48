//! Folders of WAV files, and Speech Commands' lists of test files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hound::{SampleFormat, WavReader};

use super::folder;
use crate::files::subfolders;
use crate::files::{Wanted, entries, file_name, folders_named, is_image, is_sound, read_text};
use crate::left_out::{Care, Reason};
use crate::{DataError, Named, Place};

/// Speech Commands' folder of long recordings, and the name of its class here.
const NOISE: [&str; 2] = ["_background_noise_", "background"];
/// Speech Commands' lists of test files, the first of them in use.
const LISTS: [&str; 2] = ["testing_list.txt", "validation_list.txt"];
/// Maximum size in bytes of a file.
const MAX_BYTES: u64 = 1 << 30;
/// Zero crossings of the resampling filter on either side.
const CROSSINGS: f64 = 24.0;
/// Cutoff of the resampling filter, as a share of half the lower rate.
const CUTOFF: f64 = 0.94;

/// Returns true if the class folders hold WAV files and no images.
pub(crate) fn is_folder(dir: &Path) -> bool {
    let train = folders_named(dir, &["train", "training"]);
    let dir = train.into_iter().next().unwrap_or(dir.to_path_buf());
    let folders = subfolders(&dir).unwrap_or_default();
    let files = || folders.iter().flat_map(|folder| entries(folder).unwrap_or_default());
    files().any(|file| is_sound(&file)) && !files().any(|file| is_image(&file))
}

/// Reads `DIR/<class>/*.wav`, or with train/ and val/ above the classes; with Speech Commands' list
/// of test files, its files are for testing.
pub(crate) fn folders(dir: &Path, care: Care) -> Result<Named, DataError> {
    let mut named = folder::read_as(dir, Wanted::Sounds, |_| true, care)?;
    for (_, class) in named.train.iter_mut().chain(&mut named.val) {
        if class == NOISE[0] {
            *class = NOISE[1].to_string();
        }
    }
    let lists: Vec<_> = LISTS.into_iter().filter(|list| dir.join(list).is_file()).collect();
    let Some(used) = lists.first().filter(|_| named.val.is_empty()) else { return Ok(named) };
    let tested = listed(&dir.join(used))?;
    let unused = match lists.get(1) {
        Some(other) => listed(&dir.join(other))?,
        None => BTreeSet::new(),
    };
    let before = std::mem::take(&mut named.train);
    let mut count = 0;
    for (place, class) in before {
        let key = match &place {
            Place::File(path) => key(path),
            _ => String::new(),
        };
        if tested.contains(&key) {
            named.val.push((place, class));
        } else if unused.contains(&key) {
            count += 1;
        } else {
            named.train.push((place, class));
        }
    }
    if let Some(other) = lists.get(1) {
        named.left_out.note(format!("the files of {other} are left out: {used} is for testing"));
        named.left_out.add(Reason::Unused, count);
    }
    Ok(named)
}

/// Returns the lines of a list: a folder, a slash and a file's name.
fn listed(path: &Path) -> Result<BTreeSet<String>, DataError> {
    Ok(read_text(path)?.lines().map(|line| line.trim().to_string()).collect())
}

fn key(path: &Path) -> String {
    let folder = path.parent().map(file_name).unwrap_or_default();
    format!("{folder}/{}", file_name(path))
}

/// Reads a file as one channel of 16-bit samples at `rate`: channels are averaged, another rate is
/// converted by a windowed sinc filter. A file of that form is returned as it is.
pub(crate) fn read(path: &Path, rate: u32) -> Result<Vec<i16>, DataError> {
    let broken = |what: String| DataError::Sound { path: path.to_path_buf(), what };
    let file = std::fs::metadata(path).map_err(|source| DataError::read(path, source))?;
    if file.len() > MAX_BYTES {
        return Err(broken(format!("has more than {MAX_BYTES} bytes; cut it into parts")));
    }
    let bytes = File::open(path).map_err(|source| DataError::read(path, source))?;
    let mut reader = WavReader::new(BufReader::new(bytes))
        .map_err(|e| broken(format!("is not a WAV file that can be read: {e}")))?;
    let spec = reader.spec();
    if spec.channels == 0 || !(1_000..=768_000).contains(&spec.sample_rate) {
        let what = format!("has {} channels at {} Hz", spec.channels, spec.sample_rate);
        return Err(broken(what));
    }
    let values: Result<Vec<f64>, _> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().map(|s| s.map(f64::from)).collect(),
        SampleFormat::Int => {
            let one = f64::from(1u32 << (spec.bits_per_sample - 1));
            reader.samples::<i32>().map(|s| s.map(|x| f64::from(x) / one)).collect()
        }
    };
    let values = values.map_err(|e| broken(format!("ends early, or is damaged: {e}")))?;
    if values.iter().any(|x| !x.is_finite()) {
        return Err(broken("has a sample that is no number".to_string()));
    }
    let channels = usize::from(spec.channels);
    let mean = |frame: &[f64]| frame.iter().sum::<f64>() / channels as f64;
    let mono: Vec<f64> = values.chunks_exact(channels).map(mean).collect();
    let samples = resampled(&mono, spec.sample_rate, rate);
    Ok(samples.iter().map(|x| (x * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect())
}

/// Converts a sampling rate: a sinc filter under a Hann window at each new sample.
fn resampled(samples: &[f64], from: u32, to: u32) -> Vec<f64> {
    if from == to {
        return samples.to_vec();
    }
    let common = (1..=from.min(to))
        .rev()
        .find(|n| from.is_multiple_of(*n) && to.is_multiple_of(*n))
        .unwrap_or(1);
    let [down, up] = [from / common, to / common].map(u64::from);
    let cutoff = CUTOFF * (f64::from(to) / f64::from(from)).min(1.0);
    let reach = (CROSSINGS / cutoff).ceil() as i64;
    // The place of a new sample between two old ones repeats.
    let filters: Vec<Vec<f64>> = (0..up)
        .map(|phase| {
            let at = phase as f64 / up as f64;
            (-reach..=reach).map(|k| weight(k as f64 - at, cutoff, reach as f64)).collect()
        })
        .collect();
    let count = samples.len() as u64 * up / down;
    let value = |n: u64| {
        let first = (n * down / up) as i64 - reach;
        let filter = &filters[(n * down % up) as usize];
        let products = filter.iter().enumerate().filter_map(|(k, weight)| {
            Some(weight * samples.get(usize::try_from(first + k as i64).ok()?)?)
        });
        products.sum::<f64>()
    };
    (0..count).map(value).collect()
}

/// Returns the weight of a sample at a distance, in samples.
fn weight(distance: f64, cutoff: f64, reach: f64) -> f64 {
    let x = std::f64::consts::PI * distance;
    let sinc = if distance == 0.0 { cutoff } else { libm::sin(cutoff * x) / x };
    let hann = 0.5 + 0.5 * libm::cos((x / (reach + 1.0)).clamp(-3.15, 3.15));
    sinc * hann
}

#[cfg(test)]
mod tests {
    use hound::{WavSpec, WavWriter};

    use super::*;
    use crate::{Dataset, Format, tests::touch};

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> WavSpec {
        let sample_format =
            if bits_per_sample == 32 { SampleFormat::Float } else { SampleFormat::Int };
        WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    /// A tone of 440 Hz at half of full scale, half a second.
    fn tone(path: &Path, spec: WavSpec) {
        let mut writer = WavWriter::create(path, spec).unwrap();
        for i in 0..spec.sample_rate / 2 {
            let turn = f64::from(i) * 440.0 / f64::from(spec.sample_rate);
            let value = 0.5 * (turn * 2.0 * std::f64::consts::PI).sin();
            for channel in 0..spec.channels {
                // The channels differ; their mean is the tone.
                let value =
                    value + if channel == 0 { 0.1 } else { -0.1 } * f64::from(spec.channels - 1);
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                    SampleFormat::Int => {
                        let one = f64::from((1u32 << (spec.bits_per_sample - 1)) - 1);
                        writer.write_sample((value * one).round() as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn every_form_gives_the_same_tone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        for (channels, rate, bits, error) in [
            (1, 16_000, 16, 2.0),
            (2, 16_000, 16, 3.0),
            (1, 16_000, 8, 270.0),
            (1, 16_000, 24, 2.0),
            (1, 16_000, 32, 2.0),
            (1, 8_000, 16, 20.0),
            (2, 44_100, 24, 20.0),
            (1, 48_000, 32, 20.0),
        ] {
            tone(&path, spec(channels, rate, bits));
            let samples = read(&path, 16_000).unwrap();
            assert_eq!(samples.len(), 8_000);
            for (i, &sample) in samples.iter().enumerate().skip(100).take(7_800) {
                let turn = i as f64 * 440.0 / 16_000.0;
                let want = 16_384.0 * (turn * 2.0 * std::f64::consts::PI).sin();
                let off = (f64::from(sample) - want).abs();
                assert!(off <= error, "{channels} channels, {rate} Hz, {bits} bits: {off} at {i}");
            }
        }
    }

    #[test]
    fn a_lower_rate_has_no_aliases() {
        let samples: Vec<f64> = (0..48_000)
            .map(|i| (f64::from(i) * 2.0 * std::f64::consts::PI * 9_000.0 / 48_000.0).sin())
            .collect();
        let got = resampled(&samples, 48_000, 16_000);
        let peak = got[200..15_800].iter().fold(0.0f64, |peak, x| peak.max(x.abs()));
        assert!(peak < 0.002, "9 kHz do not fit 16 kHz: {peak}");
    }

    #[test]
    fn broken_files_name_the_fault() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        tone(&path, spec(1, 16_000, 16));
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(read(&path, 16_000).unwrap().len(), 8_000);
        let mut cases = vec![(whole[..300].to_vec(), "ends early")];
        cases.push((whole[..20].to_vec(), "not a WAV file"));
        cases.push((b"ID3 and so on".to_vec(), "not a WAV file"));
        cases.push((Vec::new(), "not a WAV file"));
        // A header that states four gigabytes, and no channels.
        let mut huge = whole.clone();
        huge[40..44].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff]);
        cases.push((huge, "ends early"));
        let mut mute = whole;
        mute[22] = 0;
        cases.push((mute, "a.wav"));
        for (bytes, part) in cases {
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path, 16_000).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("a.wav"), "`{part}` is not in {error}");
        }
        // One sample is a file, though nothing can be heard in it.
        let mut writer = WavWriter::create(&path, spec(1, 8_000, 16)).unwrap();
        writer.write_sample(5i16).unwrap();
        writer.finalize().unwrap();
        assert_eq!(read(&path, 16_000).unwrap().len(), 2);
    }

    #[test]
    fn class_folders_and_lists_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for name in ["yes/a.wav", "yes/b.wav", "yes/c.wav", "no/a.WAV", "_background_noise_/n.wav"]
        {
            touch(dir, name, b"x");
        }
        let set = Dataset::open(dir).unwrap();
        assert_eq!(Format::detect(dir), Format::Sounds);
        assert_eq!(set.classes, ["background", "no", "yes"]);
        assert_eq!((set.train.len(), set.val.len()), (5, 0));
        touch(dir, "testing_list.txt", b"yes/b.wav\n");
        touch(dir, "validation_list.txt", b"yes/c.wav\n");
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.train.len(), set.val.len()), (3, 1));
        assert_eq!(set.left_out.count(Reason::Unused), 1);
        assert!(set.val[0].name().ends_with("b.wav"));
    }
}
