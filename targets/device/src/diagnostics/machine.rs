//! Properties of this machine, from `/proc` and `/sys`; `None` for those it does not report.

use std::fs;
use std::path::PathBuf;

/// Root of the system files: those of Linux, or a folder with the same layout.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

/// Resident memory of this process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Current resident memory.
    pub now: u64,
    /// Part of it that is not backed by a file.
    pub anonymous: u64,
    /// Peak resident memory.
    pub peak: u64,
}

/// Reading of a thermal sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Temperature {
    /// Name of the thermal zone in the kernel.
    pub zone: String,
    /// Temperature in degrees Celsius.
    pub celsius: f64,
}

/// Counters of throttling due to heat or low power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttle {
    /// Number of throttle events of x86 cores since boot.
    pub events: Option<u64>,
    /// Flags of Raspberry Pi's firmware: bits 0 to 3 for now, 16 to 19 for any time since boot.
    pub firmware: Option<u64>,
    /// Highest state of a cooling device that slows a processor; 0 is full speed.
    pub cooling: Option<u64>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::at("/")
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

impl Machine {
    /// Creates a machine whose `/proc` and `/sys` are in `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        // Strings of a device tree end with a zero.
        Some(text.trim_end_matches(['\0', '\n']).to_string())
    }

    fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.trim().parse().ok()
    }

    /// Returns the folders in `path` whose names begin with `prefix`, in the order of their names.
    fn folders(&self, path: &str, prefix: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
        let mut found: Vec<String> =
            names.filter(|n| n.starts_with(prefix)).map(|n| format!("{path}/{n}")).collect();
        found.sort_by_key(|name| (name.len(), name.clone()));
        found
    }

    /// Returns the board's name from its device tree, otherwise the processor's own name.
    pub fn processor(&self) -> Option<String> {
        self.board().or_else(|| {
            let cpuinfo = self.read("proc/cpuinfo")?;
            let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_string())
        })
    }

    /// Returns the part numbers of ARM's own cores, one per core, such as `0xd08` of a Cortex-A72.
    pub fn parts(&self) -> Vec<u32> {
        let cpuinfo = self.read("proc/cpuinfo").unwrap_or_default();
        let mut is_arm = false;
        let mut parts = Vec::new();
        for (key, value) in cpuinfo.lines().filter_map(|line| line.split_once(':')) {
            match key.trim() {
                "CPU implementer" => is_arm = hexadecimal(value) == Some(0x41),
                "CPU part" if is_arm => parts.extend(hexadecimal(value)),
                _ => {}
            }
        }
        parts
    }

    /// Returns the mean number of running processes of the last minute.
    pub fn load(&self) -> Option<f64> {
        self.read("proc/loadavg")?.split(' ').next()?.parse().ok()
    }

    /// Returns current and max clock of the first core in megahertz, from its governor.
    pub fn clock(&self) -> Option<(f64, f64)> {
        self.megahertz("scaling_cur_freq").zip(self.megahertz("cpuinfo_max_freq"))
    }

    fn megahertz(&self, name: &str) -> Option<f64> {
        let path = format!("sys/devices/system/cpu/cpu0/cpufreq/{name}");
        self.number(&path).map(|kilo| kilo as f64 / 1e3)
    }

    /// Returns the clock governor of the first core, such as `ondemand`.
    pub fn governor(&self) -> Option<String> {
        self.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    }

    /// Returns the bytes of memory that are available to programs.
    pub fn available(&self) -> Option<u64> {
        let info = self.read("proc/meminfo")?;
        let line = info.lines().find(|line| line.starts_with("MemAvailable:"))?;
        Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
    }

    /// Returns cameras: the device file in `/dev` and the driver's name for it.
    pub fn cameras(&self) -> Vec<(PathBuf, String)> {
        let folders = self.folders("sys/class/video4linux", "video");
        folders
            .iter()
            .map(|folder| {
                let name = self.read(&format!("{folder}/name")).unwrap_or_default();
                let device = folder.rsplit('/').next().unwrap_or_default();
                (self.root.join("dev").join(device), name)
            })
            .collect()
    }

    /// Returns the files in `/dev` whose names begin with `prefix`.
    pub fn devices(&self, prefix: &str) -> Vec<PathBuf> {
        self.folders("dev", prefix).iter().map(|path| self.root.join(path)).collect()
    }

    /// Returns the name of the board from its device tree; `None` for a laptop.
    pub fn board(&self) -> Option<String> {
        self.read("proc/device-tree/model")
    }

    /// Returns the processor features that the choice of kernels depends on, by the names of Linux.
    pub fn features(&self) -> Vec<String> {
        const KNOWN: [&str; 8] =
            ["asimd", "asimddp", "i8mm", "neon", "avx2", "avx_vnni", "avx512f", "avx512_vnni"];
        let cpuinfo = self.read("proc/cpuinfo").unwrap_or_default();
        let line =
            cpuinfo.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
        let words = line.and_then(|line| line.split_once(':')).map_or("", |(_, words)| words);
        KNOWN
            .into_iter()
            .filter(|known| words.split_whitespace().any(|word| word == *known))
            .map(str::to_string)
            .collect()
    }

    /// Returns true if the system's lists have the user in the group with that number, though a
    /// session that began before may not have it.
    pub fn is_listed(&self, group: u32) -> bool {
        let members = self.field("etc/group", &group.to_string(), 3);
        members
            .zip(self.user())
            .is_some_and(|(members, user)| members.split(',').any(|member| member == user))
    }

    /// Returns the name of the user that runs this process.
    fn user(&self) -> Option<String> {
        let status = self.read("proc/self/status")?;
        let line = status.lines().find(|line| line.starts_with("Uid:"))?;
        let id = line.split_whitespace().nth(1)?;
        self.field("etc/passwd", id, 0)
    }

    /// Returns a field of the entry with this number in a list of users or groups.
    fn field(&self, file: &str, id: &str, at: usize) -> Option<String> {
        let text = self.read(file)?;
        let mut entries = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let entry = entries.find(|fields| fields.get(2) == Some(&id))?;
        entry.get(at).map(|field| field.to_string())
    }

    /// Returns the name of the group with that number.
    pub fn group(&self, id: u32) -> Option<String> {
        let groups = self.read("etc/group")?;
        groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let number = fields.nth(1)?;
            (number.parse() == Ok(id)).then(|| name.to_string())
        })
    }

    /// Returns a line of this process's status, in bytes.
    fn status(&self, key: &str) -> Option<u64> {
        let status = self.read("proc/self/status")?;
        let line = status.lines().find(|line| line.split(':').next() == Some(key))?;
        Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
    }

    /// Returns the resident memory of this process.
    pub fn resident(&self) -> Option<Resident> {
        let [now, anonymous, peak] = ["VmRSS", "RssAnon", "VmHWM"].map(|key| self.status(key));
        Some(Resident { now: now?, anonymous: anonymous?, peak: peak? })
    }

    /// Returns the bytes of this process's address space.
    pub fn mapped(&self) -> Option<u64> {
        self.status("VmSize")
    }

    /// Returns the processor time of this process in seconds, of all its threads.
    pub fn processor_seconds(&self) -> Option<u64> {
        /// Clock ticks per second in `/proc`, the same on every supported processor.
        const TICKS: u64 = 100;
        let stat = self.read("proc/self/stat")?;
        // The program's name may have any characters.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let user: u64 = fields.get(11)?.parse().ok()?;
        let system: u64 = fields.get(12)?.parse().ok()?;
        Some((user + system) / TICKS)
    }

    /// Returns the readings of all sensors that answer.
    pub fn temperatures(&self) -> Vec<Temperature> {
        let folders = self.folders("sys/class/thermal", "thermal_zone");
        folders.iter().filter_map(|folder| self.temperature(folder)).collect()
    }

    fn temperature(&self, folder: &str) -> Option<Temperature> {
        let milli: f64 = self.read(&format!("{folder}/temp"))?.trim().parse().ok()?;
        Some(Temperature { zone: self.read(&format!("{folder}/type"))?, celsius: milli / 1e3 })
    }

    /// Returns counters of throttling; `None` if the machine has none.
    pub fn throttle(&self) -> Option<Throttle> {
        let firmware = self.read("sys/devices/platform/soc/soc:firmware/get_throttled");
        let cores = self.folders("sys/devices/system/cpu", "cpu");
        let found = Throttle {
            events: cores
                .iter()
                .filter_map(|core| {
                    self.number(&format!("{core}/thermal_throttle/core_throttle_count"))
                })
                .reduce(|a, b| a + b),
            firmware: firmware
                .and_then(|t| u64::from_str_radix(t.trim().trim_start_matches("0x"), 16).ok()),
            cooling: self
                .folders("sys/class/thermal", "cooling_device")
                .iter()
                .filter(|folder| self.slows_processor(folder))
                .filter_map(|folder| self.number(&format!("{folder}/cur_state")))
                .max(),
        };
        Some(found).filter(|t| *t != Throttle::default())
    }

    /// Returns true if a cooling device works by slowing the processor.
    fn slows_processor(&self, folder: &str) -> bool {
        let kind = self.read(&format!("{folder}/type")).unwrap_or_default().to_lowercase();
        kind.contains("cpu") || kind.contains("processor")
    }
}

