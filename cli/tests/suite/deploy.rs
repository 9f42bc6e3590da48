//! `deploy` with an ssh and an scp that write down what they are asked for.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder with false commands, a program of 64-bit ARM as far as its head, and a log.
struct Bench(tempfile::TempDir);

/// Logs its words, and what it reads if that is no terminal; fails where it is told to.
const FALSE: &str = "#!/bin/sh
{ printf '%s' \"${0##*/}\"; printf ' [%s]' \"$@\"; echo; } >> \"$LOG\"
case \"$*\" in *'cat >'*) cat >> \"$LOG\" ;; esac
case \"$*\" in *\"$FAILS_AT\"*) echo 'no route to host' >&2; exit 255 ;; esac
";

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for name in ["ssh", "scp"] {
            let path = bench.path(&format!("bin/{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, FALSE).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (name, machine) in [("arm", 183), ("x86", 62)] {
            let mut head = b"\x7fELF\x02\x01\x01".to_vec();
            head.resize(18, 0);
            head.extend([machine, 0]);
            fs::write(bench.path(name), head).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &str, fails_at: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command.current_dir(self.0.path()).env("PATH", path).env("LOG", self.path("log"));
        command.env("FAILS_AT", fails_at);
        command
    }

    fn deploy(&self, line: &str, fails_at: &str) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_offshoot"), fails_at);
        command.arg("deploy").args(line.split_whitespace()).output().unwrap()
    }

    /// Returns the calls of ssh and scp since the last time.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        text
    }
}

/// Word at which nothing fails.
const NOTHING: &str = "no such word";

#[test]
fn what_is_printed_does_what_run_does() {
    let bench = Bench::new();
    let line = "pi@board --board raspberry-pi-5 --program arm --screen tft --names mug,plant";
    let printed = bench.deploy(line, NOTHING);
    assert!(printed.status.success(), "{printed:?}");
    assert_eq!(bench.log(), "", "nothing is done");
    assert!(bench.path("sharp.offshoot").exists());
    fs::write(bench.path("script"), &printed.stdout).unwrap();
    assert!(bench.command("sh", NOTHING).arg("script").status().unwrap().success());
    let by_hand = bench.log();
    let run = bench.deploy(&format!("{line} --run"), NOTHING);
    assert!(run.status.success(), "{run:?}");
    assert_eq!(bench.log(), by_hand);
    let commands: Vec<&str> =
        by_hand.lines().filter(|l| l.starts_with("ssh [") || l.starts_with("scp [")).collect();
    assert_eq!(
        commands,
        [
            "ssh [pi@board] [mkdir -p .offshoot]",
            "scp [-q] [./arm] [pi@board:.offshoot/offshoot-board]",
            "scp [-q] [./sharp.offshoot] [pi@board:.offshoot/eyes.offshoot]",
            "ssh [pi@board] [cat > .offshoot/offshoot.service]",
            "ssh [pi@board] [cat > .offshoot/install.sh]",
            "ssh [-t] [pi@board] [sudo sh .offshoot/install.sh]",
        ]
    );
    for part in [
        "--buttons gpio:pinctrl-rp1:5,6 --screen st7789:/dev/spidev0.0,dc=25,rst=24,chip=pinctrl-rp1",
        "SupplementaryGroups=video gpio spi\n",
        "--names mug,plant\n",
        "./offshoot-board verify eyes.offshoot\n",
    ] {
        assert!(by_hand.contains(part), "{part} is not in\n{by_hand}");
    }
}

/// Returns the content of a file on the board that a printed script writes.
fn written<'a>(script: &'a str, file: &str) -> &'a str {
    let (_, rest) = script.split_once(&format!("'cat > .offshoot/{file}' <<'OFFSHOOT'\n")).unwrap();
    rest.split_once("OFFSHOOT\n").unwrap().0
}

