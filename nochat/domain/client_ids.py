"""Client ids that contain their time of creation, which shows that most messages are new.

A client gives each message an id of its own, which makes a retry idempotent: a room accepts an id
of a sender once. Any 1 to 64 characters of printable ASCII are valid. One of this form is cheaper
for the chat: `t`, the milliseconds since 1970 as 12 hexadecimal digits, `-`, and at least 16 random
digits. The time is that of the chat's clock, which the `welcome` contains, not the sender's.
"""

import re
import time

from nochat.protocol.envelope import new_id

FORM = re.compile(r"t([0-9a-f]{12})-[0-9a-f]{16,}", re.ASCII)
AHEAD = 5.0  # seconds that an id's time may be ahead of the chat's


def new_client_id() -> str:
    """Return an id for a new message."""
    return f"t{int(time.time() * 1000):012x}-{new_id()[:20]}"


def made_at(client_id: str) -> float | None:
    """Return the time in an id, in seconds since 1970; None for ids of another form."""
    match = FORM.fullmatch(client_id)
    return int(match[1], 16) / 1000 if match else None