impl Throttle {
    /// Bits of the firmware's flags: under-voltage, clock capped, throttled, warm, all now.
    const NOW: u64 = 0b1111;

    /// Returns true if the processor was throttled between `before` and this.
    pub fn since(&self, before: &Self) -> bool {
        self.events > before.events
            || self.firmware.is_some_and(|word| word & Self::NOW != 0)
            || self.cooling.is_some_and(|state| state > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::at(dir.path());
        (dir, machine)
    }

    #[test]
    fn a_raspberry_pi() {
        let (_dir, pi) = machine(&[
            ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
            (
                "proc/cpuinfo",
                "processor\t: 0\nFeatures\t: fp asimd crc32 asimddp\nmodel name\t: ARMv7\n\
                 CPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nprocessor\t: 1\nCPU implementer\t: 0x51\n\
                 CPU part\t: 0x800\n",
            ),
            ("etc/passwd", "root:x:0:0::/:/bin/sh\npi:x:1000:1000::/home/pi:/bin/bash\n"),
            ("proc/loadavg", "0.21 0.10 0.05 1/123 4567\n"),
            ("proc/meminfo", "MemTotal: 4000 kB\nMemAvailable:    2000 kB\n"),
            ("etc/group", "root:x:0:\nvideo:x:44:pi\n"),
            ("sys/class/video4linux/video10/name", "bcm2835-codec\n"),
            ("sys/class/video4linux/video0/name", "HD Webcam\n"),
            ("dev/i2c-1", ""),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n"),
            (
                "proc/self/status",
                "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nVmHWM:\t    3000 kB\nVmRSS:\t    2000 kB\nRssAnon:\t 500 kB\nVmSize:\t 9 kB\n",
            ),
            (
                "proc/self/stat",
                "7 (a ) b) R 1 7 7 0 -1 0 9 0 0 0 150 260 0 0 20 0 1 0 155858 3133440\n",
            ),
            ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone1/type", "silent\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "0x50000\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1500000\n"),
        ]);
        assert_eq!(pi.processor().as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(pi.parts(), [0xd08], "another maker's number is another core");
        assert_eq!(pi.load(), Some(0.21));
        assert_eq!(pi.clock(), Some((600.0, 1500.0)));
        assert_eq!((pi.available(), pi.governor().as_deref()), (Some(2_048_000), Some("ondemand")));
        assert_eq!((pi.group(44).as_deref(), pi.group(4)), (Some("video"), None));
        assert!(pi.is_listed(44) && !pi.is_listed(0), "by the lists, whatever this session knows");
        assert_eq!(pi.features(), ["asimd", "asimddp"]);
        let names: Vec<_> = pi.cameras().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["HD Webcam", "bcm2835-codec"]);
        assert_eq!(pi.devices("i2c-").len(), 1);
        let resident = Resident { now: 2_048_000, anonymous: 512_000, peak: 3_072_000 };
        assert_eq!(pi.resident(), Some(resident));
        assert_eq!((pi.mapped(), pi.processor_seconds()), (Some(9216), Some(4)));
        assert_eq!(
            pi.temperatures(),
            [Temperature { zone: "cpu-thermal".to_string(), celsius: 48.312 }]
        );
        let past = pi.throttle().unwrap();
        assert_eq!(past, Throttle { firmware: Some(0x50000), ..Throttle::default() });
        assert!(!past.since(&past), "once since it came up, not now");
        assert!(Throttle { firmware: Some(0x50005), ..past }.since(&past));
    }

