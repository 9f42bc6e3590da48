//! Deployment of the on-board program, a package and a service to a board.

mod steps;

use std::net::SocketAddr;
use std::path::Path;

use offshoot_core::head::is_hidden;
use offshoot_device::{BuiltIn, ButtonsPart, CameraPart, LedPart, ScreenPart, Turn};
use serde::Deserialize;
pub use steps::{Program, Step, StepError};

/// Installation paths on the board.
const PROGRAM: &str = "/usr/local/bin/offshoot-board";
const PACKAGE: &str = "/usr/local/share/offshoot/eyes.offshoot";
const MEMORY: &str = "/var/lib/offshoot/lessons.store";
/// Environment file for systemd with the token that visitors of the web page need.
const TOKEN: &str = "/etc/offshoot.token";

/// Board description: a file of `targets/boards`.
#[derive(Debug, Clone, Deserialize)]
pub struct Board {
    /// Name of the board.
    pub name: String,
    /// Target triple of programs for it.
    pub triple: String,
    /// Processor core, such as `Cortex-A72`.
    pub core: String,
    /// CPU features that kernels are selected by.
    pub features: Vec<String>,
    /// Default wiring, as on the board's page.
    pub wiring: Wiring,
}

/// Parts on a board's header, in the syntax of the command line.
#[derive(Debug, Clone, Deserialize)]
pub struct Wiring {
    /// Two buttons.
    pub buttons: String,
    /// LED.
    pub led: String,
    /// SSD1306 panel.
    pub oled: String,
    /// ST7789 panel.
    pub tft: String,
}

/// Board descriptions by file name.
const BOARDS: [(&str, &str); 6] = [
    ("jetson-nano", include_str!("../../targets/boards/jetson-nano.toml")),
    ("jetson-orin-nano", include_str!("../../targets/boards/jetson-orin-nano.toml")),
    ("raspberry-pi-3", include_str!("../../targets/boards/raspberry-pi-3.toml")),
    ("raspberry-pi-4", include_str!("../../targets/boards/raspberry-pi-4.toml")),
    ("raspberry-pi-5", include_str!("../../targets/boards/raspberry-pi-5.toml")),
    ("raspberry-pi-zero-2w", include_str!("../../targets/boards/raspberry-pi-zero-2w.toml")),
];

/// Returns the names of all boards.
pub fn boards() -> impl Iterator<Item = &'static str> {
    BOARDS.into_iter().map(|(name, _)| name)
}

impl Board {
    /// Returns the board with this name; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = BOARDS.into_iter().find(|(known, _)| *known == name)?;
        // Built-in descriptions are valid: a test parses them all.
        toml::from_str(text).ok()
    }

    /// Returns the built-in package for the board's processor, like [`BuiltIn::fitting`] on the board
    /// itself.
    pub fn built_in(&self) -> BuiltIn {
        let has_dot = self.features.iter().any(|feature| feature == "dotprod");
        if !has_dot && self.core == "Cortex-A53" { BuiltIn::Small } else { BuiltIn::Sharp }
    }
}

/// Configuration of the service on the board.
#[derive(Debug, Clone)]
pub struct Service {
    /// Camera.
    pub camera: CameraPart,
    /// Rotation of the camera image.
    pub turn: Turn,
    /// Buttons.
    pub buttons: ButtonsPart,
    /// Screen.
    pub screen: ScreenPart,
    /// Rotation of the screen.
    pub rotate: Turn,
    /// LED.
    pub led: LedPart,
    /// Names of the classes.
    pub names: Vec<String>,
    /// Number of threads for the network.
    pub threads: u8,
    /// Address of the web page.
    pub web: Option<SocketAddr>,
}

impl Service {
    /// Returns the arguments of the on-board program.
    fn arguments(&self) -> Vec<String> {
        let mut words = vec![
            "run".to_string(),
            PACKAGE.to_string(),
            "--memory".to_string(),
            MEMORY.to_string(),
        ];
        let mut options = vec![
            ("--camera", self.camera.to_string()),
            ("--buttons", self.buttons.to_string()),
            ("--screen", self.screen.to_string()),
            ("--led", self.led.to_string()),
            ("--threads", self.threads.to_string()),
        ];
        if self.turn != Turn::None {
            options.push(("--turn", self.turn.to_string()));
        }
        if self.rotate != Turn::None {
            options.push(("--rotate", self.rotate.to_string()));
        }
        if !self.names.is_empty() {
            options.push(("--names", self.names.join(",")));
        }
        if let Some(address) = self.web {
            options.push(("--web", address.to_string()));
        }
        words.extend(options.into_iter().flat_map(|(name, value)| [name.to_string(), value]));
        words
    }

