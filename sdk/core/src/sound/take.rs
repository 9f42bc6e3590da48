//! Sound within a recording that was begun and ended by hand.

use core::ops::Range;

/// Pieces in which loudness is measured, in parts of a second.
const PIECES: u32 = 50;

/// Factor of energy by which a piece is louder than the quietest of its recording: 10 dB.
const LOUDER: u64 = 10;
/// Factor of energy by which a piece may be quieter than the loudest: 30 dB.
const QUIETER: u64 = 1000;

/// Number of pieces that are kept before and behind the sound, and least number of all.
const RIM: usize = 5;
const LEAST: usize = 25;

/// Returns the samples of a recording in which there is something to hear: pieces of 20 ms that are
/// at least 10 dB louder than the quietest and at most 30 dB below the loudest, from the first to the
/// last, with a tenth of a second on both sides, and half a second at least. [`None`] if no piece
/// stands out, or there are fewer samples than one piece. `rate` is in Hz.
///
/// ```
/// let mut samples = [3; 16_000];
/// samples[8_000..9_000].fill(1_000);
/// let heard = offshoot_core::sound::heard_in(&samples, 16_000).unwrap();
/// assert!(heard.start <= 8_000 && heard.end >= 9_000 && heard.len() < 9_000);
/// assert!(offshoot_core::sound::heard_in(&[3; 16_000], 16_000).is_none());
/// ```
#[must_use]
pub fn heard_in(samples: &[i16], rate: u32) -> Option<Range<usize>> {
    let piece = (rate / PIECES).max(1) as usize;
    let energies = samples.chunks_exact(piece).map(energy);
    let quietest = energies.clone().min()?;
    let loudest = energies.clone().max()?;
    let least = (quietest.max(1) * LOUDER).max(loudest / QUIETER);
    let first = energies.clone().position(|energy| energy >= least)?;
    let last = energies.enumerate().rfind(|(_, energy)| *energy >= least)?.0;
    let mut start = first.saturating_sub(RIM);
    let mut end = last + 1 + RIM;
    // A short sound gets more on both sides.
    let missing = LEAST.saturating_sub(end - start);
    start = start.saturating_sub(missing / 2);
    end += missing - missing / 2;
    Some(start * piece..(end * piece).min(samples.len()))
}

/// Sum of squares of a piece.
fn energy(piece: &[i16]) -> u64 {
    piece.iter().map(|&x| u64::from(x.unsigned_abs()).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn the_sound_is_found_with_a_rim() {
        let mut samples = vec![2i16; 32_000];
        samples[10_000..20_000].iter_mut().step_by(2).for_each(|x| *x = 5_000);
        let heard = heard_in(&samples, 16_000).unwrap();
        assert!((8_000..=9_000).contains(&heard.start), "{heard:?}");
        assert!((21_000..=22_000).contains(&heard.end), "{heard:?}");
        // A click is half a second, wherever it is.
        for at in [0, 3_000, 16_000, 31_900] {
            let mut samples = vec![2i16; 32_000];
            samples[at] = 20_000;
            let heard = heard_in(&samples, 16_000).unwrap();
            assert!(
                heard.contains(&at.min(heard.end - 1)) && heard.end <= 32_000,
                "{at} {heard:?}"
            );
            assert!(heard.len() >= 1_600 && heard.len() <= 8_400, "{at} {heard:?}");
        }
    }

    #[test]
    fn steady_noise_has_nothing_to_hear() {
        let noise: vec::Vec<i16> =
            (0..32_000i32).map(|i| ((i * 7_919) % 200 - 100) as i16).collect();
        assert_eq!(heard_in(&noise, 16_000), None);
        assert_eq!(heard_in(&[], 16_000), None);
        assert_eq!(heard_in(&[5; 100], 16_000), None);
        assert_eq!(heard_in(&[i16::MIN; 5_000], 96_000), None);
        assert_eq!(heard_in(&[i16::MIN; 50], 0), None);
    }
}
