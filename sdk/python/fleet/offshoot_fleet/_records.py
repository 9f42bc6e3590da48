"""Heads in Flower's records."""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord, Message
from offshoot import Head

HEAD = "head"
"""Name of the only array of an ``ArrayRecord``, and of the bytes in a ``ConfigRecord``."""
ROUND = "round"
BOARD = "board"
CONFIG = "config"
ARRAYS = "arrays"
METRICS = "metrics"


def arrays_of(head: Head) -> ArrayRecord:
    """Returns a head as Flower's arrays: one of bytes."""
    return ArrayRecord({HEAD: Array(np.frombuffer(head.to_bytes(), np.uint8))})


def bytes_of(arrays: ArrayRecord) -> bytes:
    """Returns the bytes of a head that ``arrays_of`` made."""
    return arrays[HEAD].numpy().tobytes()


def config_of(message: Message, name: str, kind: type) -> object:
    """Returns a value of the message's configuration, or ``None`` if it is of another type or not there."""
    config = message.content.config_records.get(CONFIG)
    value = None if config is None else config.get(name)
    return value if isinstance(value, kind) else None
