//! Framebuffer of Linux, written like a file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use embedded_graphics::pixelcolor::{Rgb565, Rgb888};
use embedded_graphics::prelude::*;

use super::canvas::Canvas;
use crate::camera::pixels::Turn;
use crate::ports::{Screen, ScreenError};

/// Min size for the large layout, long side and short side: larger panels show larger pixels.
const LEAST: (u32, u32) = (320, 240);

/// Max side of a panel.
const MOST_SIDE: u32 = 8192;

/// Byte layout of a framebuffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    width: u32,
    height: u32,
    /// Bytes from one row to the next.
    stride: usize,
    /// Bytes of a pixel: 2 for RGB565, 4 for XRGB8888, both with the lowest byte first.
    depth: usize,
}

/// Panel such as `/dev/fb0`.
#[derive(Debug)]
pub struct Framebuffer {
    file: File,
    path: PathBuf,
    form: Form,
    turn: Turn,
    /// Number of panel pixels per drawn pixel, in both directions.
    scale: u32,
    canvas: Canvas<Rgb565>,
    bytes: Vec<u8>,
}

impl Framebuffer {
    /// Opens a panel; its size is read from `/sys/class/graphics`.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if it cannot be opened, or its pixels are neither RGB565 nor XRGB8888.
    pub fn open(path: impl Into<PathBuf>, turn: Turn) -> Result<Self, ScreenError> {
        let path = path.into();
        let about = Path::new("/sys/class/graphics").join(path.file_name().unwrap_or_default());
        Self::described(path, &about, turn)
    }

    /// Opens a panel, or a file like one, that the files in `about` describe: `virtual_size`,
    /// `bits_per_pixel`, `stride` and, if it exists, `modes`.
    ///
    /// # Errors
    ///
    /// Those of [`Framebuffer::open`].
    pub fn described(path: PathBuf, about: &Path, turn: Turn) -> Result<Self, ScreenError> {
        let opened = OpenOptions::new().write(true).open(&path);
        let file = opened.map_err(|source| ScreenError::of_file(&path, source))?;
        let form = Description(about).form();
        let form = form.map_err(|source| ScreenError::of_file(&path, source))?;
        let Form { width, height, .. } = form;
        let long = width.max(height);
        let short = width.min(height);
        let scale = (long / LEAST.0).min(short / LEAST.1).max(1);
        let across = (width / scale) as u16;
        let down = (height / scale) as u16;
        let canvas =
            if turn.is_sideways() { Canvas::new(down, across) } else { Canvas::new(across, down) };
        let bytes = vec![0; form.stride * height as usize];
        // Clears the previous content, such as a console, also at an edge that no pixel covers.
        file.write_all_at(&bytes, 0).map_err(|source| ScreenError::of_file(&path, source))?;
        Ok(Self { file, path, form, turn, scale, canvas, bytes })
    }

    /// Writes the changed rows into `bytes`; returns the affected rows of the panel.
    fn render(&mut self, rows: Range<u16>) -> Range<usize> {
        let Form { stride, depth, .. } = self.form;
        let (width, height) = self.canvas.size();
        let (_, start, across, down) = self.turn.steps(width.into(), height.into());
        let turned = if self.turn.is_sideways() { height } else { width };
        let scale = self.scale as usize;
        let mut top = usize::MAX;
        let mut bottom = 0;
        for y in rows {
            for (x, &colour) in self.canvas.row(y).iter().enumerate() {
                let place = (start + across * x as isize + down * y as isize) as usize;
                let left = place % usize::from(turned) * scale;
                let row = place / usize::from(turned) * scale;
                (top, bottom) = (top.min(row), bottom.max(row + scale));
                let at = row * stride + left * depth;
                for pixel in self.bytes[at..at + scale * depth].chunks_exact_mut(depth) {
                    write(pixel, colour);
                }
            }
        }
        // The other rows of large pixels are the same.
        for row in (top..bottom).step_by(scale) {
            for copy in 1..scale {
                self.bytes.copy_within(row * stride..(row + 1) * stride, (row + copy) * stride);
            }
        }
        top..bottom
    }
}

