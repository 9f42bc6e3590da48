#!/usr/bin/env bash
# Tests liboffshoot from outside: installed, linked, run by C and C++, here and on ARM under QEMU.
#   sdk/c/test.sh [--profile PROFILE]
# The profile is `dev` if not given. What this machine lacks is skipped with a word. Tests in Rust come first, unless
# OFFSHOOT_TESTED is set, as .ci/run does after `cargo test`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
profile=dev
[[ ${1:-} != --profile ]] || profile=${2:?a profile}
cd "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { printf -- '--- %02d:%02d  %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
skip() { echo "skipped: $1"; }
have() { command -v "$1" >/dev/null; }

# quietly COMMAND...: its output only if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2 && return 1; }
}

cc=${CC:-cc}
cxx=${CXX:-c++}
sprout=$root/models/sprout/sprout.offshoot
tiny=$root/sdk/tests/tiny
arguments=("$tiny.offshoot" "$sprout" "$work")
places=("$tiny-cells.offshoot" "$tiny-signals.offshoot" "$sprout" "$work")
warnings=(-Wall -Wextra -Wpedantic -Werror)

# Cargo is quiet but for warnings and errors.
export CARGO_TERM_QUIET=true

if [[ -z ${OFFSHOOT_TESTED:-} ]]; then
    step 'in Rust: model, misuse, no heap, header, manual'
    cargo test -p offshoot-c
fi

step 'installed, and moved'
quietly "$here/install.sh" --profile "$profile" "$work/first"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib

if have readelf && have nm; then
    step 'names: the functions of the header, and nothing else'
    readelf -d "$prefix/lib/liboffshoot.so" | grep -q 'soname: \[liboffshoot.so.0.1\]'
    nm -D --defined-only "$prefix/lib/liboffshoot.so" | awk '{ print $3 }' | sort >"$work/exported"
    grep -o 'offshoot_[a-z0-9_]*(' "$here/include/offshoot.h" | grep -v '_error($\|_ok($' | tr -d '(' | cat - <(echo offshoot_last_error) |
        sort -u >"$work/declared"
    diff "$work/declared" "$work/exported"
else
    skip 'exported names: no binutils here'
fi

# compile LANGUAGE OUTPUT SOURCE FLAGS...: with all warnings, as C11 or C++17 against what is installed.
compile() {
    local compiler=("$cc" -std=c11)
    [[ $1 == c ]] || compiler=("$cxx" -std=c++17)
    "${compiler[@]}" "${warnings[@]}" -g -I"$prefix/include" "$3" -o "$2" "${@:4}" "${link[@]}" -pthread
}
link=(-L"$prefix/lib" -loffshoot)

languages=(c)
if have "$cxx"; then
    languages+=(cpp)
else
    skip 'C++: no compiler here'
fi

step 'the headers alone, in every standard'
for standard in c99 c11 c17 c++17 c++20; do
    language=c
    header=offshoot.h
    [[ $standard != c++* ]] || language=c++ header=offshoot.hpp
    [[ $language == c || ${languages[*]} == *cpp* ]] || continue
    echo "#include <$header>" | "$cc" -x "$language" -std="$standard" "${warnings[@]}" -I"$prefix/include" -fsyntax-only -
done

for language in "${languages[@]}"; do
    step "$language: every function, shared, static, and with sanitizers"
    for name in program finding; do
        program=$here/tests/programs/$name.$language
        given=("${arguments[@]}")
        [[ $name == program ]] || given=("${places[@]}")
        compile "$language" "$work/shared" "$program"
        "$work/shared" "${given[@]}"
        read -ra private < <(sed -n 's/^Libs.private: //p' "$prefix/lib/pkgconfig/offshoot.pc")
        shared=("${link[@]}")
        link=("$prefix/lib/liboffshoot.a" "${private[@]}")
        compile "$language" "$work/static" "$program"
        link=("${shared[@]}")
        LD_LIBRARY_PATH='' "$work/static" "${given[@]}"
        if compile "$language" "$work/checked" "$program" -fsanitize=address,undefined -fno-sanitize-recover=all 2>"$work/log"; then
            "$work/checked" "${given[@]}"
        else
            grep -q 'lasan\|lubsan' "$work/log" || { cat "$work/log" >&2 && exit 1; }
            skip "$language with sanitizers: no libasan, libubsan here"
        fi
    done
