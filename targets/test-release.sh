#!/usr/bin/env bash
# Installs what targets/release.sh made in a clean Debian 12, and follows the words of the documents there: their own
# blocks of code are cut out and run. As root:
#   targets/test-release.sh [--debian FOLDER] OUT
# OUT is the folder of release.sh. FOLDER is made by debootstrap if it is not there (target/debian-12 if not named); what
# is installed there stays. Parts whose files are not in OUT are left out, and named at the end.
# Needs debootstrap, and the network for packages of Debian and for numpy. Exit code 3: one of them is not here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

debian=$root/target/debian-12
out=
while (($#)); do
    case $1 in
    --debian)
        (($# > 1)) || die 2 '--debian needs a folder'
        debian=$(realpath -m "$2")
        shift
        ;;
    -h | --help)
        sed -n '2,8s/^# //p' "$0"
        exit
        ;;
    -*) die 2 "no option '$1'; there is --debian" ;;
    *) out=$(realpath "$1") ;;
    esac
    shift
done
[[ $out && -f $out/SHA256SUMS ]] || die 2 "usage: $0 [--debian FOLDER] OUT, with OUT as release.sh makes it"
((EUID == 0)) || die 2 'a chroot needs root: sudo targets/test-release.sh'
lacks() {
    echo "skipped: $1" >&2
    exit 3
}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
machine=$(uname -m)

step() { printf '\n== %s\n' "$1"; }

# block LANGUAGE N FILE: the Nth block of code in a language.
block() {
    awk -v fence="\`\`\`$1" -v wanted="$2" '
        /^```/ && open { open = inside = 0; next }
        /^```/ { open = 1; inside = $0 == fence && ++seen == wanted; found += inside; next }
        inside
        END { exit !found }
    ' "$root/$3" || die 1 "$3 has no block $2 of $1"
}

# inside COMMANDS: a shell in the clean system, in /root/try, with no word of this machine's environment.
inside() {
    chroot "$debian" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/pypi \
        PIP_DISABLE_PIP_VERSION_CHECK=1 bash -euxo pipefail -c "mkdir -p /root/try; cd /root/try; $1"
}
# says WORD FILE: it is in what was printed.
says() { grep -q -- "$1" "$2" || die 1 "no '$1' in what was printed"; }

step 'checksums'
(cd "$out" && sha256sum -c --quiet SHA256SUMS)

step 'a clean Debian 12'
if [[ ! -x $debian/bin/bash ]]; then
    command -v debootstrap >/dev/null || lacks 'no debootstrap here; apt-get install debootstrap'
    debootstrap --variant=minbase bookworm "$debian" >"$debian.log" 2>&1 ||
        lacks "no Debian 12 could be fetched: $debian.log"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"; umount "$debian/proc" 2>/dev/null || true' EXIT