    #[test]
    fn an_x86_laptop_and_a_jetson() {
        let (_dir, laptop) = machine(&[
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags: avx2\n"),
            ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n"),
            ("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "4\n"),
            ("sys/devices/system/cpu/cpufreq/x", ""),
        ]);
        assert_eq!(laptop.processor().as_deref(), Some("Some CPU @ 2 GHz"));
        let seven = laptop.throttle().unwrap();
        assert_eq!(seven, Throttle { events: Some(7), ..Throttle::default() });
        assert!(!seven.since(&seven) && Throttle { events: Some(8), ..seven }.since(&seven));

        let (_dir, jetson) = machine(&[
            ("sys/class/thermal/cooling_device0/type", "pwm-fan\n"),
            ("sys/class/thermal/cooling_device0/cur_state", "3\n"),
            ("sys/class/thermal/cooling_device1/type", "CPU-balanced\n"),
            ("sys/class/thermal/cooling_device1/cur_state", "0\n"),
        ]);
        let cool = jetson.throttle().unwrap();
        assert_eq!(cool, Throttle { cooling: Some(0), ..Throttle::default() });
        assert!(!cool.since(&cool) && Throttle { cooling: Some(2), ..cool }.since(&cool));
    }

    #[test]
    fn a_machine_that_tells_nothing() {
        let (_dir, silent) = machine(&[("proc/loadavg", "")]);
        assert_eq!((silent.processor(), silent.load(), silent.clock()), (None, None, None));
        assert_eq!((silent.resident(), silent.throttle()), (None, None));
        assert_eq!((silent.mapped(), silent.processor_seconds()), (None, None));
        assert!(silent.temperatures().is_empty());
    }
}