done

step 'the bits of the Rust crate'
for language in "${languages[@]}"; do
    CC=$cc CXX=$cxx tests/doors.sh "$language=$prefix"
done

step 'the manual'
# snippet LANGUAGE PAGE NAME: the programs between fences, each to a file of its own.
snippet() {
    awk -v language="$1" -v file="$work/manual/$3" '
        $0 == "```" language { out = file (++n) "." language; next }
        /^```/ { out = "" }
        out { print >out }' "$2"
}
mkdir "$work/manual"
ln -s "$sprout" "$work/manual"
for language in "${languages[@]}"; do
    snippet "$language" "$here/README.md" lesson
    compile "$language" "$work/manual/$language" "$work/manual/lesson1.$language"
    [[ $(cd "$work/manual" && "./$language") == day ]]
done
if [[ ${languages[*]} == *cpp* ]] && have cmake; then
    mkdir "$work/cmake"
    snippet cmake "$here/README.md" lesson
    cp "$work/manual/lesson1.cmake" "$work/cmake/CMakeLists.txt"
    cp "$work/manual/lesson1.cpp" "$work/cmake/lesson.cpp"
    # Twice: as it stands, and linked statically as its comment says.
    for variant in offshoot offshoot_static; do
        sed -i "s/Offshoot::offshoot\b[a-z_]*/Offshoot::$variant/" "$work/cmake/CMakeLists.txt"
        quietly cmake -S "$work/cmake" -B "$work/cmake/$variant" -DCMAKE_PREFIX_PATH="$prefix"
        quietly cmake --build "$work/cmake/$variant"
        [[ $(cd "$work/manual" && "$work/cmake/$variant/lesson") == day ]]
    done
    sed -i 's/Offshoot 0.1/Offshoot 0.2/' "$work/cmake/CMakeLists.txt"
    cmake -S "$work/cmake" -B "$work/cmake/later" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" 2>&1 && exit 1
    grep -q 'version: 0.1' "$work/log"
else
    skip 'find_package(Offshoot): no CMake here'
fi

step 'the pages on signals and places'
ln -s "$tiny-signals.offshoot" "$work/manual/gestures.offshoot"
ln -s "$tiny-cells.offshoot" "$work/manual/eyes.offshoot"
snippet c "$root/docs/signals.md" signals
compile c "$work/manual/signals" "$work/manual/signals1.c"
[[ $(cd "$work/manual" && ./signals) == '16 steps, 12 values' ]]
if [[ ${languages[*]} == *cpp* ]]; then
    snippet cpp "$root/docs/detection.md" detection
    compile cpp "$work/manual/detection" "$work/manual/detection1.cpp"
    [[ $(cd "$work/manual" && ./detection) == 'cup '*' at 0.'* ]]
fi

step 'the shell of the manual'
triple=aarch64-unknown-linux-gnu
tools=(aarch64-linux-gnu-gcc qemu-aarch64)
# shell LINE: as it stands in the manual, but for folders that are not the test's, and the profile.
shell() {
    local line=$1
    line=${line//\/usr\/local/"$work/usr"}
    line=${line//'~'/"$work/home"}
    line=${line//sdk\/c\/install.sh/"$here/install.sh" --profile "$profile"}
    quietly bash -e -c "$line"
}
cd "$work/manual"
cp lesson1.c lesson.c
[[ ${languages[*]} != *cpp* ]] || cp lesson1.cpp lesson.cpp
lines=0
while IFS= read -r line; do
    lines=$((lines + 1))
    command=${line%%  *}
    case $line in
    *'--features tract'*)
        if [[ ${OFFSHOOT_TRACT:-} ]]; then shell "$line"; else skip "$command: tract takes a quarter of an hour; OFFSHOOT_TRACT=1"; fi
        ;;
    *aarch64*)
        have "${tools[0]}" && have "${tools[1]}" || { skip "$command: no ${tools[*]} here" && continue; }
        shell "$line"
        [[ $line != *-gcc* ]] || [[ $(qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=board/lib ./lesson) == day ]]
        ;;
    *pkg-config*)
        [[ ${languages[*]} == *cpp* ]] && have pkg-config || { skip 'pkg-config: not here' && continue; }
        shell "$line"
        [[ $(./lesson) == day ]]
        ;;
    *) shell "$line" ;;
    esac
done < <(awk '/^```/ { inside = $0 == "```sh"; next } inside' "$here/README.md")
((lines == 6))
[[ -f $work/usr/lib/liboffshoot.so && -f $work/usr/include/offshoot.hpp ]]
cd "$root"

# shade NAME OCTAL: an image of one shade.
shade() {
    { printf 'P6 32 32 255\n' && head -c 3072 /dev/zero | tr '\0' "\\$2"; } >"$work/$1.ppm"
}
shade mug 40
shade plant 340
shade unseen 320
images=("$work/mug.ppm" "$work/plant.ppm" "$work/unseen.ppm")

step 'examples'
compile c "$work/lesson" "$here/examples/first_lesson.c"
"$work/lesson" "$sprout" "${images[@]}" | grep '^plant, '
[[ ${languages[*]} == *cpp* ]] || exit 0
if have pkg-config && pkg-config --exists opencv4; then
    # Modules that it needs: all of them would bring a desktop.
    read -ra flags < <(pkg-config --cflags opencv4)
    compile cpp "$work/opencv" "$here/examples/opencv.cpp" "${flags[@]}" -lopencv_core -lopencv_imgcodecs
    "$work/opencv" "$sprout" "mug=${images[0]}" "plant=${images[1]}" "${images[2]}" | grep '^plant, '
else
    skip 'opencv.cpp: no libopencv-dev here'
fi
gst=(gstreamer-app-1.0 gstreamer-video-1.0)
if have pkg-config && pkg-config --exists "${gst[@]}"; then
    read -ra flags < <(pkg-config --cflags "${gst[@]}")
    read -ra libraries < <(pkg-config --libs "${gst[@]}")
    compile cpp "$work/gstreamer" "$here/examples/gstreamer.cpp" "${flags[@]}" "${libraries[@]}"
    if [[ -n $(find /usr/lib -name libgstvideotestsrc.so -print -quit) ]]; then
        source='videotestsrc num-buffers=4 pattern'
        "$work/gstreamer" "$sprout" "$source=ball" "$source=snow" "$source=snow ! video/x-raw,format=NV12,width=322" |
            tee "$work/answers"
        [[ $(grep -c '^pipeline 2, ' "$work/answers") == 4 ]]
    else
        skip 'gstreamer.cpp is built but not run: no gstreamer1.0-plugins-base here'
    fi
else
    skip 'gstreamer.cpp: no libgstreamer-plugins-base1.0-dev here'
fi
if have colcon && [[ -n ${ROS_DISTRO:-} ]]; then
    (cd "$work" && quietly colcon build --base-paths "$here/examples/ros2" --cmake-args -DCMAKE_PREFIX_PATH="$prefix")
else
    "$cxx" -std=c++17 "${warnings[@]}" -I"$prefix/include" -isystem "$here/tests/ros_stubs" -fsyntax-only \
        "$here/examples/ros2/src/classifier.cpp"
    skip 'the ROS 2 node is not built: no ROS here; its syntax is checked against stubs of the headers'
fi

if have "${tools[0]}" && have "${tools[1]}"; then
    step "on $triple, under QEMU"
    quietly "$here/install.sh" --profile "$profile" --target "$triple" "$work/board"
    unset LD_LIBRARY_PATH
    prefix=$work/board cc=${tools[0]} cxx=aarch64-linux-gnu-g++
    link=(-L"$prefix/lib" -loffshoot)
    run=(qemu-aarch64 -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=$prefix/lib")
    CC=$cc OFFSHOOT_RUN=${run[*]} tests/doors.sh "c=$prefix"
    for language in c cpp; do
        [[ $language == c ]] || have "$cxx" || { skip "C++ on $triple: no $cxx here" && continue; }
        compile "$language" "$work/board.$language" "$here/tests/programs/program.$language"
        "${run[@]}" "$work/board.$language" "${arguments[@]}"
        compile "$language" "$work/board.$language" "$here/tests/programs/finding.$language"
        "${run[@]}" "$work/board.$language" "${places[@]}"
    done
else
    skip "$triple: no ${tools[*]} here; targets/setup.sh installs them"
fi
step 'done'
