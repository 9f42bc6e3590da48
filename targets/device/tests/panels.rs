//! Panels on simulated buses: every byte, against the controllers' data sheets (SSD1306 rev 1.1,
//! ST7789V rev 1.4) and a packing of pixels of our own.

use embedded_graphics::pixelcolor::{BinaryColor, Rgb565};
use embedded_graphics::prelude::*;
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::digital::{self, State as Level};
use embedded_hal_mock::eh1::{i2c, spi};
use offshoot_device::{Oled, Panel, PanelGeometry, Screen, Tft, Turn};
use offshoot_view::{ClassLine, State};

const MOMENT: offshoot_view::Screen<'static> = offshoot_view::Screen {
    title: "Offshoot",
    image: None,
    objects: None,
    state: State::Answer { class: "mug", confidence: 0.93 },
    classes: &[
        ClassLine { name: "mug", samples: 5, probability: 0.93 },
        ClassLine { name: "plant", samples: 4, probability: 0.07 },
    ],
    threshold: Some(0.6),
    advice: "",
    hint: "1 more for plant",
};

const NEXT: offshoot_view::Screen<'static> =
    offshoot_view::Screen { hint: "A teach B next", ..MOMENT };

fn drawn<C: offshoot_view::Ink>(
    moment: &offshoot_view::Screen<'_>,
    (width, height): (u16, u16),
) -> Panel<C> {
    let mut panel = Panel::new(width, height, C::THEME.background);
    let Ok(()) = moment.draw(&mut panel);
    panel
}

/// First and last place in which two panels differ, by columns and by rows.
fn difference<C: PixelColor>(one: &Panel<C>, other: &Panel<C>) -> (Point, Point) {
    let points = one.bounding_box().points();
    let differing: Vec<Point> = points.filter(|p| one.pixel(*p) != other.pixel(*p)).collect();
    let low = differing.iter().copied().reduce(|a, b| a.component_min(b)).unwrap();
    (low, differing.iter().copied().reduce(|a, b| a.component_max(b)).unwrap())
}

const ADDRESS: u8 = 0x3c;

fn command(bytes: &[u8]) -> i2c::Transaction {
    i2c::Transaction::write(ADDRESS, [&[0x00], bytes].concat())
}

/// Commands of an SSD1306 before its first image; the last two of the rotation.
fn wake(segments: u8, rows: u8) -> Vec<i2c::Transaction> {
    let commands: [&[u8]; 17] = [
        &[0xae],       // off
        &[0xd5, 0x80], // clock
        &[0xa8, 63],   // 64 rows
        &[0xd3, 0],    // offset
        &[0x40],       // first line
        &[0x8d, 0x14], // charge pump on
        &[0x20, 0x00], // addresses run along rows
        &[0xda, 0x12], // wiring of the glass
        &[segments],
        &[rows],
        &[0xd9, 0x21], // precharge
        &[0x81, 0x5f], // contrast
        &[0xdb, 0x40], // deselect level
        &[0xa4],       // show the memory
        &[0xa6],       // lit is lit
        &[0x2e],       // no scrolling
        &[0xaf],       // on
    ];
    commands.into_iter().map(command).collect()
}

/// The commands for a window of columns and pages, and its bytes: eight rows each, the upper one in
/// the lowest bit.
fn window(panel: &Panel<BinaryColor>, columns: (u8, u8), pages: (u8, u8)) -> Vec<i2c::Transaction> {
    let mut out = vec![command(&[0x21, columns.0, columns.1]), command(&[0x22, pages.0, pages.1])];
    for page in pages.0..=pages.1 {
        let lit = |x: u8, bit: u8| {
            panel.pixel(Point::new(x.into(), (page * 8 + bit).into())).unwrap().is_on()
        };
        let byte = |x| (0..8).map(|bit| u8::from(lit(x, bit)) << bit).sum();
        let bytes: Vec<u8> = (columns.0..=columns.1).map(byte).collect();
        for part in bytes.chunks(16) {
            out.push(i2c::Transaction::write(ADDRESS, [&[0x40], part].concat()));
        }
    }
    out
}

