"""What each board has contributed, and the head that they make together."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from offshoot import Head, HeadError

from ._errors import ConflictError, DeliveryError, FullError, StaleError, WithdrawnError

MOST_SHOWN = 65_535
"""Max number of samples that one class of a head can see."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILE = re.compile(r"(?P<board>.+)@(?P<round>\d+)\.(?P<state>head|gone)")
# Of a head's record: dimensions, then the limits of classes and samples.
_LIMITS = struct.Struct("<IHH")
_LIMITS_AT = 56


@dataclass(frozen=True)
class _Entry:
    """Newest delivery of a board: the round that asked for it, and its head if it gave one."""

    round: int
    data: bytes = b""
    samples: int = 0
    shown: tuple[tuple[str, int], ...] = ()
    """For each of its classes, in its order, the number of samples it has seen."""


class Contributions:
    """Heads of a fleet's boards, one each, and the head that is taught all of their samples.

    The merged head is a function of ``base`` and of the boards' newest heads alone: they are merged in the
    order of the boards' names. Neither the order of deliveries nor their number matters. It is, bit for bit,
    the head that was taught, on top of ``base``, each board's classes and then its samples, board by board.

    With a ``folder`` everything is kept there, one file for each board; a program that ends at any moment leaves
    it valid, and several programs may use it at the same time.

    >>> import offshoot
    >>> from offshoot_fleet import Contributions
    >>> board = offshoot.Head(2, "ncm", samples=10)
    >>> board.add_class("mug")
    0
    >>> board.add_sample("mug", [1, 0])
    >>> fleet = Contributions(offshoot.Head(2, "ncm", samples=100))
    >>> for _ in range(2):
    ...     fleet.deliver("kitchen", board.to_bytes(), round=1)
    True
    False
    >>> fleet.merged().classes, len(fleet.merged())
    (['mug'], 1)
    """

    def __init__(
        self, base: Head, folder: Union[str, os.PathLike[str], None] = None, *, board_samples: int = 1000
    ) -> None:
        """Starts with ``base``, whose kind, settings and limits are those of the merged head.

        Boards may have heads of ``board_samples`` samples at most: a head reserves memory for all that it has
        room for, however few there are.
        """
        self._base = base.copy()
        self._board_samples = board_samples
        self._entries: dict[str, _Entry] = {}
        self._withdrawn: set[str] = set()
        self._round = 0
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            # Embeddings are as private as the images they were made of.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._current():
                pass

    @property
    def boards(self) -> list[str]:
        """Names of the boards whose samples are in the merged head, in the order of merging."""
        with self._current():
            return self._present()

    @property
    def withdrawn(self) -> list[str]:
        """Names of the boards that were withdrawn and may not deliver."""
        with self._current():
            return sorted(self._withdrawn)

    def next_round(self) -> int:
        """Begins a round; returns its number, which no earlier round had."""
        with self._current():
            self._round = self._newest() + 1
            if self._folder is not None:
                _write(self._folder / "round", str(self._round).encode())
            return self._round

    def deliver(self, board: str, head: Optional[bytes], round: int) -> bool:
        """Takes a board's head, as ``Head.to_bytes`` gives it, in place of its former one.

        ``None`` is a board without samples: it gives nothing, and what it gave before is gone. Returns false
        for a delivery that came before. Whatever is raised, nothing is changed:

        - ``StaleError``: a newer delivery of this board is there.
        - ``ConflictError``: another delivery of the same round is there, so two boards have this name.
        - ``WithdrawnError``: the board was withdrawn.
        - ``FullError``: together with those of the others these are more samples or classes than ``base`` has room for.
        - ``DeliveryError``: a name that is not allowed, no head, a head of another package, or one with too much room.
        """
        _check_name(board)
        if round < 1:
            raise DeliveryError(f"round {round} of `{board}`; rounds count from 1")
        self._check_size(board, head or b"")
        entry = self._entry(board, head or b"", round)
        with self._current():
            if board in self._withdrawn:
                raise WithdrawnError(f"`{board}` was withdrawn; admit it first")
            former = self._entries.get(board)
            if former is not None and round < former.round:
                raise StaleError(f"round {round} of `{board}`, which has delivered in round {former.round}")
            if former is not None and round == former.round:
                if former.data != entry.data:
                    raise ConflictError(
                        f"a second, different delivery of `{board}` in round {round}, or the round in which it was "
                        "admitted; give each board a name of its own"
                    )
                return False
            self._check_room(board, entry)
            self._store(board, entry)
            return True

    def withdraw(self, board: str) -> None:
        """Takes a board's samples out and refuses its further deliveries, until ``admit``.

        The merged head is then, bit for bit, the one that never saw them.
        """
        _check_name(board)
        with self._current():
            if self._folder is not None:
                _write(self._folder / f"{board}.withdrawn", b"")
            self._withdrawn.add(board)
            self._store(board, _Entry(self._entries.get(board, _Entry(0)).round))

    def admit(self, board: str) -> None:
        """Lets a board that was withdrawn deliver again, in later rounds; no other board is changed by it."""
        _check_name(board)
        with self._current():
            if board not in self._withdrawn:
                return
            # What it sent while it was withdrawn may still come, twice and late.
            self._store(board, _Entry(self._newest()))
            if self._folder is not None:
                (self._folder / f"{board}.withdrawn").unlink(missing_ok=True)
                _sync(self._folder)
            self._withdrawn.discard(board)

    def merged(self) -> Head:
        """Makes the merged head."""
        with self._current():
            return self._merged(self._present())

    def without(self, board: str) -> Head:
        """Makes the head that the others make without this board, and withdraws nobody."""
        with self._current():
            return self._merged([name for name in self._present() if name != board])

    def _newest(self) -> int:
        return max([self._round, *(entry.round for entry in self._entries.values())])

    def _present(self) -> list[str]:
        return sorted(name for name, entry in self._entries.items() if entry.data)

    def _merged(self, boards: list[str]) -> Head:
        head = self._base.copy()
        for board in boards:
            head.merge(Head.from_bytes(self._entries[board].data))
        return head

    def _check_size(self, board: str, data: bytes) -> None:
        """Refuses a head that would reserve much memory, before it is opened."""
        if len(data) < _LIMITS_AT + _LIMITS.size:
            return
        dim, _, samples = _LIMITS.unpack_from(data, _LIMITS_AT)
        if dim != self._base.dim:
            raise DeliveryError(f"`{board}`: a head of {dim} dimensions, not of {self._base.dim}")
        if samples > self._board_samples:
            raise DeliveryError(
                f"`{board}`: a head with room for {samples} samples, allowed are {self._board_samples}; "
                "make the board's head smaller, or raise `board_samples`"
            )

    def _entry(self, board: str, data: bytes, round: int) -> _Entry:
        if not data:
            return _Entry(round)
        try:
            head = Head.from_bytes(data)
        except HeadError as error:
            raise DeliveryError(f"`{board}`: {error}") from error
        if head.package_id != self._base.package_id or head.dim != self._base.dim:
            raise DeliveryError(
                f"`{board}`: embeddings of the package {head.package_id}, "
                f"not of {self._base.package_id}; give all boards one package"
            )
        shown = tuple((name, head.shown_of(name)) for name in head.classes)
        return _Entry(round, bytes(data), len(head), shown)

    def _check_room(self, board: str, entry: _Entry) -> None:
        base = self._base
        shown = {name: base.shown_of(name) for name in base.classes}
        samples = len(base) + entry.samples
        others = [other for name, other in self._entries.items() if name != board]
        samples += sum(other.samples for other in others)
        for other in [*others, entry]:
            for name, count in other.shown:
                shown[name] = shown.get(name, 0) + count
        classes, room = base.limits
        needed = (samples, len(shown), max(shown.values(), default=0))
        for count, limit, what in zip(
            needed, (room, classes, MOST_SHOWN), ("samples", "classes", "samples of one class")
        ):
            if count > limit:
                raise FullError(
                    f"with `{board}` {count} {what}, at most {limit} have room; make the fleet's head larger, "
                    "or let boards teach fewer"
                )

    def _store(self, board: str, entry: _Entry) -> None:
        self._entries[board] = entry
        if self._folder is None:
            return
        state = "head" if entry.data else "gone"
        name = f"{board}@{entry.round}.{state}"
        _write(self._folder / name, entry.data)
        for path in self._folder.iterdir():
            match = _FILE.fullmatch(path.name)
            if match and match["board"] == board and path.name != name:
                path.unlink(missing_ok=True)
        _sync(self._folder)

    @contextmanager
    def _current(self) -> Iterator[None]:
        """Holds the folder's lock, with what is in it."""
        if self._folder is None:
            yield
            return
        with open(self._folder / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._load(self._folder)
            yield

    def _load(self, folder: Path) -> None:
        names = os.listdir(folder)
        self._withdrawn = {name[: -len(".withdrawn")] for name in names if name.endswith(".withdrawn")}
        found: dict[str, tuple[int, bool, str]] = {}
        for name in names:
            if match := _FILE.fullmatch(name):
                # Of one round both are there only if a withdrawal was cut short.
                key = (int(match["round"]), match["state"] == "gone", name)
                found[match["board"]] = max(found.get(match["board"], key), key)
        entries: dict[str, _Entry] = {}
        for board, (round, gone, name) in found.items():
            known = self._entries.get(board)
            gone = gone or board in self._withdrawn
            if known is not None and known.round == round and bool(known.data) != gone:
                entries[board] = known
            else:
                data = b"" if gone else (folder / name).read_bytes()
                entries[board] = self._entry(board, data, round)
        self._entries = entries
        if "round" in names:
            self._round = int((folder / "round").read_bytes())


def _check_name(board: str) -> None:
    if not _NAME.fullmatch(board):
        raise DeliveryError(
            f"the name {board!r} of a board; allowed are 1 to 64 letters, digits, dots, hyphens and "
            "underscores, a letter or digit first"
        )


def _write(path: Path, data: bytes) -> None:
    """Writes a file that is complete or not there."""
    fresh = path.with_name(path.name + ".new")
    with open(fresh, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Makes names of files durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
