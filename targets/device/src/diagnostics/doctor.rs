//! Checks of the requirements of a device, each with the command that fixes it.

use std::fs::OpenOptions;
use std::path::Path;
use std::{fmt, io};

use offshoot::{Extractor, Isa};

use super::machine::Machine;

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Requirement met.
    Good,
    /// Requirement met in part: slower than possible, or without some part.
    Warning,
    /// Requirement not met: the device does not work.
    Bad,
}

impl Outcome {
    /// Returns the result as one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// Check of one requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Subject of the check.
    pub about: String,
    /// Result of the check.
    pub outcome: Outcome,
    /// Description of the finding.
    pub found: String,
    /// Command or step that fixes it, if something is wrong.
    pub mend: Option<String>,
}

impl Check {
    fn new(about: impl Into<String>, outcome: Outcome, found: impl Into<String>) -> Self {
        Self { about: about.into(), outcome, found: found.into(), mend: None }
    }

    fn mend(mut self, how: impl Into<String>) -> Self {
        self.mend = Some(how.into());
        self
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}: {}", self.outcome.name(), self.about, self.found)?;
        self.mend.as_ref().map_or(Ok(()), |how| write!(f, "\n         -> {how}"))
    }
}

/// Temperature in degrees Celsius from which boards throttle.
const HOT: f64 = 80.0;