    /// Returns the groups that own the devices, and the device classes as named by systemd.
    fn needs(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let is_device = matches!(self.camera, CameraPart::Device(_));
        let has_lines = matches!(self.buttons, ButtonsPart::Gpio { .. })
            || matches!(self.led, LedPart::Gpio { .. })
            || matches!(self.screen, ScreenPart::St7789(_));
        let on_i2c = matches!(self.screen, ScreenPart::Ssd1306 { .. });
        let on_spi = matches!(self.screen, ScreenPart::St7789(_));
        let on_framebuffer = matches!(self.screen, ScreenPart::Framebuffer(_));
        (
            needed(&[
                (is_device || on_framebuffer, "video"),
                (has_lines, "gpio"),
                (on_i2c, "i2c"),
                (on_spi, "spi"),
            ]),
            needed(&[
                (is_device, "char-video4linux"),
                (has_lines, "char-gpiochip"),
                (on_i2c, "char-i2c"),
                (on_spi, "char-spi"),
                (on_framebuffer, "char-fb"),
            ]),
        )
    }

    /// Returns the systemd unit: that of the Debian package with the program, the options, the network and
    /// only the devices of this service.
    pub fn unit(&self) -> String {
        let (groups, devices) = self.needs();
        let arguments: Vec<String> = self.arguments().iter().map(|word| unit_word(word)).collect();
        let tasks = usize::from(self.threads) + OTHER_TASKS;
        let own = |line: &str| match line.split_once('=').unwrap_or_default() {
            _ if line.starts_with('#') => String::new(),
            ("Documentation" | "EnvironmentFile", _) => String::new(),
            ("ExecStart", _) => format!("ExecStart={PROGRAM} {}\n", arguments.join(" ")),
            ("SupplementaryGroups", _) => format!("SupplementaryGroups={}\n", groups.join(" ")),
            ("DeviceAllow", class) if !devices.contains(&class.trim_end_matches(" rw")) => {
                String::new()
            }
            ("RestrictAddressFamilies", _) => self.network(),
            ("TasksMax", _) => format!("TasksMax={tasks}\n"),
            _ => format!("{line}\n"),
        };
        UNIT.lines().map(own).collect()
    }

    /// Checks that every argument fits into one line of a unit and of a script.
    ///
    /// # Errors
    /// Returns a message for an argument with a control character, which could end the line and
    /// start another.
    pub fn check(&self) -> Result<(), String> {
        self.arguments().iter().try_for_each(|word| plain(word))
    }

    /// Returns the network settings of the unit.
    fn network(&self) -> String {
        if self.web.is_none() {
            return "PrivateNetwork=yes\nRestrictAddressFamilies=none\n".to_string();
        }
        let token =
            if self.has_token() { format!("EnvironmentFile={TOKEN}\n") } else { String::new() };
        format!("{token}RestrictAddressFamilies=AF_INET AF_INET6\n")
    }

    /// Returns true if the web page is reachable from other machines, and so needs a token.
    fn has_token(&self) -> bool {
        self.web.is_some_and(|address| !address.ip().is_loopback())
    }

    /// Returns the installation script, to be run as root. If there is a web page, the script's
    /// arguments are the words of `SSH_CONNECTION`.
    pub fn install(&self, host: &str) -> String {
        let make_token =
            if self.has_token() { fill(MAKE_TOKEN, &[("SECRET", TOKEN)]) } else { String::new() };
        fill(
            INSTALL,
            &[
                ("MAKE_SECRET", &make_token),
                ("TELL_PAGE", &self.tell_page(host)),
                ("PROGRAM", PROGRAM),
                ("PACKAGE", PACKAGE),
                ("GROUPS", &self.needs().0.join(" ")),
            ],
        )
    }

