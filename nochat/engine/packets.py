"""Socket.IO 5 packets in Engine.IO 4: each is encoded once for all its recipients.

Sources: https://socket.io/docs/v4/socket-io-protocol/ and .../engine-io-protocol/.
"""

import base64
import json
from typing import Any, NamedTuple

import orjson

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
MOST_ATTACHMENTS = 100  # of one packet that a client sends
SEPARATOR = b"\x1e"  # between packets in the body of a request of long polling


class Outgoing:
    """An Engine.IO packet that is ready to be sent, to any number of clients.

    Attributes:
        data: the packet in the form for long polling.
        frame: the packet as a websocket frame; servers do not mask, so all clients get the same.
    """

    __slots__ = ("data", "frame")

    def __init__(self, packet: bytes, *, binary: bool = False) -> None:
        self.data = b"b" + base64.b64encode(packet) if binary else packet
        length, opcode = len(packet), 0x82 if binary else 0x81
        if length < 126:
            header = bytes((opcode, length))
        elif length < 65536:
            header = bytes((opcode, 126)) + length.to_bytes(2)
        else:
            header = bytes((opcode, 127)) + length.to_bytes(8)
        self.frame = header + packet


class Packet(NamedTuple):
    """A Socket.IO packet that a client sent."""

    type: int
    namespace: str
    id: int | None
    data: Any


def encode(type_: int, namespace: str, data: Any = None, id: int | None = None) -> list[Outgoing]:
    """Encode a Socket.IO packet, with the bytes in its data as attachments.

    Raises:
        TypeError: a value in the data can't be encoded as JSON.
    """
    attachments: list[bytes] = []

    def attach(value: object) -> dict[str, Any]:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"{type(value).__name__} can't be sent: it has no JSON")
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}

    try:
        body = b"" if data is None else orjson.dumps(data, default=attach)
    except orjson.JSONEncodeError:  # large integers, keys that are not strings, lone surrogates
        attachments.clear()
        body = json.dumps(data, default=attach, separators=(",", ":")).encode()
    if attachments:
        type_ += BINARY_EVENT - EVENT
    count = f"{len(attachments)}-" if attachments else ""
    to = "" if namespace == "/" else f"{namespace},"
    head = f"4{type_}{count}{to}{'' if id is None else id}"
    encoded = [Outgoing(head.encode() + body)]
    for attachment in attachments:
        encoded.append(Outgoing(attachment, binary=True))
    return encoded


def _read(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # a lone surrogate
        return json.loads(text, parse_int=_number)


def decode(text: bytes) -> tuple[Packet, int]:
    """Decode a Socket.IO packet; return it with the number of attachments that follow.

    Raises:
        ValueError: it is malformed.
    """
    type_, at, attachments, namespace, id_ = text[0] - 48 if text else -1, 1, 0, "/", None
    if not 0 <= type_ <= BINARY_ACK:
        raise ValueError("unknown type of packet")
    if type_ >= BINARY_EVENT:
        dash = text.index(b"-")
        attachments, at = _number(text[1:dash]), dash + 1
        if not 0 < attachments <= MOST_ATTACHMENTS:
            raise ValueError("wrong number of attachments")
    if text[at : at + 1] == b"/":
        comma = text.find(b",", at)
        end = len(text) if comma < 0 else comma
        namespace, at = text[at:end].decode().partition("?")[0], end + 1
    begin = at
    while at < len(text) and 48 <= text[at] <= 57:
        at += 1
    if at > begin:
        id_ = _number(text[begin:at])
    packet = Packet(type_, namespace, id_, _read(text[at:]) if text[at:] else None)
    _check(packet)
    return packet, attachments


def _number(digits: bytes | str) -> int:
    if len(digits) > 15:
        raise ValueError("a number is too long")
    return int(digits)


def _check(packet: Packet) -> None:
    match packet.type, packet.data:
        case (0, None | dict()) | (1, None):
            fine = True
        case (2 | 5, [str() | int() as name, *_]):
            fine = not isinstance(name, bool)
        case (3 | 6, list()):
            fine = packet.id is not None
        case _:
            fine = False
    if not fine:
        raise ValueError("a packet without what its type needs")


def assemble(data: Any, attachments: list[bytes]) -> Any:
    """Replace the placeholders in a packet's data by its attachments.

    Raises:
        ValueError: there is no attachment of a placeholder's number.
    """
    if isinstance(data, list):
        return [assemble(value, attachments) for value in data]
    if isinstance(data, dict):
        if data.get("_placeholder") is True:
            number = data.get("num")
            if not isinstance(number, int) or not 0 <= number < len(attachments):
                raise ValueError("no such attachment")
            return attachments[number]
        return {key: assemble(value, attachments) for key, value in data.items()}
    return data
