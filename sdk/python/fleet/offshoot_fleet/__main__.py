"""``python -m offshoot_fleet``: what a fleet's folder holds, and who is in it."""

from __future__ import annotations

import argparse
import sys

from offshoot import Head, OffshootError

from ._contributions import Contributions


def main(arguments: "list[str] | None" = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser("python -m offshoot_fleet", description=__doc__)
    parser.add_argument("base", help="head file that the fleet started with")
    parser.add_argument("folder", help="folder of the server's memory")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("boards", help="list the boards, in the order of merging")
    for name, words in [
        ("withdraw", "take a board's samples out, and refuse its further deliveries"),
        ("admit", "let a board that was withdrawn deliver again"),
    ]:
        command = commands.add_parser(name, help=words)
        command.add_argument("board")
    merge = commands.add_parser("merge", help="write the merged head")
    merge.add_argument("output")
    given = parser.parse_args(arguments)
    try:
        fleet = Contributions(Head.load(given.base), given.folder)
        if given.command == "boards":
            print(*fleet.boards, *(f"{board} (withdrawn)" for board in fleet.withdrawn), sep="\n")
        elif given.command == "withdraw":
            fleet.withdraw(given.board)
        elif given.command == "admit":
            fleet.admit(given.board)
        else:
            fleet.merged().save(given.output)
    except (OffshootError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