    /// Returns the lines of the script that print the URL to open in a browser.
    fn tell_page(&self, host: &str) -> String {
        let Some(address) = self.web else { return String::new() };
        let port = address.port().to_string();
        if address.ip().is_loopback() {
            return fill(TELL_TUNNEL, &[("PORT", &port), ("HOST", &shell_word(host))]);
        }
        let (before, reached) = match address.ip().is_unspecified() {
            true => (TELL_ADDRESS, format!("$address:{port}")),
            false => ("", address.to_string()),
        };
        before.to_string() + &fill(TELL_PAGE, &[("ADDRESS", &reached), ("SECRET", TOKEN)])
    }
}

/// Tasks besides the threads for the network: main loop, camera, web page, buttons.
const OTHER_TASKS: usize = 32;

/// Unit of the Debian package. Temporary failures, such as a camera that is plugged in late, are
/// retried forever; the service has only the permissions it needs.
const UNIT: &str = include_str!("../../targets/board/debian/service");

const INSTALL: &str = r#"set -eu
cd "$(dirname "$0")"
# The program must run here, and compute what it should, before anything is replaced.
chmod 755 offshoot-board
./offshoot-board verify eyes.offshoot
# A group that this system does not have would stop the service.
groups=
for group in {{GROUPS}}; do
    if getent group "$group" >/dev/null; then
        groups="$groups $group"
    else
        echo "no group $group here: see which one owns the device (ls -l /dev), and name it in the unit" >&2
    fi
done
sed -i "s/^SupplementaryGroups=.*/SupplementaryGroups=$groups/" offshoot.service
install -m 755 offshoot-board {{PROGRAM}}
install -D -m 644 eyes.offshoot {{PACKAGE}}
install -m 644 offshoot.service /etc/systemd/system/offshoot.service
{{MAKE_SECRET}}systemctl daemon-reload
systemctl enable offshoot.service
systemctl restart offshoot.service
echo "running; journalctl -u offshoot shows what it says"
{{TELL_PAGE}}"#;

/// Token generation: once, so that an opened URL stays valid; readable by root only.
const MAKE_TOKEN: &str = r#"if [ ! -s {{SECRET}} ]; then
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && echo "OFFSHOOT_TOKEN=$token" > {{SECRET}})
fi
"#;

/// Address that ssh has reached, else the host name with .local (mDNS).
const TELL_ADDRESS: &str = r#"case ${3:-} in
'' | *%*) address=$(uname -n).local ;;
*:*) address="[$3]" ;;
*) address=$3 ;;
esac
"#;

const TELL_PAGE: &str = r#"echo "open http://{{ADDRESS}}/?$(sed -n 's/^OFFSHOOT_TOKEN=/token=/p' {{SECRET}})"
"#;

const TELL_TUNNEL: &str = "cat <<'PAGE'
the page is for the board alone; while this runs here:
    ssh -L {{PORT}}:localhost:{{PORT}} {{HOST}}
open http://localhost:{{PORT}}/
PAGE
";

/// Fills the placeholders `{{NAME}}` of a template; values are not expanded again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, (name, behind))) =
        rest.split_once("{{").and_then(|(before, behind)| Some((before, behind.split_once("}}")?)))
    {
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        out.extend([before, value]);
        rest = behind;
    }
    out + rest
}

/// Checks that a word fits into one line.
///
/// # Errors
/// Returns a message with the word, control and hidden characters escaped.
pub fn plain(word: &str) -> Result<(), String> {
    match word.contains(is_hidden) {
        true => Err(format!("{word:?} has a control or hidden character; remove it")),
        false => Ok(()),
    }
}

