"""Client ids that tell when they were made, so that most messages are known to be new by them.

A client gives each message an id of its own, which makes a retry harmless: a room takes an id of a
sender once. Any 1 to 64 characters of printable ASCII will do. One of this form is cheaper for the
chat: `t`, the milliseconds since 1970 as 12 hexadecimal digits, `-`, and at least 16 random ones.
Its time is the chat's, which the `welcome` tells, and not the writer's clock.
"""

import re
import time

from nochat.protocol.envelope import new_id

FORM = re.compile(r"t([0-9a-f]{12})-[0-9a-f]{16,}", re.ASCII)
AHEAD = 5.0  # seconds that an id's time may be ahead of the chat's


def new_client_id() -> str:
    """Return an id for a message that is made now."""
    return f"t{int(time.time() * 1000):012x}-{new_id()[:20]}"


def made_at(client_id: str) -> float | None:
    """Return when an id was made, in seconds since 1970; None where it does not tell."""
    match = FORM.fullmatch(client_id)
    return int(match[1], 16) / 1000 if match else None
