"""Program of a board: delivers its head, and installs the merged one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from offshoot import Extractor, Head, InputError

from ._records import ARRAYS, BOARD, CONFIG, HEAD, METRICS, ROUND, bytes_of, config_of


@dataclass(frozen=True)
class Board:
    """A board as its program sees it."""

    name: str
    """Name in the fleet, which no other board has."""
    head: Path
    """Head file with the board's own samples; absent: it has none. Only read."""
    merged: Path
    """File that the merged head is written to. Never the same as ``head``: what comes back must not be delivered
    again as the board's own."""
    package: Optional[Path] = None
    """Package of the board; with it a merged head of another package is refused before it is written."""

    def __post_init__(self) -> None:
        if self.head.resolve() == self.merged.resolve():
            raise InputError(
                f"{self.head} is both the board's own head and the merged one; give `merged` a file of its own"
            )

    def delivery(self) -> bytes:
        """Returns the bytes of the board's own head, checked; none if it has no samples."""
        if not self.head.exists():
            return b""
        head = Head.load(self.head)
        return head.to_bytes() if len(head) else b""

    def install(self, data: bytes) -> Head:
        """Writes the merged head; the file is the former one or this one."""
        if self.package is None:
            head = Head.from_bytes(data)
        else:
            head = Head.from_bytes(data, Extractor(self.package))
        head.save(self.merged)
        return head


def board_of(context: Context) -> Board:
    """Returns the board of a SuperNode's ``--node-config``: ``board``, ``head``, ``merged`` and perhaps ``package``.

    Raises ``InputError`` if one is missing.
    """
    config = context.node_config
    lacks = [key for key in ("board", "head", "merged") if not isinstance(config.get(key), str)]
    if lacks:
        raise InputError(
            f"no {' and no '.join(lacks)} in the SuperNode's configuration; start it with "
            "--node-config 'board=\"NAME\" head=\"PATH\" merged=\"PATH\"'"
        )
    package = config.get("package")
    return Board(
        name=str(config["board"]),
        head=Path(str(config["head"])),
        merged=Path(str(config["merged"])),
        package=None if package is None else Path(str(package)),
    )


def client_app(board: Callable[[Context], Board] = board_of) -> ClientApp:
    """Makes the program of a board, which ``board`` describes.

    Flower's message "train" is a request for the board's head, "evaluate" brings the merged one. No training runs
    on the board: a head is fitted by whoever opens it, and comes out the same everywhere.
    """
    app = ClientApp()

    @app.train()
    def deliver(message: Message, context: Context) -> Message:
        own = board(context)
        number = config_of(message, ROUND, int)
        if not isinstance(number, int):
            raise InputError("a request without a round; the server runs another program")
        answer = ConfigRecord({BOARD: own.name, ROUND: number, HEAD: own.delivery()})
        return Message(RecordDict({CONFIG: answer}), reply_to=message)

    @app.evaluate()
    def install(message: Message, context: Context) -> Message:
        head = board(context).install(bytes_of(message.content.array_records[ARRAYS]))
        metrics = MetricRecord({"samples": len(head), "classes": len(head.classes)})
        return Message(RecordDict({METRICS: metrics}), reply_to=message)

    return app