#[test]
fn an_oled_is_woken_and_gets_what_changes() {
    let first = drawn(&MOMENT, (128, 64));
    let second = drawn(&NEXT, (128, 64));
    let (low, high) = difference(&first, &second);
    let mut expected = wake(0xa1, 0xc8);
    expected.extend(window(&first, (0, 127), (0, 7)));
    let pages = ((low.y / 8) as u8, (high.y / 8) as u8);
    expected.extend(window(&second, (low.x as u8, high.x as u8), pages));
    assert!(pages.0 > 5, "the hint is at the foot");
    let mut bus = i2c::Mock::new(&expected);
    let mut oled = Oled::new(bus.clone(), ADDRESS, Turn::None, "panel".to_string()).unwrap();
    oled.show(&MOMENT).unwrap();
    oled.show(&MOMENT).unwrap();
    oled.show(&NEXT).unwrap();
    bus.done();
}

#[test]
fn an_oled_is_turned_by_its_controller() {
    let upside_down = drawn(&MOMENT, (128, 64));
    let mut expected = wake(0xa0, 0xc0);
    expected.extend(window(&upside_down, (0, 127), (0, 7)));
    let mut bus = i2c::Mock::new(&expected);
    Oled::new(bus.clone(), ADDRESS, Turn::Half, String::new()).unwrap().show(&MOMENT).unwrap();
    bus.done();
}

#[test]
fn an_oled_that_is_gone_is_told_of_and_comes_back_whole() {
    let nobody = embedded_hal::i2c::ErrorKind::NoAcknowledge(
        embedded_hal::i2c::NoAcknowledgeSource::Address,
    );
    let mut silent = i2c::Mock::new(&[command(&[0xae]).with_error(nobody)]);
    let error = Oled::new(silent.clone(), ADDRESS, Turn::None, "ssd1306:/dev/i2c-1".to_string())
        .unwrap_err();
    assert!(
        error.to_string().starts_with("ssd1306:/dev/i2c-1: nothing answers at address 0x3c"),
        "{error}"
    );
    silent.done();

    let whole = drawn(&MOMENT, (128, 64));
    let mut expected = wake(0xa1, 0xc8);
    expected.push(command(&[0x21, 0, 127]).with_error(nobody));
    expected.extend(window(&whole, (0, 127), (0, 7)));
    let mut bus = i2c::Mock::new(&expected);
    let mut oled = Oled::new(bus.clone(), ADDRESS, Turn::None, "panel".to_string()).unwrap();
    assert!(oled.show(&MOMENT).unwrap_err().to_string().starts_with("panel: it does not answer"));
    oled.show(&MOMENT).unwrap();
    bus.done();
}

/// Record of a bus with a line that tells data from commands.
#[derive(Default)]
struct Wire {
    bus: Vec<spi::Transaction<u8>>,
    data: Vec<digital::Transaction>,
}

impl Wire {
    fn write(&mut self, bytes: &[u8]) {
        self.bus.push(spi::Transaction::transaction_start());
        self.bus.push(spi::Transaction::write_vec(bytes.to_vec()));
        self.bus.push(spi::Transaction::transaction_end());
    }

    fn command(&mut self, command: u8, arguments: &[u8]) {
        self.data.push(digital::Transaction::set(Level::Low));
        self.write(&[command]);
        self.data.push(digital::Transaction::set(Level::High));
        self.write(arguments);
    }

    /// Records the commands of an ST7789 before its first image.
    fn wake(&mut self, order: u8) {
        self.command(0x11, &[]); // sleep out
        self.command(0x36, &[order]); // order of rows and columns
        self.command(0x21, &[]); // inverted
        self.command(0x3a, &[0x55]); // 16 bits a pixel
        self.command(0x13, &[]); // all of the glass
        self.command(0x29, &[]); // on
    }