fn write(pixel: &mut [u8], colour: Rgb565) {
    if let [low, high] = pixel {
        [*low, *high] = colour.into_storage().to_le_bytes();
    } else {
        let colour = Rgb888::from(colour);
        pixel.copy_from_slice(&[colour.b(), colour.g(), colour.r(), 0xff]);
    }
}

/// Folder of files in which the kernel describes a panel.
struct Description<'a>(&'a Path);

impl Description<'_> {
    fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.0.join(name))
    }

    fn wrong(&self, name: &str, text: &str) -> io::Error {
        io::Error::other(format!("{} says `{}`", self.0.join(name).display(), text.trim()))
    }

    fn number(&self, name: &str) -> io::Result<u32> {
        let text = self.read(name)?;
        text.trim().parse().map_err(|_| self.wrong(name, &text))
    }

    fn form(&self) -> io::Result<Form> {
        let virtual_size = self.read("virtual_size")?;
        let (width, mut height) =
            pair(&virtual_size, ',').ok_or_else(|| self.wrong("virtual_size", &virtual_size))?;
        // Memory for several screens one below the other is usual; the mode has the height of one:
        // `U:1920x1080p-60`.
        let mode = self.read("modes").unwrap_or_default();
        let shown = mode.trim_start_matches(|c: char| !c.is_ascii_digit());
        let shown =
            shown.split(|c: char| !c.is_ascii_digit() && c != 'x').next().unwrap_or_default();
        height = pair(shown, 'x').map_or(height, |(_, shown)| height.min(shown));
        let bits = self.number("bits_per_pixel")?;
        let stride = self.number("stride")? as usize;
        if bits != 16 && bits != 32 {
            return Err(io::Error::other(format!("{bits} bits a pixel; 16 and 32 can be written")));
        }
        let depth = bits as usize / 8;
        let sides = 1..=MOST_SIDE;
        let fits =
            sides.contains(&width) && sides.contains(&height) && stride >= width as usize * depth;
        if !fits || stride > 4 * MOST_SIDE as usize {
            return Err(io::Error::other(format!("{width}x{height} with rows of {stride} bytes")));
        }
        Ok(Form { width, height, stride, depth })
    }
}

/// Parses width and height.
fn pair(text: &str, between: char) -> Option<(u32, u32)> {
    let (width, height) = text.trim().split_once(between)?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

impl Screen for Framebuffer {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.canvas.draw(moment);
        let rows = self.canvas.changed_rows();
        if rows.is_empty() {
            return Ok(());
        }
        let rows = self.render(rows);
        let bytes = rows.start * self.form.stride..rows.end * self.form.stride;
        let written = self.file.write_all_at(&self.bytes[bytes.clone()], bytes.start as u64);
        self.canvas.keep(written.is_ok());
        written.map_err(|source| ScreenError::of_file(&self.path, source))
    }
}

#[cfg(test)]
mod tests {
    use offshoot_view::{ClassLine, State};

    use super::*;
    use crate::screen::panel::Panel;

