#!/usr/bin/env bash
# Packs a Debian package and prints its path: targets/deb.sh CONTROL ARCHITECTURE VERSION TREE OUT
# CONTROL is a folder with `control` and, if there are any, scripts and `conffiles`; TREE has the files as they are
# installed. Names and times are those of the release: root, SOURCE_DATE_EPOCH.
set -euo pipefail
(($# == 5)) || { echo "usage: $0 CONTROL ARCHITECTURE VERSION TREE OUT" >&2; exit 2; }
command -v dpkg-deb >/dev/null || { echo 'error: no dpkg-deb here; install dpkg' >&2; exit 2; }
control=$1 architecture=$2 version=$3 tree=$4 out=$5
name=$(sed -n 's/^Package: //p' "$control/control")
mkdir -p "$tree/DEBIAN"
for file in conffiles postinst postrm prerm; do
    mode=755
    [[ $file != conffiles ]] || mode=644
    [[ ! -f $control/$file ]] || install -m $mode "$control/$file" "$tree/DEBIAN/"
done
# Not by `du`, which counts blocks of this machine's disk.
size=$(find "$tree" -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/" "$control/control" >"$tree/DEBIAN/control"
(cd "$tree" && find . -type f -not -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
chmod -R u=rwX,go=rX "$tree"
find "$tree" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
# Several threads cut the archive into blocks, as many as there are cores.
dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$tree" "$out/${name}_$version-1_$architecture.deb" >/dev/null
echo "$out/${name}_$version-1_$architecture.deb"
