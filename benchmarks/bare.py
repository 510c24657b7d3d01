"""A Socket.IO server in Python equivalent to `peer.mjs`: our engine, or python-socketio.

python -m benchmarks.bare nochat|python-socketio
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import socketio
import uvicorn
import uvloop

from nochat import engine
from nochat.local.processes import free_port

KINDS = ("nochat", "python-socketio")

_positions: Counter[str] = Counter()  # of the last message, by room


def _user(environ: dict[str, Any]) -> str:
    """Return the user of a session's cookie, whose token is the user's name."""
    headers = dict(environ["asgi.scope"]["headers"])
    cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin1"))
    found = [cookies[name].value for name in cookies if name.startswith("nochat_session_")]
    return found[0] if found else ""


def _entries(user: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return the packet of a message for all in its room."""
    room = message["room"]
    _positions[room] += 1
    entry = {
        "type": "message.sent",
        "at": time.time(),
        "room": room,
        "position": _positions[room],
        "sender": user,
        "client_id": message["client_id"],
        "text": message["text"],
    }
    return {"room": room, "entries": [entry]}


def _ours() -> tuple[Any, dict[str, Any]]:
    """Create a server of our engine, with plain functions as handlers, as on Node."""
    server = engine.Server()
    users: dict[str, str] = {}

    def connect(sid: str, environ: dict[str, Any]) -> bool:
        users[sid] = user = _user(environ)
        server.namespaces["/"].enter(sid, user)
        asyncio.get_running_loop().call_soon(server.send_event, "welcome", {"user": user}, sid)
        return bool(user)

    def message(sid: str, data: dict[str, Any]) -> dict[str, Any]:
        server.send_event("entries", _entries(users[sid], data), data["room"])
        return {}

    _register(server, connect, message, users)
    return server, {"ws": engine.TakeOver}


def _stock() -> tuple[Any, dict[str, Any]]:
    """Create a server of python-socketio, as in its documentation."""
    server = socketio.AsyncServer(async_mode="asgi")
    users: dict[str, str] = {}

    async def connect(sid: str, environ: dict[str, Any]) -> bool:
        users[sid] = user = _user(environ)
        await server.enter_room(sid, user)
        # After the handler: the CONNECT packet goes first.
        server.start_background_task(server.emit, "welcome", {"user": user}, to=sid)
        return bool(user)

    async def message(sid: str, data: dict[str, Any]) -> dict[str, Any]:
        await server.emit("entries", _entries(users[sid], data), room=data["room"])
        return {}

    _register(server, connect, message, users)
    return socketio.ASGIApp(server), {}


def _register(
    server: Any, connect: Callable[..., Any], message: Callable[..., Any], users: dict[str, str]
) -> None:
    server.on("connect", connect)
    server.on("message", message)
    server.on("disconnect", lambda sid: users.pop(sid, None))


class _Server(uvicorn.Server):
    """A server that prints its address."""

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then print the address."""
        await super().startup(sockets)
        print(f"bare: http://127.0.0.1:{self.config.port}", flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    app, options = {"nochat": _ours, "python-socketio": _stock}[sys.argv[1]]()
    config = uvicorn.Config(
        app, "127.0.0.1", free_port(), lifespan="off", log_level="warning", loop="none", **options
    )
    uvloop.run(_Server(config).serve())


if __name__ == "__main__":
    main()
