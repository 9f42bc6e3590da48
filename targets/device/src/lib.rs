//! Loop of a device that learns: camera, buttons, screen, light, durable memory.
//!
//! A [`Session`] handles one frame at a time: it polls the [`Buttons`], takes a frame of the
//! [`FrameSource`], trains or queries the head, saves every training sample in [`Memory`] before it
//! counts, and passes the state to the [`Screen`] and the [`Led`]. Each of these ports is a small
//! trait:
//!
//! | Port | Real | Simulated |
//! |---|---|---|
//! | [`FrameSource`] | `Camera` (V4L2, feature `v4l`), by [`Latest`] the newest frame only; [`Piped`] | [`Simulated`], [`Folder`], [`Video`] |
//! | [`FrameSource`] of sound | [`PipedSound`] | [`Rehearsed`], [`WaveFile`] |
//! | [`Buttons`] | `Presses` on `GpioLines` (feature `buses`), `Keyboard` (`terminal`), `Visitors`, `Callers` (`web`) | [`Script`], [`NoButtons`] |
//! | [`Screen`] | `Oled` (SSD1306), `Tft` (ST7789; both `buses`), `Framebuffer`, `Terminal` (`terminal`), `Page`, `Feed` (`web`), `Publisher` (`mqtt`) | [`Images`] (PNG), [`Dark`] |
//! | [`Led`] | `Pin` (`buses`) | [`NoLed`] |
//!
//! Parts of a device are given as text ([`CameraPart`], [`ButtonsPart`], [`ScreenPart`],
//! [`LedPart`]), which also opens them; a [`Bench`] is an assembled device. [`run`] steps until the
//! end and shows the error that stops it; [`test_ui`] tests the parts with the user who wired them;
//! [`checks`] reports the requirements that a [`Machine`] does not meet.
//!
//! After the first frames the loop itself allocates nothing; a camera, a decoder or a terminal may
//! allocate, and a page does while it is viewed.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod built_in;
mod buttons;
mod camera;
mod diagnostics;
#[cfg_attr(not(unix), path = "ending/other_systems.rs")]
mod ending;
mod microphone;
mod names;
mod pointing;
mod ports;
mod screen;
mod session;
mod settings;
mod setup;
#[cfg(feature = "web")]
mod web;

pub use built_in::{BACKGROUND, BuiltIn, SPEECH};
pub use buttons::debounce::{Edge, Lines, Presses};
#[cfg(all(feature = "buses", target_os = "linux"))]
pub use buttons::gpio::{GpioLines, Pin, PinError};
#[cfg(feature = "terminal")]
pub use buttons::keyboard::Keyboard;
pub use buttons::script::{Script, ScriptError};
pub use camera::folder::Folder;
pub use camera::frame_buffer::CapturedFrame;
pub use camera::latest::Latest;
pub use camera::mjpeg::Video;
pub use camera::pipe::format::{PipeFormat, RawFormat};
pub use camera::pipe::stream::Piped;
pub use camera::pixels::{PixelError, Pixels, Raw, Turn};
pub use camera::sensor::{SampleForm, SensorFile, SensorStream};
pub use camera::simulated::Simulated;
#[cfg(all(feature = "v4l", target_os = "linux"))]
pub use camera::v4l::{Camera, Mode, modes};
pub use diagnostics::doctor::{Check, Outcome, checks};
pub use diagnostics::machine::{Machine, Resident, Temperature, Throttle};
pub use diagnostics::test_ui::{TestPorts, Tested, test_ui};
pub use ending::Ending;
pub use microphone::piped_sound::PipedSound;
pub use microphone::rehearsed::Rehearsed;
pub use microphone::wave_file::WaveFile;
pub use names::{NamesError, check_names};
#[cfg(feature = "web")]
pub use offshoot_http::{Address, BindError, SHORTEST_TOKEN, web_address};
pub use pointing::Pointing;
pub use pointing::cell_memory::CellMemory;
pub use pointing::pointers::Pointers;
pub use ports::{
    Action, Backlog, Buttons, Change, Dark, FrameSource, Key, Led, NoButtons, NoLed, Refused,
    Screen, ScreenError, SourceError,
};
#[cfg(target_os = "linux")]
pub use screen::framebuffer::Framebuffer;
pub use screen::panel::Panel;
pub use screen::png::Images;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub use screen::ssd1306::Oled;
#[cfg(all(feature = "buses", target_os = "linux"))]
pub use screen::st7789::{PanelGeometry, Tft};
pub use screen::tee::Tee;
#[cfg(feature = "terminal")]
pub use screen::terminal::Terminal;
pub use session::details::{Details, Times};
pub use session::limits::{MOST_CLASSES, limits};
pub use session::persistence::Memory;
pub use session::record_file::MemoryError;
pub use session::run_loop::{Step, run, show_end};
pub use session::smoothing::Smooth;
pub use session::waterfall::Waterfall;
pub use session::{Flow, Ports, Session, SessionError};
pub use settings::{Settings, Tunes};
pub use setup::device::{Bench, DeviceError, Remembered};
pub use setup::microphone_part::MicrophonePart;
pub use setup::open_parts::PartError;
pub use setup::part_spec::{
    ButtonsPart, CameraPart, LedPart, PartSpecError, Pull, ScreenPart, St7789,
};
#[cfg(feature = "web")]
pub use web::{ApiOptions, Callers, Feed, Page, Visitors, WebError, WebOptions, serve, serve_api};
#[cfg(feature = "mqtt")]
pub use web::{Broker, BrokerError, Login, MqttOptions, Publisher, publish};
