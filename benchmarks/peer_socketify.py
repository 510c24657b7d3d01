"""A peer in C++: uWebSockets, with handlers in Python by socketify.

It speaks only the part of Socket.IO that the load needs, without pings, to show the limit of a
compiled server with handlers in Python. Its handlers are equivalent to those of `peer.mjs`.
"""

import json
import re
import time
from collections import Counter
from typing import Any

from socketify import App, OpCode

from nochat.local.processes import free_port

HANDSHAKE = (
    '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
)

_app = App()
_positions: Counter[str] = Counter()  # of the last message, by room


def _upgrade(response: Any, request: Any, context: Any) -> None:
    found = re.search(r"nochat_session_\d+=([\w-]+)", request.get_header("cookie") or "")
    header = request.get_header
    response.upgrade(
        header("sec-websocket-key"),
        header("sec-websocket-protocol"),
        header("sec-websocket-extensions"),
        context,
        {"user": found[1] if found else ""},
    )


def _open(socket: Any) -> None:
    socket.send(HANDSHAKE, OpCode.TEXT)


def _take(socket: Any, packet: str, opcode: Any) -> None:
    user = socket.get_user_data()["user"]
    if packet == "40":
        socket.subscribe(user)
        socket.send('40{"sid":"a"}', OpCode.TEXT)
        socket.send(f'42["welcome",{json.dumps({"user": user})}]', OpCode.TEXT)
        return
    number, bracket, rest = packet[2:].partition("[")
    _, message = json.loads(bracket + rest)
    room = message["room"]
    _positions[room] += 1
    entry = {"type": "message.sent", "at": time.time(), "room": room, "sender": user}
    entry |= {"position": _positions[room], "client_id": message["client_id"]}
    event = ["entries", {"room": room, "entries": [entry | {"text": message["text"]}]}]
    _app.publish(room, "42" + json.dumps(event, separators=(",", ":")), OpCode.TEXT)
    socket.send(f"43{number}[{{}}]", OpCode.TEXT)


def main() -> None:
    """Serve until SIGTERM."""
    port = free_port()
    _app.ws("/*", {"upgrade": _upgrade, "open": _open, "message": _take})
    _app.listen(port, lambda _: print(f"peer: http://127.0.0.1:{port}", flush=True))
    _app.run()


if __name__ == "__main__":
    main()