/// Bus of buttons or screens.
struct Bus {
    /// Prefix of the device files in `/dev`.
    prefix: &'static str,
    /// Name of the subsystem in the kernel.
    subsystem: &'static str,
    /// Group that owns the devices, if it exists.
    group: &'static str,
    /// Purpose of the bus.
    what: &'static str,
    /// Commands that enable it, on a Raspberry Pi and on a Jetson.
    enable: [&'static str; 2],
}

const BUSES: [Bus; 3] = [
    Bus {
        prefix: "gpiochip",
        subsystem: "gpio",
        group: "gpio",
        what: "buttons and a light",
        enable: ["update the kernel: GPIO devices need 4.8 or newer"; 2],
    },
    Bus {
        prefix: "i2c-",
        subsystem: "i2c-dev",
        group: "i2c",
        what: "an SSD1306",
        enable: ["sudo raspi-config nonint do_i2c 0 && sudo reboot", "sudo modprobe i2c-dev"],
    },
    Bus {
        prefix: "spidev",
        subsystem: "spidev",
        group: "spi",
        what: "an ST7789",
        enable: [
            "sudo raspi-config nonint do_spi 0 && sudo reboot",
            "sudo /opt/nvidia/jetson-io/jetson-io.py, then sudo modprobe spidev",
        ],
    },
];

impl Bus {
    /// Checks the first device that cannot be opened, otherwise the first. Returns `None` for a
    /// laptop without such a bus: buttons and screens are optional.
    fn check(&self, machine: &Machine) -> Option<Check> {
        let devices = machine.devices(self.prefix);
        if devices.is_empty() {
            let board = machine.board()?;
            let found = format!("not found; needed for {}", self.what);
            let how = self.enable[usize::from(!board.starts_with("Raspberry Pi"))];
            return Some(
                Check::new(format!("/dev/{}*", self.prefix), Outcome::Warning, found).mend(how),
            );
        }
        let checks = devices.iter().map(|device| {
            access(machine, device, (self.group, self.subsystem, self.prefix), Outcome::Warning)
        });
        let mut checks: Vec<Check> = checks.collect();
        let at = checks.iter().position(|check| check.outcome != Outcome::Good).unwrap_or(0);
        Some(checks.swap_remove(at))
    }
}

/// Runs all checks.
pub fn checks(machine: &Machine, extractor: &Extractor) -> Vec<Check> {
    let mut checks = cameras(machine);
    checks.extend(BUSES.iter().filter_map(|bus| bus.check(machine)));
    checks.push(kernels(machine));
    checks.extend(memory(machine, extractor));
    checks.extend(heat(machine));
    checks.extend(governor(machine));
    checks
}

fn cameras(machine: &Machine) -> Vec<Check> {
    let found = machine.cameras();
    if found.is_empty() {
        let how = "plug a camera in, or use --camera sim or --camera DIR; one on a ribbon is read by --camera -";
        return vec![
            Check::new("camera", Outcome::Warning, "none in /sys/class/video4linux").mend(how),
        ];
    }
    let mut checks = Vec::new();
    for (device, name) in found {
        let check = access(machine, &device, ("video", "video4linux", "video"), Outcome::Bad);
        let is_open = check.outcome == Outcome::Good;
        checks.push(check);
        if is_open {
            checks.push(formats(&device, &name));
        }
    }
    // Boards have several device files per camera, most of them for other purposes than frames.
    let usable =
        checks.iter().any(|c| c.outcome == Outcome::Good && c.about.starts_with("formats"));
    if !usable && checks.iter().all(|c| c.outcome != Outcome::Bad) {
        let how = "offshoot reads YUYV, NV12, RGB24, grey and MJPEG; try another camera";
        checks.push(
            Check::new("camera", Outcome::Bad, "no camera delivers a readable format").mend(how),
        );
    }
    checks
}

#[cfg(all(feature = "v4l", target_os = "linux"))]
fn formats(device: &Path, name: &str) -> Check {
    let about = format!("formats of {} ({name})", device.display());
    match crate::modes(device) {
        Ok(modes) if modes.iter().any(|mode| mode.readable) => {
            let names: Vec<String> = modes.iter().map(ToString::to_string).collect();
            Check::new(about, Outcome::Good, names.join(", "))
        }
        Ok(modes) => {
            let names: Vec<String> = modes.iter().map(ToString::to_string).collect();
            Check::new(about, Outcome::Warning, format!("no readable format: {}", names.join(", ")))
        }
        Err(error) => Check::new(about, Outcome::Warning, error.to_string()),
    }
}

#[cfg(not(all(feature = "v4l", target_os = "linux")))]
fn formats(device: &Path, name: &str) -> Check {
    Check::new(
        format!("formats of {} ({name})", device.display()),
        Outcome::Warning,
        "not on this system",
    )
}

/// Checks access to a device; `of` is the group that usually owns such devices, their kernel
/// subsystem, and the prefix of their names.
fn access(machine: &Machine, device: &Path, of: (&str, &str, &str), otherwise: Outcome) -> Check {
    let about = device.display().to_string();
    match OpenOptions::new().read(true).write(true).open(device) {
        Ok(_) => Check::new(about, Outcome::Good, "can be opened"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let owner = owner(device);
            let name = owner.and_then(|id| machine.group(id));
            let is_listed = owner.is_some_and(|id| machine.is_listed(id));
            let (found, how) = denied(name.as_deref(), is_listed, of);
            Check::new(about, otherwise, found).mend(how)
        }
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let how = format!("fuser -v {}", device.display());
            Check::new(about, otherwise, "another program uses it").mend(how)
        }
        Err(error) => Check::new(about, otherwise, error.to_string()),
    }
}

/// Returns problem and fix for a device that belongs to this group.
fn denied(owner: Option<&str>, is_listed: bool, of: (&str, &str, &str)) -> (String, String) {
    let (usual, subsystem, prefix) = of;
    match owner {
        Some(group) if is_listed => (
            format!("no permission; this session began before you joined the group {group}"),
            "log in again".to_string(),
        ),
        // Membership in the group root would grant far more than this.
        None | Some("root") => (
            "no permission; only root has access".to_string(),
            format!(
                "sudo groupadd -rf {usual}; echo 'SUBSYSTEM==\"{subsystem}\", KERNEL==\"{prefix}*\", \
                 GROUP=\"{usual}\", MODE=\"0660\"' | sudo tee -a /etc/udev/rules.d/60-offshoot.rules; \
                 sudo usermod -aG {usual} $USER; sudo reboot"
            ),
        ),
        Some(group) => (
            format!("no permission; it belongs to the group {group}"),
            format!("sudo usermod -aG {group} $USER, then log in again"),
        ),
    }
}

