"""A Socket.IO server for one process, optimized for broadcasts: docs/engine.md is its manual."""

from nochat.engine.guard import Guard, RequestRefused
from nochat.engine.server import ConnectionRefusedError, Server
from nochat.engine.take_over import TakeOver

__all__ = ["ConnectionRefusedError", "Guard", "RequestRefused", "Server", "TakeOver"]
