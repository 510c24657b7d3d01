"""The types of the fields that commands, events and requests share."""

from typing import Annotated, Literal

from msgspec import Meta

# Users' texts are validated on input, by the rules of `nochat.domain.text`; these types also
# accept texts that were stored under older rules.
#
# Patterns must mean the same in Python and in JSON Schema, which has JavaScript's regular
# expressions: `(?![\s\S])` is the end of the text, as `$` accepts a newline before it, and blanks
# are spelled out, as `\s` and `\w` match different characters.
BLANKS = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
UserName = Annotated[str, Meta(pattern=rf"^[^{BLANKS}/@<>]{{2,32}}(?![\s\S])")]
RoomId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}(?![\s\S])")]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]
ClientId = Annotated[str, Meta(min_length=1, max_length=64)]
# Numbers are bounded by what all parts support: JavaScript is exact up to here, MongoDB has 64
# bits, and JSON has neither infinity nor NaN, which bounds exclude.
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

MOST_TOKEN = 128  # characters of a session's token: longer ones are invalid

LOBBY = "lobby"