#[cfg(unix)]
fn owner(device: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    Some(device.metadata().ok()?.gid())
}

#[cfg(not(unix))]
fn owner(_: &Path) -> Option<u32> {
    None
}

fn kernels(machine: &Machine) -> Check {
    let names: Vec<&str> = Isa::available().map(Isa::name).collect();
    let best = Isa::best();
    let features = machine.features();
    let features =
        if features.is_empty() { String::new() } else { format!("has {}; ", features.join(", ")) };
    let found = format!("{features}kernels for {}; {best} will run", names.join(", "));
    if best == Isa::GENERIC {
        let how = "a 64-bit system on ARM, or a processor with AVX2, is several times faster";
        return Check::new("processor", Outcome::Warning, found).mend(how);
    }
    Check::new("processor", Outcome::Good, found)
}

/// Compares the memory needed by the package and a head with the available memory.
fn memory(machine: &Machine, extractor: &Extractor) -> Option<Check> {
    let available = machine.available()?;
    let memory = extractor.memory();
    let head = crate::limits().bytes_for(offshoot::HeadKind::Auto, extractor.parts());
    let head = head.unwrap_or(usize::MAX);
    let needed = [memory.arena, memory.packed, memory.package, head];
    let needed = needed.into_iter().fold(0, usize::saturating_add);
    let found =
        format!("{:.1} MB needed, {:.0} MB available", needed as f64 / 1e6, available as f64 / 1e6);
    let needed = needed as u64;
    Some(match available {
        _ if available < needed => Check::new("memory", Outcome::Bad, found)
            .mend("close other programs, or take a smaller backbone"),
        // A camera, a screen and the system need some as well.
        _ if available < 2 * needed => Check::new("memory", Outcome::Warning, found),
        _ => Check::new("memory", Outcome::Good, found),
    })
}

fn heat(machine: &Machine) -> Vec<Check> {
    let mut checks = Vec::new();
    let hottest = machine.temperatures().into_iter().max_by(|a, b| a.celsius.total_cmp(&b.celsius));
    if let Some(sensor) = hottest {
        let found = format!("{:.0} degrees ({})", sensor.celsius, sensor.zone);
        checks.push(if sensor.celsius < HOT {
            Check::new("temperature", Outcome::Good, found)
        } else {
            Check::new("temperature", Outcome::Warning, found).mend("a heat sink or a fan")
        });
    }
    if let Some(throttle) = machine.throttle() {
        let is_slow = throttle.since(&throttle);
        let was = throttle.firmware.is_some_and(|word| word >> 16 != 0);
        checks.push(match (is_slow, was) {
            (true, _) => {
                Check::new("throttling", Outcome::Warning, "the processor is throttled now")
                    .mend("a stronger power supply, a shorter cable, a heat sink")
            }
            (_, true) => {
                Check::new("throttling", Outcome::Warning, "the processor was throttled since boot")
                    .mend("a stronger power supply, a shorter cable, a heat sink")
            }
            _ => Check::new("throttling", Outcome::Good, "none now"),
        });
    }
    checks
}

