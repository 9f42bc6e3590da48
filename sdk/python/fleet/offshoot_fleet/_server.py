"""Program of the server: Flower's strategy that keeps and merges heads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from logging import INFO, WARNING, getLogger
from pathlib import Path
from typing import Optional

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy
from offshoot import Head, InputError

from ._contributions import Contributions
from ._errors import DeliveryError
from ._records import ARRAYS, BOARD, CONFIG, HEAD, METRICS, ROUND, arrays_of, config_of

# Flower's own, which `flwr run --stream` shows.
_log = getLogger("flwr")


def by_board(message: Message) -> str:
    """Returns the name that a board gives itself. Any board that the SuperLink admits can use any name."""
    name = config_of(message, BOARD, str)
    if not isinstance(name, str):
        raise DeliveryError("a reply without the board's name; the board runs another program")
    return name


def by_node(message: Message) -> str:
    """Returns a name of the SuperNode's id, which belongs to its key where the SuperLink authenticates nodes."""
    return f"node-{message.metadata.src_node_id}"


class MergeHeads(Strategy):
    """Strategy that asks all boards for their heads, merges them, and sends the merged head to all.

    Boards may come and go: those that do not answer stay with what they gave before. A delivery that is refused
    changes nothing; it is logged and counted.

    Parameters
    ----------
    contributions
        Memory of what each board gave.
    name
        Identity of a reply's board: ``by_board``, or ``by_node`` where the SuperLink authenticates nodes.
    min_boards
        Number of connected boards to wait for before each round.
    """

    def __init__(
        self,
        contributions: Contributions,
        *,
        name: Callable[[Message], str] = by_board,
        min_boards: int = 1,
    ) -> None:
        self.contributions = contributions
        self._name = name
        self._min_boards = min_boards
        self._round = 0

    def summary(self) -> None:
        """Logs whose samples are there already."""
        boards = self.contributions.boards
        _log.log(INFO, "merging heads; there are samples of %d boards: %s", len(boards), ", ".join(boards))

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Asks every connected board for its head."""
        # Not Flower's number, which starts at 1 with every run.
        self._round = self.contributions.next_round()
        content = RecordDict({CONFIG: ConfigRecord({**config, ROUND: self._round})})
        return self._to_all(content, MessageType.TRAIN, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord]:
        """Takes the heads that came, and merges those of all boards."""
        counts = {"taken": 0, "repeated": 0, "refused": 0, "failed": 0}
        # In an order that does not depend on the network, for two nodes that use one name.
        for reply in sorted(replies, key=lambda reply: reply.metadata.src_node_id):
            counts[self._take(reply)] += 1
        head = self.contributions.merged()
        counts["boards"] = len(self.contributions.boards)
        counts["samples"] = len(head)
        return arrays_of(head), MetricRecord(dict(counts))

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Sends the merged head to every connected board."""
        content = RecordDict({ARRAYS: arrays, CONFIG: ConfigRecord({**config, ROUND: self._round})})
        return self._to_all(content, MessageType.EVALUATE, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord:
        """Counts the boards that have the merged head."""
        counts = {"installed": 0, "failed": 0}
        for reply in replies:
            if reply.has_error():
                _log.log(WARNING, "node %d: %s", reply.metadata.src_node_id, reply.error.reason)
            installed = not reply.has_error() and METRICS in reply.content.metric_records
            counts["installed" if installed else "failed"] += 1
        return MetricRecord(dict(counts))

    def _take(self, reply: Message) -> str:
        """Takes one delivery; returns what became of it."""
        node = reply.metadata.src_node_id
        if reply.has_error():
            _log.log(WARNING, "node %d: %s", node, reply.error.reason)
            return "failed"
        try:
            number = config_of(reply, ROUND, int)
            data = config_of(reply, HEAD, bytes)
            if not isinstance(number, int) or not isinstance(data, bytes):
                raise DeliveryError("a reply without round and head; the board runs another program")
            # A board cannot make its deliveries newer than the server's time.
            if number > self._round:
                raise DeliveryError(f"round {number}, and this is {self._round}")
            taken = self.contributions.deliver(self._name(reply), data or None, number)
        except DeliveryError as error:
            _log.log(WARNING, "node %d: %s", node, error)
            return "refused"
        return "taken" if taken else "repeated"

    def _to_all(self, content: RecordDict, kind: str, grid: Grid) -> list[Message]:
        nodes = sorted(grid.get_node_ids())
        while len(nodes) < self._min_boards:
            _log.log(INFO, "%d boards are connected, waiting for %d", len(nodes), self._min_boards)
            time.sleep(2)
            nodes = sorted(grid.get_node_ids())
        return [Message(content, dst_node_id=node, message_type=kind) for node in nodes]


def server_app(contributions: Optional[Callable[[Context], Contributions]] = None) -> ServerApp:
    """Makes the program of the server. Its run config is that of ``pyproject.toml``.

    ``contributions`` makes the server's memory, of the run config by default.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        config = context.run_config
        memory = (contributions or _contributions_of)(context)
        strategy = MergeHeads(
            memory,
            name=by_node if config.get("by-node", False) else by_board,
            min_boards=int(config.get("min-boards", 1)),
        )
        strategy.start(
            grid,
            arrays_of(memory.merged()),
            num_rounds=int(config.get("rounds", 1)),
            timeout=float(config.get("timeout", 600)),
        )
        if path := config.get("merged"):
            memory.merged().save(str(path))

    return app


def _contributions_of(context: Context) -> Contributions:
    config = context.run_config
    lacks = [key for key in ("base", "folder") if not config.get(key)]
    if lacks:
        raise InputError(
            f"no {' and no '.join(lacks)} in the run config; flwr run . --run-config "
            "'base=\"base.head\" folder=\"fleet\"'"
        )
    return Contributions(
        Head.load(Path(str(config["base"]))),
        Path(str(config["folder"])),
        board_samples=int(config.get("board-samples", 1000)),
    )