/// Returns the names whose condition holds.
fn needed(all: &[(bool, &'static str)]) -> Vec<&'static str> {
    all.iter().filter(|(is_needed, _)| *is_needed).map(|(_, name)| *name).collect()
}

/// Returns true if a character needs no quotes, neither in a unit nor in a shell.
fn is_unquoted(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c)
}

/// Quotes a word of a command in a unit: percent and dollar signs have a meaning there.
fn unit_word(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    if !word.is_empty() && word.chars().all(|c| is_unquoted(c) || c == '$') {
        return word;
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Quotes a word of a command for a shell.
pub fn shell_word(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_unquoted) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns all steps in order.
pub fn steps(host: &str, program: &Program, package: &Path, service: &Service) -> Vec<Step> {
    let (program, unpack) = program.unpacked();
    // The board's own shell knows the address it was reached by.
    let install = match service.web {
        None => "sudo sh .offshoot/install.sh",
        Some(_) => "sudo sh .offshoot/install.sh $SSH_CONNECTION",
    };
    let copy = [
        Step::ssh(host, &[], "mkdir -p .offshoot", None),
        Step::scp(host, &program, "offshoot-board"),
        Step::scp(host, package, "eyes.offshoot"),
        Step::ssh(host, &[], "cat > .offshoot/offshoot.service", Some(service.unit())),
        Step::ssh(host, &[], "cat > .offshoot/install.sh", Some(service.install(host))),
        // Allocate a terminal, since sudo may ask for a password.
        Step::ssh(host, &["-t"], install, None),
    ];
    unpack.into_iter().chain(copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service {
            camera: CameraPart::Device("/dev/video0".into()),
            turn: Turn::Half,
            buttons: "gpio:gpiochip0:5,6".parse().unwrap(),
            screen: "ssd1306:/dev/i2c-1".parse().unwrap(),
            rotate: Turn::None,
            led: LedPart::None,
            names: vec!["my mug".to_string(), "50 %".to_string()],
            threads: 4,
            web: None,
        }
    }

    #[test]
    fn boards_are_read_and_their_wires_are_parts() {
        for name in boards() {
            let board = Board::named(name).unwrap_or_else(|| panic!("{name} is not read"));
            let Wiring { buttons, led, oled, tft } = &board.wiring;
            assert!(
                matches!(buttons.parse(), Ok(ButtonsPart::Gpio { lines, .. }) if lines.len() == 2)
            );
            assert!(matches!(led.parse(), Ok(LedPart::Gpio { .. })), "{name}: {led}");
            assert!(matches!(oled.parse(), Ok(ScreenPart::Ssd1306 { .. })), "{name}: {oled}");
            assert!(matches!(tft.parse(), Ok(ScreenPart::St7789(_))), "{name}: {tft}");
            assert!(board.triple.starts_with("aarch64-"));
            let fits = if name.ends_with("pi-3") || name.ends_with("2w") {
                BuiltIn::Small
            } else {
                BuiltIn::Sharp
            };
            assert_eq!(board.built_in(), fits, "{name}");
            // The board's page says the same.
            let page = std::fs::read_to_string(format!(
                "{}/../targets/boards/{name}.md",
                env!("CARGO_MANIFEST_DIR")
            ));
            let page = page.unwrap_or_else(|e| panic!("{name}.md: {e}"));
            for flag in [buttons, led, oled, tft] {
                assert!(page.contains(flag.as_str()), "{name}.md does not say {flag}");
            }
        }
        assert!(Board::named("raspberry-pi-6").is_none());
    }

    #[test]
    fn a_unit_has_the_groups_and_devices_of_its_parts() {
        let unit = service().unit();
        for line in [
            "SupplementaryGroups=video gpio i2c\n",
            "DeviceAllow=char-video4linux rw\nDeviceAllow=char-gpiochip rw\nDeviceAllow=char-i2c rw\n",
            "Restart=always\n",
            "--camera /dev/video0 --buttons gpio:gpiochip0:5,6 --screen ssd1306:/dev/i2c-1 --led none",
            "--threads 4 --turn 180 --names \"my mug,50 %%\"\n",
            "PrivateNetwork=yes\nRestrictAddressFamilies=none\n",
        ] {
            assert!(unit.contains(line), "{line} is not in\n{unit}");
        }
        let tft = Service {
            screen: "st7789:/dev/spidev0.0,dc=25".parse().unwrap(),
            buttons: ButtonsPart::None,
            camera: CameraPart::Simulated,
            ..service()
        };
        assert_eq!(tft.needs(), (vec!["gpio", "spi"], vec!["char-gpiochip", "char-spi"]));
        assert!(tft.install("pi").contains("for group in gpio spi; do"));
    }

    /// User input is not interpreted: neither as a placeholder of a template nor as a line of its
    /// own.
    #[test]
    fn what_is_typed_is_not_taken_for_a_place_of_the_template() {
        let odd = ["GROUPS", "PROGRAM", "{{GROUPS}}", "DEVICES", "NETWORK"];
        let names = odd.map(str::to_string).to_vec();
        let camera = CameraPart::Device("/dev/PROGRAM/ARGUMENTS".into());
        let service = Service { names, camera, ..service() };
        let unit = service.unit();
        assert!(unit.contains("--names \"GROUPS,PROGRAM,{{GROUPS}},DEVICES,NETWORK\"\n"), "{unit}");
        assert!(
            unit.contains(" --camera /dev/PROGRAM/ARGUMENTS ") && !unit.contains("=\n\n"),
            "{unit}"
        );
        for text in [unit, service.install("pi"), at_loopback().install("GROUPS-SECRET-PORT")] {
            assert!(text.matches("{{").count() <= 1, "a place is left: {text}");
        }
        assert!(at_loopback().install("GROUPS-SECRET-PORT").contains("8080 GROUPS-SECRET-PORT\n"));
        for word in ["a\nb", "a\rb", "\u{1b}[2J", "\u{2028}", "\u{202e}", "\0"] {
            let service = Service { names: vec![word.to_string()], ..self::service() };
            let refusal = service.check().unwrap_err();
            assert!(
                !refusal.contains(word) && refusal.contains("control or hidden character"),
                "{refusal}"
            );
        }
        assert_eq!(service.check(), Ok(()));
    }

    #[test]
    fn a_unit_limits_memory_and_threads() {
        let unit = Service { threads: 4, ..service() }.unit();
        assert!(unit.contains("\nMemoryMax=60%\nTasksMax=36\n"), "{unit}");
    }

    /// The unit of the Debian package has every line that a deployed one differs in, and no other
    /// differs.
    #[test]
    fn a_unit_is_that_of_the_debian_package_but_for_its_own_lines() {
        let unit = at_loopback().unit();
        let keys = [
            "#",
            "Documentation",
            "EnvironmentFile",
            "ExecStart",
            "SupplementaryGroups",
            "DeviceAllow",
            "RestrictAddressFamilies",
            "TasksMax",
        ];
        for key in keys {
            assert!(UNIT.lines().any(|line| line.starts_with(key)), "{key} is not in\n{UNIT}");
        }
        let common = |text: &str| -> Vec<String> {
            let is_common = |line: &&str| !keys.iter().any(|key| line.starts_with(key));
            text.lines().filter(is_common).map(str::to_string).collect()
        };
        assert_eq!(common(&unit), common(UNIT));
        assert!(!unit.contains("/usr/bin/") && !unit.contains("/etc/default"), "{unit}");
    }

    fn at_loopback() -> Service {
        Service { web: Some("127.0.0.1:8080".parse().unwrap()), ..service() }
    }

    #[test]
    fn a_page_wants_a_network_and_a_token_where_others_reach_it() {
        let at = |address: &str| Service { web: Some(address.parse().unwrap()), ..service() };
        let open = at("0.0.0.0:8080");
        let own = at("127.0.0.1:8080");
        for service in [&open, &own] {
            let unit = service.unit();
            assert!(unit.contains("RestrictAddressFamilies=AF_INET AF_INET6\n"), "{unit}");
            assert!(!unit.contains("PrivateNetwork") && unit.contains(" --web "), "{unit}");
        }
        let file = "EnvironmentFile=/etc/offshoot.token\n";
        assert!(open.unit().contains(file) && !own.unit().contains(file));
        assert!(own.install("pi@it's").contains("ssh -L 8080:localhost:8080 'pi@it'\\''s'"));
        assert!(at("10.0.0.7:80").install("pi").contains("open http://10.0.0.7:80/?"));
        assert!(!service().install("pi").contains("TOKEN"));
    }

    #[test]
    fn words_are_quoted() {
        assert_eq!(unit_word("a$b \"c\""), r#""a$$b \"c\"""#);
        assert_eq!(
            (shell_word("/a/b=c.onnx"), shell_word("it's;"), shell_word("a b")),
            ("/a/b=c.onnx".into(), r"'it'\''s;'".into(), "'a b'".into())
        );
        assert_eq!((unit_word(""), shell_word("")), ("\"\"".into(), "''".into()));
    }
}