mountpoint -q "$debian/proc" || mount -t proc proc "$debian/proc"
[[ ! -e $debian/usr/bin/rustc && ! -e $debian/root/.cargo ]] || die 1 "$debian has Rust: no clean system"
rm -rf "$debian"/root/{try,release,pypi} "$debian"/usr/local/{lib,include}/*offshoot* "$debian/usr/local/lib/cmake/Offshoot"
mkdir -p "$debian/root/release" "$debian/root/pypi"
cp "$out"/* "$debian/root/release/"
inside 'apt-get update -qq; apt-get install -y -qq --no-install-recommends python3-venv g++ cmake make pkg-config >/dev/null' ||
    lacks 'no packages from Debian here'

left_out=()
wants() { compgen -G "$out/$1" >/dev/null || { left_out+=("$1"); return 1; }; }

if wants "offshoot_${version}*_$(dpkg --print-architecture).deb"; then
    step 'the command, as a Debian package'
    inside 'apt-get install -y -qq /root/release/offshoot_*_$(dpkg --print-architecture).deb >/dev/null
        offshoot --version | grep -x "offshoot '"$version"'"
        zcat /usr/share/man/man1/offshoot-convert.1.gz | grep -q calibrate
        grep -q complete /usr/share/bash-completion/completions/offshoot
        rm -f sprout.*; offshoot pull sprout; offshoot verify sprout.offshoot; offshoot demo --out /root/try/screen.png' |
        tee "$work/deb"
    says '^verify ok' "$work/deb"
    says ' of 30 right' "$work/deb"
    inside 'apt-get purge -y -qq offshoot >/dev/null; ! command -v offshoot'
fi

if wants "offshoot-$version-$machine-linux.tar.gz" && wants "offshoot-board-$version-aarch64-linux.tar.gz"; then
    step "the maker's tutorial"
    # The page in the background, asked by Python, which a browser would; without the screen of a terminal, for there is none.
    first=$(block '' 1 docs/tutorials/maker.md |
        sed 's/^\(\.\/offshoot teach[^#]*\).*/\1 --screen none >page.log 2>\&1 \& page=$!/;s/0\.1\.0/'"$version/g")
    inside 'cp /root/release/offshoot-*.tar.gz .
        '"$first"'
        for _ in $(seq 100); do grep -q "open http" page.log && break; sleep 0.1; done
        python3 -c "import sys, urllib.request as web; print(web.urlopen(sys.argv[1]).read().decode())" \
            "$(sed -n "s/.*open \(http[^ ]*\).*/\1/p" page.log | head -n 1)" | grep -qi "<html"
        kill $page
        '"$(block '' 2 docs/tutorials/maker.md | sed '/--run/d;s/0\.1\.0/'"$version"'/g')" | tee "$work/maker"
    says 'offshoot-board' "$work/maker"
    says 'systemctl enable offshoot' "$work/maker"
fi

# Pictures of two kinds, for whoever reads folders of them: a bright disc, and stripes.
cat >"$work/pictures.py" <<'PY'
import os, random, struct, sys, zlib

def picture(kind, seed):
    rng = random.Random(seed)
    x0, y0, ground = rng.randrange(24, 40), rng.randrange(24, 40), rng.randrange(40, 90)
    rows = b""
    for y in range(64):
        rows += b"\0"
        for x in range(64):
            disc = (x - x0) ** 2 + (y - y0) ** 2 < 300
            lit = disc if kind == "mug" else (x + y0) // 6 % 2
            rows += bytes((210, 60, 50) if lit and kind == "mug" else (60, 190, 70) if lit else (ground,) * 3)
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)) \
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

for folder, kinds, count in (("{}", ("mug", "plant"), 6), ("DATA/{}", ("mug", "plant"), 24)):
    for kind in kinds:
        os.makedirs(folder.format(kind), exist_ok=True)
        for seed in range(count):
            with open(os.path.join(folder.format(kind), f"{seed}.png"), "wb") as file:
                file.write(picture(kind, f"{kind}{seed}"))
os.makedirs("IMAGES", exist_ok=True)
for seed in range(32):
    with open(f"IMAGES/{seed}.png", "wb") as file:
        file.write(picture(("mug", "plant")[seed % 2], f"other{seed}"))
for name in ("what_is_this.png", "new.jpg"):
    with open(name, "wb") as file:
        file.write(picture("mug", "unseen"))
PY

numpy() {
    [[ -e $(compgen -G "$debian/root/pypi/numpy*" | head -n 1) ]] && return
    python3 -m pip download -q --no-deps --only-binary=:all: --platform manylinux_2_28_"$machine" \
        --platform manylinux2014_"$machine" --python-version 3.11 -d "$debian/root/pypi" numpy ||
        lacks 'no numpy from PyPI here'
}