#[test]
fn a_page_has_a_token_that_only_root_reads_and_its_address_is_told() {
    let bench = Bench::new();
    let printed = bench.deploy("pi@board --program arm --web", NOTHING);
    let script = String::from_utf8(printed.stdout).unwrap();
    let unit = written(&script, "offshoot.service");
    for part in ["--buttons none --screen none", "--web 0.0.0.0:8080\n", "EnvironmentFile="] {
        assert!(unit.contains(part), "{part} is not in\n{unit}");
    }
    assert!(
        script.ends_with("ssh -t pi@board 'sudo sh .offshoot/install.sh $SSH_CONNECTION'\n"),
        "{script}"
    );
    // The script as the board runs it, with folders of its own and a false systemctl and program.
    let root = bench.path("root").display().to_string();
    for folder in ["usr/local/bin", "etc/systemd/system"] {
        fs::create_dir_all(bench.path("root").join(folder)).unwrap();
    }
    let moved = written(&script, "install.sh").replace("/usr/local", &format!("{root}/usr/local"));
    fs::write(bench.path("install.sh"), moved.replace(" /etc", &format!(" {root}/etc"))).unwrap();
    fs::write(bench.path("offshoot.service"), unit).unwrap();
    fs::write(bench.path("eyes.offshoot"), "eyes").unwrap();
    for program in ["offshoot-board", "bin/systemctl"] {
        fs::write(bench.path(program), FALSE).unwrap();
        fs::set_permissions(bench.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let install = |connection: &str| {
        let mut command = bench.command("sh", NOTHING);
        let output =
            command.arg("install.sh").args(connection.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_string()
    };
    let told = install("10.0.0.9 50022 10.0.0.7 22");
    let file = bench.path("root/etc/offshoot.token");
    let kept = fs::read_to_string(&file).unwrap();
    let token =
        kept.strip_prefix("OFFSHOOT_TOKEN=").and_then(|token| token.strip_suffix('\n')).unwrap();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(told, format!("open http://10.0.0.7:8080/?token={token}"));
    assert!(!bench.log().contains(token), "no program is given it as a word");
    // It stays, so that what was opened once is right.
    assert_eq!(
        install("fd00::9 50022 fd00::7 22"),
        format!("open http://[fd00::7]:8080/?token={token}")
    );
    assert!(install("").ends_with(&format!(".local:8080/?token={token}")));
}

#[test]
fn the_program_is_the_one_that_was_built() {
    let bench = Bench::new();
    let deployed = || {
        let output = bench.deploy("pi@board", NOTHING);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // What would be done can be read before.
    let preview = deployed();
    assert!(preview.contains(
        "# There is no program yet. First: targets/build.sh --board raspberry-pi-4 --static, or put \
         offshoot-board-"
    ));
    assert!(preview.contains(
        "scp -q ./target-arm-static/aarch64-unknown-linux-musl/board/offshoot-board pi@board:"
    ));
    // README's line, with and without --static; the last one counts.
    for folder in [
        "target-arm/aarch64-unknown-linux-gnu",
        "target-arm-static/aarch64-unknown-linux-gnu",
        "target-arm-static/aarch64-unknown-linux-musl",
        "target-arm-std/aarch64-unknown-linux-gnu",
    ] {
        let program = format!("{folder}/board/offshoot-board");
        assert!(
            !deployed().contains(&format!("./{program} ")) || preview.contains(&program),
            "not built yet"
        );
        let path = bench.path(&program);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(bench.path("arm"), path).unwrap();
        let script = deployed();
        assert!(
            script.contains(&format!("./{program} ")) && !script.contains("no program"),
            "{script}"
        );
        // Files are told apart by their times.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // What is to be done needs the program.
    let run = Bench::new().deploy("pi@board --run", NOTHING);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        run.status.code() == Some(2) && said.contains("build it with targets/build.sh"),
        "{said}"
    );
}

#[test]
fn a_program_comes_from_an_archive_of_the_release() {
    let bench = Bench::new();
    let name = format!("offshoot-board-{}-aarch64-linux", env!("CARGO_PKG_VERSION"));
    fs::create_dir(bench.path(&name)).unwrap();
    fs::rename(bench.path("arm"), bench.path(&format!("{name}/offshoot-board"))).unwrap();
    let tar = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).current_dir(bench.path("")).args(arguments).status();
        assert!(done.unwrap().success());
    };
    let archive = format!("{name}.tar.gz");
    tar("tar", &["-czf", &archive, &name]);
    tar("rm", &["-r", &name]);
    for line in ["pi@board --run", &format!("pi@board --program ./{archive} --run")] {
        let run = bench.deploy(line, NOTHING);
        assert!(run.status.success(), "{run:?}");
        let copied =
            format!("scp [-q] [./{name}/offshoot-board] [pi@board:.offshoot/offshoot-board]");
        assert!(bench.log().contains(&copied));
        assert!(bench.path(&format!("{name}/offshoot-board")).exists(), "unpacked");
    }
    // An archive for another processor, and one that is not there.
    fs::copy(bench.path(&archive), bench.path("offshoot-board-0.1.0-armv7-linux.tar.gz")).unwrap();
    for (program, why) in [
        ("offshoot-board-0.1.0-armv7-linux.tar.gz", "not for aarch64-unknown-linux-gnu; take"),
        ("absent.tar.gz", "put offshoot-board-"),
    ] {
        let run = bench.deploy(&format!("pi@board --program {program}"), NOTHING);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.code() == Some(2) && said.contains(why), "{said}");
    }
}

/// A line that is smuggled in would be one of the unit's, or of the script that root runs.
#[test]
fn control_characters_are_refused() {
    let bench = Bench::new();
    for (flag, value) in [
        ("--names", "mug\nExecStartPre=/bin/sh"),
        ("--camera", "/dev/video0\nUser=root"),
        ("--program", "arm\nrm -rf ."),
        ("--package", "eyes\rx"),
        ("--buttons", "gpio:chip\n0:5,6"),
        ("--screen", "fb:/dev/fb0\nx"),
        ("--led", "gpio:chip\n0:5"),
    ] {
        let mut command = bench.command(env!("CARGO_BIN_EXE_offshoot"), NOTHING);
        command.args(["deploy", "pi@board"]);
        if flag != "--program" {
            command.args(["--program", "arm"]);
        }
        let output = command.args([flag, value]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flag}: {said}");
        assert!(
            output.stdout.is_empty() && said.contains("control or hidden character"),
            "{flag}: {said}"
        );
    }
    let mut command = bench.command(env!("CARGO_BIN_EXE_offshoot"), NOTHING);
    let output =
        command.args(["deploy", "pi@board\u{1b}[2J", "--program", "arm"]).output().unwrap();
    assert!(output.status.code() == Some(2) && !output.stderr.contains(&0x1b), "{output:?}");
}

#[test]
fn names_that_no_class_can_have_are_refused_here() {
    let bench = Bench::new();
    let long = "x".repeat(65);
    for (names, words) in [("mug,mug", "twice"), ("", "name"), (&*long, "64")] {
        let mut command = bench.command(env!("CARGO_BIN_EXE_offshoot"), NOTHING);
        let output = command
            .args(["deploy", "pi@board", "--program", "arm", "--names", names])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{names}: {said}");
        assert!(said.contains("--names") && said.contains(words), "{names}: {said}");
    }
}

#[test]
fn a_step_that_fails_is_the_last_one() {
    let bench = Bench::new();
    let run = bench.deploy("pi@board --program arm --run", "eyes.offshoot");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no route to host") && said.contains("check that `ssh pi@board` works"),
        "{said}"
    );
    assert!(bench.log().ends_with("eyes.offshoot]\n"), "nothing follows");
    // No ssh at all.
    fs::remove_file(bench.path("bin/ssh")).unwrap();
    let mut command = bench.command(env!("CARGO_BIN_EXE_offshoot"), NOTHING);
    command.env("PATH", bench.path("bin"));
    let run = command.args(["deploy", "pi@board", "--program", "arm", "--run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&run.stderr).contains("ssh and scp are OpenSSH's"), "{run:?}");
}

#[test]
fn what_cannot_be_brought_is_told_with_what_to_do() {
    let bench = Bench::new();
    fs::write(bench.path("text"), "no program").unwrap();
    for (line, told) in [
        ("-- -oProxyCommand=x", "is no host name"),
        (
            "pi@board --program arm --board raspberry-pi-6",
            "there are jetson-nano, jetson-orin-nano",
        ),
        (
            "pi@board --board jetson-nano --run",
            "build it with targets/build.sh --board jetson-nano --static",
        ),
        ("pi@board --program none", "build it with targets/build.sh"),
        ("pi@board --program text", "no ELF program; build it with"),
        ("pi@board --program x86", "not for aarch64-unknown-linux-gnu"),
        ("pi@board --program arm --screen tv:1", "--screen: no screen `tv`"),
        ("pi@board --program arm --screen terminal", "a service has no terminal"),
        ("pi@board --program arm --buttons keys", "a service has no keyboard"),
        ("pi@board --program arm --camera=-", "a service has no program before it"),
        ("pi@board --program arm --package text", "text"),
        ("pi@board --program arm --web 0.0.0.0:80", "use 1024 or above"),
        ("--web pi@board --program arm", "needs a port, or an address such as 0.0.0.0:8080"),
    ] {
        let output = bench.deploy(line, NOTHING);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(told), "{line}: {said}");
    }
    assert_eq!(bench.log(), "");
    fs::write(bench.path("sharp.offshoot"), "mine").unwrap();
    let output = bench.deploy("pi@board --program arm", NOTHING);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is another package"), "{output:?}");
}