    const MOMENT: offshoot_view::Screen<'static> = offshoot_view::Screen {
        title: "Offshoot",
        image: None,
        objects: None,
        state: State::Answer { class: "mug", confidence: 0.9 },
        classes: &[ClassLine { name: "mug", samples: 5, probability: 0.9 }],
        threshold: Some(0.6),
        advice: "",
        hint: "A teach",
    };

    /// Panel in a file, with rows of padding at the foot, and the files that describe it.
    struct Made {
        dir: tempfile::TempDir,
        stride: usize,
        height: usize,
    }

    impl Made {
        fn new((width, height): (u32, u32), bits: u32, stride: usize) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let virtual_size = format!("{width},{}\n", 2 * height);
            for (name, text) in [
                ("virtual_size", virtual_size),
                ("modes", format!("U:{width}x{height}p-0\n")),
                ("bits_per_pixel", format!("{bits}\n")),
                ("stride", format!("{stride}\n")),
            ] {
                fs::write(dir.path().join(name), text).unwrap();
            }
            fs::write(dir.path().join("fb0"), vec![0xa5; stride * (height as usize + 3)]).unwrap();
            Self { dir, stride, height: height as usize }
        }

        fn open(&self, turn: Turn) -> Result<Framebuffer, ScreenError> {
            Framebuffer::described(self.dir.path().join("fb0"), self.dir.path(), turn)
        }

        fn bytes(&self) -> Vec<u8> {
            fs::read(self.dir.path().join("fb0")).unwrap()
        }
    }

    fn drawn(width: u16, height: u16) -> Panel<Rgb565> {
        let mut panel = Panel::new(width, height, Rgb565::BLACK);
        let Ok(()) = MOMENT.draw(&mut panel);
        panel
    }

    #[test]
    fn rows_are_padded_and_turned() {
        for (turn, size) in [
            (Turn::None, (320, 240)),
            (Turn::Right, (240, 320)),
            (Turn::Half, (320, 240)),
            (Turn::Left, (240, 320)),
        ] {
            for (bits, stride) in [(16, 640 + 24), (32, 1280 + 64)] {
                let made = Made::new((320, 240), bits, stride);
                made.open(turn).unwrap().show(&MOMENT).unwrap();
                let bytes = made.bytes();
                let panel = drawn(size.0, size.1);
                for at in panel.bounding_box().points() {
                    let (x, y) = match turn {
                        Turn::None => (at.x, at.y),
                        Turn::Right => (319 - at.y, at.x),
                        Turn::Half => (319 - at.x, 239 - at.y),
                        Turn::Left => (at.y, 239 - at.x),
                    };
                    let colour = panel.pixel(at).unwrap();
                    let start = y as usize * stride + x as usize * bits as usize / 8;
                    if bits == 16 {
                        assert_eq!(bytes[start..start + 2], colour.into_storage().to_le_bytes());
                    } else {
                        let rgb = Rgb888::from(colour);
                        assert_eq!(bytes[start..start + 3], [rgb.b(), rgb.g(), rgb.r()]);
                    }
                }
                assert!(
                    (0..240).all(|y| bytes[(y + 1) * stride - 24..(y + 1) * stride] == [0; 24])
                );
                assert!(
                    bytes[made.stride * made.height..].iter().all(|b| *b == 0xa5),
                    "below the image"
                );
            }
        }
    }

    #[test]
    fn large_panels_show_large_pixels() {
        let made = Made::new((1000, 500), 16, 2000);
        made.open(Turn::None).unwrap().show(&MOMENT).unwrap();
        let bytes = made.bytes();
        let panel = drawn(500, 250);
        for (x, y) in [(0, 0), (499, 499), (321, 77), (640, 480), (999, 250)] {
            let colour = panel.pixel(Point::new(x / 2, y / 2)).unwrap();
            let start = y as usize * 2000 + x as usize * 2;
            assert_eq!(bytes[start..start + 2], colour.into_storage().to_le_bytes(), "{x} {y}");
        }
    }

    #[test]
    fn only_rows_that_change_are_written() {
        let made = Made::new((320, 240), 16, 640);
        let mut panel = made.open(Turn::None).unwrap();
        panel.show(&MOMENT).unwrap();
        fs::write(made.dir.path().join("fb0"), vec![0; 640 * 240]).unwrap();
        panel.show(&MOMENT).unwrap();
        assert!(made.bytes().iter().all(|b| *b == 0), "nothing changed");
        panel.show(&offshoot_view::Screen { hint: "B next", ..MOMENT }).unwrap();
        let bytes = made.bytes();
        let first = bytes.iter().position(|b| *b != 0).unwrap();
        assert!(first > 640 * 200, "{first}");
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let told = |made: &Made| made.open(Turn::None).unwrap_err().to_string();
        assert!(
            told(&Made::new((320, 240), 8, 320))
                .ends_with("8 bits a pixel; 16 and 32 can be written")
        );
        assert!(told(&Made::new((320, 240), 16, 639)).ends_with("320x240 with rows of 639 bytes"));
        let made = Made::new((320, 240), 16, 640);
        fs::write(made.dir.path().join("stride"), "wide").unwrap();
        assert!(told(&made).contains("stride says `wide`"));
        fs::remove_file(made.dir.path().join("virtual_size")).unwrap();
        assert!(told(&made).contains("No such file"));
        let absent = Framebuffer::open("/dev/no-such-fb", Turn::None).unwrap_err().to_string();
        assert!(absent.starts_with("/dev/no-such-fb"), "{absent}");
    }
}
