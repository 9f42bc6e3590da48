"""Heads of a fleet's boards, merged exactly, by Flower.

A board sends its head, never an image; the server keeps each board's newest head and sends back the head that is
taught the samples of all. ``Contributions`` is the server's memory, ``MergeHeads`` Flower's strategy on it,
``client_app`` and ``server_app`` are the programs of board and server.
"""

from __future__ import annotations

from ._board import Board, board_of, client_app
from ._contributions import Contributions
from ._errors import ConflictError, DeliveryError, FullError, StaleError, WithdrawnError
from ._server import MergeHeads, by_board, by_node, server_app

__all__ = [
    "Board",
    "ConflictError",
    "Contributions",
    "DeliveryError",
    "FullError",
    "MergeHeads",
    "StaleError",
    "WithdrawnError",
    "board_of",
    "by_board",
    "by_node",
    "client_app",
    "server_app",
]