    /// Rows of a panel, each pixel with its high byte first, in transfers of 4096 bytes.
    fn rows(&mut self, panel: &Panel<Rgb565>, rows: std::ops::Range<u16>, (left, top): (u16, u16)) {
        let right = panel.size().width as u16 - 1;
        let span = |from: u16, to: u16| [from.to_be_bytes(), to.to_be_bytes()].concat();
        self.command(0x2a, &span(left, left + right));
        self.command(0x2b, &span(top + rows.start, top + rows.end - 1));
        self.command(0x2c, &[]);
        let pixels = rows.flat_map(|y| panel.row(y));
        let bytes: Vec<u8> =
            pixels.flat_map(|colour| colour.into_storage().to_be_bytes()).collect();
        bytes.chunks(4096).for_each(|part| self.write(part));
    }
}

#[test]
fn a_tft_is_reset_woken_and_gets_the_rows_that_change() {
    let first = drawn(&MOMENT, (240, 240));
    let second = drawn(&NEXT, (240, 240));
    let (low, high) = difference(&first, &second);
    let mut wire = Wire::default();
    wire.wake(0x00);
    wire.rows(&first, 0..240, (0, 0));
    wire.rows(&second, low.y as u16..high.y as u16 + 1, (0, 0));
    let mut bus = spi::Mock::new(&wire.bus);
    let mut data = digital::Mock::new(&wire.data);
    let levels = [Level::Low, Level::High].map(digital::Transaction::set);
    let mut reset = digital::Mock::new(&levels);
    let glass = PanelGeometry { size: (240, 240), offset: (0, 0), turn: Turn::None };
    let pins = (data.clone(), reset.clone());
    let mut tft =
        Tft::with_reset(bus.clone(), pins, glass, &mut NoopDelay, "panel".to_string()).unwrap();
    tft.show(&MOMENT).unwrap();
    tft.show(&MOMENT).unwrap();
    tft.show(&NEXT).unwrap();
    bus.done();
    data.done();
    reset.done();
}

#[test]
fn a_tft_that_is_turned_shows_the_other_end_of_its_memory() {
    // 240 x 240 of 240 x 320: upside down, the glass is at the rows from 80 on.
    let mut wire = Wire::default();
    wire.command(0x01, &[]); // no pin: a command resets
    wire.wake(0xc0);
    wire.rows(&drawn(&MOMENT, (240, 240)), 0..240, (0, 80));
    let mut bus = spi::Mock::new(&wire.bus);
    let mut data = digital::Mock::new(&wire.data);
    let glass = PanelGeometry { size: (240, 240), offset: (0, 0), turn: Turn::Half };
    let mut tft =
        Tft::new(bus.clone(), data.clone(), glass, &mut NoopDelay, String::new()).unwrap();
    tft.show(&MOMENT).unwrap();
    bus.done();
    data.done();
}

#[test]
fn a_tft_on_its_side_is_wide() {
    let mut wire = Wire::default();
    wire.command(0x01, &[]);
    wire.wake(0x60);
    wire.rows(&drawn(&MOMENT, (320, 240)), 0..240, (0, 0));
    let mut bus = spi::Mock::new(&wire.bus);
    let mut data = digital::Mock::new(&wire.data);
    let glass = PanelGeometry { size: (240, 320), offset: (0, 0), turn: Turn::Right };
    let mut tft =
        Tft::new(bus.clone(), data.clone(), glass, &mut NoopDelay, String::new()).unwrap();
    tft.show(&MOMENT).unwrap();
    bus.done();
    data.done();
}

#[test]
fn a_glass_beyond_the_memory_is_refused() {
    let glass = PanelGeometry { size: (240, 240), offset: (0, 81), turn: Turn::None };
    let mut bus = spi::Mock::new(&[]);
    let mut data = digital::Mock::new(&[]);
    let refused = Tft::new(bus.clone(), data.clone(), glass, &mut NoopDelay, "panel".to_string());
    assert!(refused.unwrap_err().to_string().starts_with("panel: its size and offset"));
    bus.done();
    data.done();
}
