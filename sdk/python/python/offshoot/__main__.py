"""``python -m offshoot``: the command ``offshoot``, as the program of that name.

The distribution offshoot-sdk has it; offshoot-runtime has not.
"""

from __future__ import annotations

import pathlib
import signal
import sys

from offshoot import _offshoot


def main() -> int:
    """Runs the command; returns its exit code."""
    if not hasattr(_offshoot, "command"):
        print(
            "error: offshoot-runtime has no command: pip uninstall offshoot-runtime, then install offshoot-sdk",
            file=sys.stderr,
        )
        return 2
    # Python's own handler would wait for the end of the command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    packages = pathlib.Path(__file__).parent / "packages"
    return _offshoot.command(sys.executable, sys.argv[1:], packages)


if __name__ == "__main__":
    sys.exit(main())
