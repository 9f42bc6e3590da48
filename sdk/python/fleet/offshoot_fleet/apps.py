"""The two programs that ``pyproject.toml`` names for ``flwr run``."""

from __future__ import annotations

from ._board import client_app
from ._server import server_app

client = client_app()
server = server_app()
