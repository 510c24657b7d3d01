"""The types of the fields that commands, events and requests share."""

from typing import Annotated, Literal

from msgspec import Meta

# What people write is checked where it comes in, by the rules of `nochat.domain.text`; these shapes
# also hold what was stored under older rules.
# Patterns are read alike by Python and by JSON Schema, whose regular expressions are JavaScript's:
# `(?![\s\S])` is the end of the text, as `$` lets a newline by, and blanks are spelled out, as `\s`
# and `\w` are not the same characters in both.
BLANKS = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
UserName = Annotated[str, Meta(pattern=rf"^[^{BLANKS}/@<>]{{2,32}}(?![\s\S])")]
RoomId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}(?![\s\S])")]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]
ClientId = Annotated[str, Meta(min_length=1, max_length=64)]
# Numbers are as wide as all can carry them on: JavaScript counts no further, MongoDB has 64 bits,
# and JSON has neither infinity nor NaN, which no bounds let by.
MOST = 2**53 - 1
Position = Annotated[int, Meta(ge=0, le=MOST)]
Count = Annotated[int, Meta(ge=0, le=MOST)]
Moment = Annotated[float, Meta(ge=0, le=253_402_300_800)]  # seconds since 1970, up to the year 9999
Seconds = Annotated[float, Meta(ge=0, le=MOST)]
Password = Annotated[str, Meta(min_length=8, max_length=256)]
Emoji = Annotated[str, Meta(pattern=rf"^[^{BLANKS}]{{1,16}}(?![\s\S])")]
Kind = Literal["public", "private", "direct"]
Role = Literal["user", "manager"]
Registration = Literal["open", "closed"]
Action = Literal["mute", "unmute", "kick", "ban", "unban"]

MOST_TOKEN = 128  # characters of a session's token: a longer one is nobody's

LOBBY = "lobby"
