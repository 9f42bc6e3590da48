"""A copy of the installed onnxruntime that does not find AVX-512 and AVX-VNNI, so that its AVX2 kernels
can be timed on a processor that has more.

    python tests/peers/without_avx512.py FOLDER
    OFFSHOOT_ISA=avx2 PYTHONPATH=FOLDER python tests/peers/run.py --shared ../shared

Two jumps of the function that chooses its kernels are made unconditional, in the copy alone.
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

# test r10d, 0x10000; je: CPUID's bit of AVX-512F. test al, 0x10; je: that of AVX-VNNI.
CHOICES = [bytes.fromhex("41f7c20000010074"), bytes.fromhex("b8070000 00b901000000 0fa2 a81074")]
JUMP = 0xEB


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    installed = Path(find_spec("onnxruntime").origin).parent
    copy = Path(sys.argv[1]) / "onnxruntime"
    shutil.copytree(installed, copy, dirs_exist_ok=True)
    library = next(copy.glob("capi/onnxruntime_pybind11_state*.so"))
    code = bytearray(library.read_bytes())
    # The function stands alone; AVX-512 is asked for right behind AVX-VNNI.
    first = code.find(CHOICES[1])
    second = code.find(CHOICES[0], first)
    if first < 0 or not 0 < second - first < 200:
        sys.exit(f"{library}: not the onnxruntime of requirements.txt: the choice of kernels was not found")
    for choice, at in ((CHOICES[1], first), (CHOICES[0], second)):
        code[at + len(choice) - 1] = JUMP
    library.write_bytes(code)
    print(copy.parent)


if __name__ == "__main__":
    main()
