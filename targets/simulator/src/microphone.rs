//! Microphone without hardware: whistles, knocks, hums and spoken-like words in a noisy room.

mod synthesis;

use crate::random::Random;

/// Sampling rate in Hz.
pub const RATE: u32 = 16_000;

/// Silence before and behind the sound of [`Microphone::take`], and time between two performances
/// of a stream, in samples.
const RIM: usize = RATE as usize / 5;
const GAP: usize = RATE as usize * 6 / 10;

/// Stream of a seed for the noise of the room.
const OF_ROOM: u64 = 0;

/// Sound that the microphone hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sound {
    /// Tone that glides upwards.
    Whistle,
    /// Two or three blows on wood.
    Knock,
    /// Motor.
    Hum,
    /// Word of a bright and an open vowel.
    Lila,
    /// Word of dark vowels.
    Momo,
}

impl Sound {
    /// All sounds.
    pub const ALL: [Self; 5] = [Self::Whistle, Self::Knock, Self::Hum, Self::Lila, Self::Momo];

    /// Returns the name of the sound.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whistle => "whistle",
            Self::Knock => "knock",
            Self::Hum => "hum",
            Self::Lila => "lila",
            Self::Momo => "momo",
        }
    }
}

/// Microphone in a room: noise without end, and a sound in it again and again. The same seed and the
/// same calls give the same samples on every machine, in pieces of any length.
///
/// ```
/// use offshoot_simulator::{Microphone, Sound};
///
/// let mut microphone = Microphone::new(7);
/// microphone.play(Some(Sound::Knock));
/// let mut samples = [0; 16_000];
/// microphone.listen(&mut samples);
/// assert!(samples.iter().any(|sample| sample.unsigned_abs() > 1_000));
/// ```
#[derive(Clone, Debug)]
pub struct Microphone {
    seed: u64,
    room: Room,
    sound: Option<Sound>,
    /// Number of performances so far.
    count: u64,
    /// Performance that is heard, and its next sample.
    wave: Vec<f32>,
    at: usize,
    /// Number of samples until the next performance.
    gap: usize,
}

impl Microphone {
    /// Places a microphone into the room of a seed, in which only the room itself is heard.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let room = Room::new(seed);
        Self { seed, room, sound: None, count: 0, wave: Vec::new(), at: 0, gap: 0 }
    }

    /// Returns a clip with one performance of a sound, or of the room alone; each seed is another
    /// performance in another room. Clips of sounds are 0.6 to 1.4 seconds long, those of a room one
    /// second.
    #[must_use]
    pub fn take(sound: Option<Sound>, seed: u64) -> Vec<i16> {
        let wave =
            sound.map_or_else(|| vec![0.0; RATE as usize], |s| synthesis::performance(s, seed));
        let rim = if sound.is_some() { RIM } else { 0 };
        let mut room = Room::new(seed);
        let silence = std::iter::repeat_n(0.0, rim);
        let whole = silence.clone().chain(wave).chain(silence);
        whole.map(|x| sample(x + room.next())).collect()
    }

    /// Begins to play this sound, or nothing, in place of the one that is heard.
    pub fn play(&mut self, sound: Option<Sound>) {
        self.sound = sound;
        self.wave.clear();
        (self.at, self.gap) = (0, RIM);
    }

    /// Returns the sound that is played.
    #[must_use]
    pub fn sound(&self) -> Option<Sound> {
        self.sound
    }

    /// Fills the buffer with the next samples.
    pub fn listen(&mut self, samples: &mut [i16]) {
        for slot in samples {
            let heard = self.next();
            *slot = sample(heard + self.room.next());
        }
    }

    fn next(&mut self) -> f32 {
        let Some(sound) = self.sound else { return 0.0 };
        if self.gap > 0 {
            self.gap -= 1;
            return 0.0;
        }
        if self.at == self.wave.len() {
            self.count += 1;
            self.wave =
                synthesis::performance(sound, self.seed.wrapping_mul(1_000_003) ^ self.count);
            self.at = 0;
        }
        let heard = self.wave[self.at];
        self.at += 1;
        if self.at == self.wave.len() {
            self.gap = GAP;
        }
        heard
    }
}

/// Noise of a room: much of it low, as of air and traffic.
#[derive(Clone, Debug)]
struct Room {
    random: Random,
    low: f32,
    loudness: f32,
}

impl Room {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, OF_ROOM);
        let loudness = random.range(0.001, 0.003);
        Self { random, low: 0.0, loudness }
    }

    fn next(&mut self) -> f32 {
        let white = self.random.range(-1.0, 1.0);
        self.low += 0.05 * (white - self.low);
        self.loudness * (0.3 * white + 3.0 * self.low)
    }
}

/// Sample of 16 bits, clipped.
fn sample(value: f32) -> i16 {
    libm::roundf(value * 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
        (sum / samples.len() as f64).sqrt()
    }

    #[test]
    fn pieces_of_any_length_are_the_same_stream() {
        let start = || {
            let mut microphone = Microphone::new(3);
            microphone.play(Some(Sound::Lila));
            microphone
        };
        let mut whole = vec![0; 40_000];
        start().listen(&mut whole);
        for piece in [1, 7, 160, 4_800] {
            let mut pieces = vec![0; 40_000];
            let mut microphone = start();
            pieces.chunks_mut(piece).for_each(|piece| microphone.listen(piece));
            assert!(whole == pieces, "{piece}");
        }
    }

    #[test]
    fn sounds_are_louder_than_the_room_and_each_performance_is_another() {
        for seed in 0..20 {
            let room = energy(&Microphone::take(None, seed));
            assert!((5.0..100.0).contains(&room), "{room}");
            for sound in Sound::ALL {
                let take = Microphone::take(Some(sound), seed);
                assert!((0.5..1.5).contains(&(take.len() as f32 / RATE as f32)), "{}", take.len());
                assert!(energy(&take) > 10.0 * room, "{sound:?} {seed}: {}", energy(&take));
                assert!(take.iter().all(|x| x.unsigned_abs() < 30_000), "{sound:?} is clipped");
                assert_ne!(take, Microphone::take(Some(sound), seed + 1_000));
            }
        }
    }

    #[test]
    fn a_sound_comes_again_and_ends_when_asked() {
        let mut microphone = Microphone::new(1);
        microphone.play(Some(Sound::Whistle));
        let mut second = [0; RATE as usize];
        let mut loud = 0;
        for _ in 0..6 {
            microphone.listen(&mut second);
            loud += usize::from(energy(&second) > 1_000.0);
        }
        assert!(loud >= 5, "{loud}");
        microphone.play(None);
        microphone.listen(&mut second);
        assert!(energy(&second) < 100.0);
    }

    #[test]
    fn samples_are_those_that_were_written_down() {
        // FNV-1a of the samples: the same on every machine.
        let digest = Sound::ALL.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &sound| {
            Microphone::take(Some(sound), 5).iter().fold(hash, |hash, sample| {
                (hash ^ u64::from(sample.cast_unsigned())).wrapping_mul(0x0100_0000_01b3)
            })
        });
        assert_eq!(digest, 0x40ee_626b_913e_df42, "{digest:#x}");
    }
}