if wants "offshoot_sdk-$version-*_$machine.whl"; then
    step "the wheel with the command: the ML engineer's tutorial, and the first example of the Python manual"
    numpy
    cp "$work/pictures.py" "$debian/root/pictures.py"
    # Any model does; the wheel has none.
    cp "$root/models/sprout/sprout.onnx" "$debian/root/model.onnx"
    block python 1 sdk/python/README.md >"$debian/root/lesson.py"
    inside 'rm -rf ml; mkdir ml; cd ml; cp /root/release/offshoot_sdk-*_'"$machine"'.whl .
        python3 /root/pictures.py
        python3 -m venv env; . env/bin/activate
        '"$(block '' 1 docs/tutorials/ml-engineer.md | head -n 1)"'
        offshoot pull sprout
        python3 /root/lesson.py
        cp /root/model.onnx mobilenet_v2.onnx
        '"$(block '' 1 docs/tutorials/ml-engineer.md | tail -n +2)" | tee "$work/python"
    says '^mug, ' "$work/python"
    says 'mug' "$work/python"
    [[ -s $debian/root/try/ml/why.png && -s $debian/root/try/ml/report.html ]] || die 1 'no report, or no heat map'
fi

if wants "offshoot_runtime-$version-*_$machine.whl"; then
    step 'the wheel without the command'
    numpy
    cp "$root/models/sprout/sprout.offshoot" "$debian/root/"
    inside 'rm -rf rt; mkdir rt; cd rt; python3 -m venv env; . env/bin/activate
        pip install -q /root/release/offshoot_runtime-*_'"$machine"'.whl
        python3 -c "import offshoot; print(offshoot.Extractor(\"/root/sprout.offshoot\").verify())"' | tee "$work/runtime"
    says '^verify ok' "$work/runtime"
fi

if wants "liboffshoot-$version-$machine-linux.tar.gz"; then
    step "liboffshoot: the robotics tutorial, and the manual's CMake and C"
    mkdir -p "$debian/root/c"
    block cpp 1 sdk/c/README.md >"$debian/root/c/lesson.cpp"
    block cmake 1 sdk/c/README.md >"$debian/root/c/CMakeLists.txt"
    block c 1 sdk/c/README.md >"$debian/root/c/lesson.c"
    # Root needs no sudo, which a clean system does not have.
    inside 'rm -rf c; cp -r /root/c c; cd c; cp /root/release/liboffshoot-*-'"$machine"'-linux.tar.gz .
        '"$(block '' 1 docs/tutorials/robotics.md | sed 's/sudo //g;s/aarch64/'"$machine"'/g;s/0\.1\.0/'"$version"'/g')"'
        cmake -S . -B build >/dev/null; cmake --build build; build/lesson
        cc lesson.c $(pkg-config --cflags --libs offshoot) -o plain; ./plain' | tee "$work/c"
    [[ $(grep -c '^day$' "$work/c") == 3 ]] || die 1 'three programs should have said "day"'
fi

board=offshoot-board_${version}
if wants "${board}*_arm64.deb"; then
    step 'the on-board program, as a Debian package for ARM'
    # Static, so that a PC's system takes it as it takes any foreign package.
    inside 'dpkg --add-architecture arm64; apt-get install -y -qq /root/release/offshoot-board_*_arm64.deb >/dev/null
        test -f /etc/default/offshoot-board
        ls /usr/share/offshoot/sharp.offshoot /usr/share/offshoot/sprout.offshoot
        grep ExecStart /usr/lib/systemd/system/offshoot-board.service'
    if command -v qemu-aarch64 >/dev/null; then
        qemu-aarch64 "$debian/usr/bin/offshoot-board" verify "$debian/usr/share/offshoot/sprout.offshoot"
    else
        left_out+=('running the on-board program: no qemu-aarch64 here')
    fi
    inside 'apt-get purge -y -qq offshoot-board >/dev/null; test ! -e /etc/default/offshoot-board
        dpkg --remove-architecture arm64'
fi

step 'done'
printf 'left out: %s\n' "${left_out[@]:-nothing}"