fn governor(machine: &Machine) -> Option<Check> {
    let governor = machine.governor()?;
    let clock =
        machine.clock().map_or(String::new(), |(now, most)| format!(", {now:.0} of {most:.0} MHz"));
    let found = format!("{governor}{clock}");
    Some(
        if governor == "powersave" && machine.clock().is_some_and(|(now, most)| now < 0.8 * most) {
            let how =
                "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";
            Check::new("governor", Outcome::Warning, found).mend(how)
        } else {
            Check::new("governor", Outcome::Good, found)
        },
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<Check>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let extractor =
            Extractor::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot"))
                .unwrap();
        let checks = checks(&Machine::at(dir.path()), &extractor);
        (dir, checks)
    }

    fn outcome(checks: &[Check], about: &str) -> Option<Outcome> {
        checks.iter().find(|check| check.about == about).map(|check| check.outcome)
    }

    #[test]
    fn a_board_in_trouble() {
        let (_dir, checks) = machine(&[
            ("proc/meminfo", "MemAvailable: 10 kB\n"),
            ("sys/class/thermal/thermal_zone0/temp", "85000\n"),
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "0x50005\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1500000\n"),
            ("sys/class/video4linux/video0/name", "HD Webcam\n"),
        ]);
        assert_eq!(outcome(&checks, "memory"), Some(Outcome::Bad));
        for about in ["temperature", "throttling", "governor"] {
            assert_eq!(outcome(&checks, about), Some(Outcome::Warning), "{about}");
        }
        // The kernel knows a camera whose file is not there.
        assert!(
            checks.iter().any(|c| c.about.ends_with("dev/video0") && c.outcome == Outcome::Bad)
        );
    }

    #[test]
    fn a_machine_without_a_camera_works_with_the_simulated_one() {
        let (_dir, checks) = machine(&[("proc/meminfo", "MemAvailable: 4000000 kB\n")]);
        assert_eq!(outcome(&checks, "camera"), Some(Outcome::Warning));
        assert_eq!(outcome(&checks, "memory"), Some(Outcome::Good));
        assert!(checks.iter().all(|check| check.outcome != Outcome::Bad));
        assert!(checks[0].to_string().starts_with("warning  camera: none in"), "{}", checks[0]);
        assert_eq!(outcome(&checks, "/dev/spidev*"), None, "a laptop needs no such bus");
    }

    #[test]
    fn a_board_is_told_what_switches_its_buses_on() {
        let mend = |model: &str, about: &str| {
            let (_dir, checks) =
                machine(&[("proc/device-tree/model", model), ("dev/gpiochip0", "")]);
            let check = checks.into_iter().find(|check| check.about == about).unwrap();
            assert_eq!(check.outcome, Outcome::Warning);
            check.mend.unwrap()
        };
        assert!(
            mend("Raspberry Pi 5 Model B\0", "/dev/i2c-*").contains("raspi-config nonint do_i2c 0")
        );
        assert!(mend("NVIDIA Jetson Orin Nano\0", "/dev/spidev*").contains("jetson-io.py"));
    }

    #[test]
    fn permissions_are_mended_by_a_group_and_never_by_root() {
        let of = ("gpio", "gpio", "gpiochip");
        let (found, how) = denied(Some("gpio"), false, of);
        assert_eq!(found, "no permission; it belongs to the group gpio");
        assert_eq!(how, "sudo usermod -aG gpio $USER, then log in again");
        assert_eq!(denied(Some("gpio"), true, of).1, "log in again");
        for owner in [None, Some("root")] {
            let (_, how) = denied(owner, false, of);
            assert!(
                how.contains("SUBSYSTEM==\"gpio\", KERNEL==\"gpiochip*\", GROUP=\"gpio\""),
                "{how}"
            );
            assert!(!how.contains("-aG root"), "{how}");
        }
    }

    #[test]
    fn a_file_that_is_no_camera_is_told_of() {
        let (_dir, checks) = machine(&[
            ("sys/class/video4linux/video0/name", "x\n"),
            ("dev/video0", ""),
            ("dev/i2c-1", ""),
        ]);
        assert!(
            checks.iter().any(|c| c.about.starts_with("formats") && c.outcome == Outcome::Warning)
        );
        assert_eq!(outcome(&checks, "camera"), Some(Outcome::Bad));
        assert!(checks.iter().any(|c| c.about.ends_with("i2c-1") && c.outcome == Outcome::Good));
    }
}
