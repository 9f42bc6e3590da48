#!/usr/bin/env bash
# Runs what wants a camera (targets/device/tests/vivid.rs) in a virtual machine with Debian's kernel, whose
# test driver `vivid` plays one: open, formats, pixels, unplugged and back.
#   targets/test-camera.sh
# Fetches that kernel (70 MB) with apt-get, once; installs nothing. Needs no KVM. Exit code 3: no kernel to be had.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=toolchain.sh
. "$(dirname "$0")/toolchain.sh"

have qemu-system-x86_64 'qemu-system-x86 --no-install-recommends'
have busybox busybox-static
have cpio cpio
cd "$root"

kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p')
version=${kernel#linux-image-}
cache=$root/target/camera
if [[ ! -d $cache/$version ]]; then
    rm -rf "$cache"
    mkdir -p "$cache/new"
    (cd "$cache" && apt-get download -qq "$kernel") || die 3 "apt-get gives no ${kernel:-kernel}"
    # Media drivers need nothing else that is not in the kernel itself.
    dpkg-deb --fsys-tarfile "$cache/$kernel"_*.deb | tar -x -C "$cache/new" --wildcards \
        "./boot/vmlinuz-$version" "./lib/modules/$version/modules.*" \
        "./lib/modules/$version/kernel/drivers/media/"{mc,common,v4l2-core,cec,rc,test-drivers}
    rm "$cache/$kernel"_*.deb
    mv "$cache/new" "$cache/$version"
fi

# All tests, as `cargo test` builds them: for this one alone crates have other features, and half of tract is compiled
# again.
program=$(cargo test --locked --workspace --no-run 2>&1 | tee /dev/stderr |
    sed -n 's/^ *Executable tests\/vivid.rs (\(.*\))$/\1/p')
image=$(mktemp -d)
trap 'rm -rf "$image"' EXIT
# The test's paths begin in its crate.
mkdir -p "$image"/{bin,dev,proc,sys} "$image$root/targets/device"
cp -a "$cache/$version/lib" "$image/lib"
cp "$(command -v busybox)" "$image/bin/busybox"
cp "$program" "$image/vivid"
# The C library, and what the test reads, where they are here.
{ ldd "$program" | grep -o '/[^ ]*' && echo "$root/sdk/tests/tiny.offshoot"; } |
    while read -r file; do install -D "$(realpath "$file")" "$image$file"; done
cat >"$image/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
depmod && modprobe vivid n_devs=1 && OFFSHOOT_VIVID=1 /vivid --nocapture
echo "ended with $?"
poweroff -f
INIT
chmod +x "$image/init"
(cd "$image" && find . | cpio -o -H newc --quiet) | gzip -1 >"$cache/image.gz"

timeout 300 qemu-system-x86_64 -accel tcg -cpu max -m 1024 -nographic -no-reboot -nic none \
    -kernel "$cache/$version/boot/vmlinuz-$version" -initrd "$cache/image.gz" \
    -append 'console=ttyS0 quiet panic=-1' </dev/null | tr -d '\r' | tee "$cache/log"
grep -q '^ended with 0$' "$cache/log"
