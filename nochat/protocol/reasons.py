"""The catalogue of reasons for refusals and ended sessions, each with a stable code.

Services, REST calls and sockets send a reason with its code and its parameters: programs decide by
these, and the page has a sentence for each code in every language. The sentence here is for bots,
logs, and developers.

A new reason needs a line here, a line in `static/words/reasons-en.js`, and one in `reasons-es.js`.
Services of your own declare theirs in the same way.
"""

import inspect
import math
from typing import Annotated, Any, NamedTuple, Protocol, Self

from msgspec import Meta

UNSPECIFIED = "unspecified"
CODES = {"$ref": "#/components/schemas/Code"}

Param = Annotated[int, Meta(ge=0, le=2**53 - 1)] | str  # as wide as JavaScript's
Params = dict[str, Param]
Code = Annotated[str, Meta(extra_json_schema=CODES)]
CodeOrNone = Annotated[str, Meta(extra_json_schema={"anyOf": [CODES, {"const": ""}]})]


class Reason(NamedTuple):
    """A reason: its code, its parameters, and the English sentence."""

    code: str
    params: Params
    sentence: str

    def __str__(self) -> str:
        return self.sentence

    @classmethod
    def of(cls, told: "HasReason") -> Self:
        """Return the reason in an event or a reply."""
        return cls(told.code, told.params, told.reason)

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields in commands, events and replies."""
        return {"reason": self.sentence, "code": self.code, "params": self.params}

    @property
    def answer(self) -> dict[str, Any]:
        """Its fields in an answer to a client."""
        return {"error": self.sentence, "code": self.code, "params": self.params}


class HasReason(Protocol):
    """An event or a reply with a reason."""

    @property
    def code(self) -> str:
        """Its code."""

    @property
    def params(self) -> Params:
        """Its parameters."""

    @property
    def reason(self) -> str:
        """Its sentence."""


class Declared:
    """An entry of the catalogue; a call with its parameters returns the reason.

    Args:
        code: the stable code, in the form `subject.what`.
        sentence: the English sentence, with the parameters in braces.
    """

    def __init__(self, code: str, sentence: str) -> None:
        if code in CATALOGUE:
            raise ValueError(f"there are two reasons of the code {code!r}; choose another code")
        self.code, self.sentence = code, sentence
        CATALOGUE[code] = self

    @property
    def params(self) -> dict[str, type]:
        """The parameters' types, by name."""
        signature = inspect.signature(type(self).__call__)
        return {
            parameter.name: parameter.annotation
            for parameter in signature.parameters.values()
            if parameter.name != "self"
        }

    def _reason(self, **params: Param) -> Reason:
        return Reason(self.code, params, self.sentence.format(**params))


CATALOGUE: dict[str, Declared] = {}


class PlainReason(Declared):
    """A reason without parameters."""

    def __call__(self) -> Reason:
        """Return the reason."""
        return self._reason()


class BoundReason(Declared):
    """A reason with a bound: a size or number exceeds it."""

    def __call__(self, most: int) -> Reason:
        """Return the reason."""
        return self._reason(most=most)


class WaitReason(Declared):
    """A reason to wait, with the whole seconds until a retry."""

    def __call__(self, wait: float) -> Reason:
        """Return the reason."""
        return self._reason(wait=math.ceil(wait))


class LongWaitReason(Declared):
    """A reason to wait for minutes, which no client does."""

    def __call__(self, minutes: int) -> Reason:
        """Return the reason."""
        return self._reason(minutes=minutes)


class PartReason(Declared):
    """A failure of a part of the chat: a service, or the bus."""

    def __call__(self, part: str) -> Reason:
        """Return the reason."""
        return self._reason(part=part)


class TimeoutReason(Declared):
    """A timeout: a part of the chat did not answer within some seconds."""

    def __call__(self, part: str, seconds: float) -> Reason:
        """Return the reason."""
        return self._reason(part=part, seconds=math.ceil(seconds))


class DetailReason(Declared):
    """A reason with a detail in English, for developers."""

    def __call__(self, detail: str) -> Reason:
        """Return the reason."""
        return self._reason(detail=detail)


unspecified = PlainReason(UNSPECIFIED, "the chat refuses this without a reason")

# ---- accounts -----------------------------------------------------------------------------------

user_unknown = PlainReason("user.unknown", "there is no such user")
name_taken = PlainReason("name.taken", "this name is taken; choose another")
registration_closed = PlainReason(
    "registration.closed", "registration is closed; ask whoever runs this chat for an account"
)
name_length = BoundReason("name.length", "a name has 2 to {most} characters")
name_too_long = BoundReason("name.too-long", "a name has at most {most} characters")
name_form = PlainReason(
    "name.form", "a name begins with a letter or digit; then letters, digits and . _ - follow"
)
password_weak = PlainReason(
    "password.weak", "this password is easy to guess; choose another, such as three or four words"
)
password_wrong = PlainReason("password.wrong", "this is not your present password")
log_in_wrong = PlainReason("log-in.wrong", "wrong name or password")
log_in_needed = PlainReason("log-in.needed", "log in first")
log_in_busy = PlainReason("log-in.busy", "many people are logging in at this moment; try again")
account_banned = PlainReason("account.banned", "this account is banned")
account_deleted = PlainReason("account.deleted", "this account was deleted")
account_last_manager = PlainReason(
    "account.last-manager", "you are the only manager; make somebody else one first"
)
account_own = PlainReason("account.own", "you can't change your own role or ban yourself")
manager_needed = PlainReason("manager.needed", "only managers may do this")
session_unknown = PlainReason("session.unknown", "there is no such session")
session_over = PlainReason("session.over", "the session is over")
session_ended_elsewhere = PlainReason("session.ended-elsewhere", "from another session")
session_password_changed = PlainReason("session.password-changed", "the password was changed")
token_needed = PlainReason("token.needed", "send a token of yours, as Authorization: Bearer TOKEN")
token_unknown = PlainReason("token.unknown", "there is no such token")
token_too_many = BoundReason("token.too-many", "you have {most} tokens; revoke one first")
export_running = WaitReason("export.running", "an export is already running; wait {wait} s")
export_too_many = WaitReason("export.too-many", "too many exports; wait {wait} s")

# ---- rooms --------------------------------------------------------------------------------------

room_unknown = PlainReason("room.unknown", "there is no such room")
room_taken = PlainReason("room.taken", "a room with this name already exists")
room_id = PlainReason(
    "room.id", "the id of a room has 1 to 40 characters: a to z, 0 to 9, and - after the first"
)
room_private_id = PlainReason(
    "room.private-id", "the id of a private room ends in - and 16 random hexadecimal digits"
)
room_banned = PlainReason("room.banned", "you are banned from this room")
room_muted = PlainReason("room.muted", "you are muted in this room")
room_members_only = PlainReason("room.members-only", "only members of the room may do this")
room_moderators_only = PlainReason(
    "room.moderators-only", "only the room's owner or a manager may do this"
)
room_owner = PlainReason("room.owner", "the room's owner can't be moderated")
room_user_banned = PlainReason("room.user-banned", "this user is banned from the room")
room_user_absent = PlainReason("room.user-absent", "this user is not in the room")
room_lobby = PlainReason("room.lobby", "the lobby can't be deleted")
direct_other_pair = PlainReason("direct.other-pair", "this is another pair's room")
direct_leave = PlainReason("direct.leave", "a direct room can't be left")
direct_full = PlainReason("direct.full", "a direct room can't have a third member")
title_empty = PlainReason("title.empty", "a title needs a visible character")
title_control = PlainReason(
    "title.control", "a title can't have characters that control text or its direction"
)
title_too_long = BoundReason("title.too-long", "a title has at most {most} characters")

# ---- messages -----------------------------------------------------------------------------------

message_unknown = PlainReason("message.unknown", "there is no such message")
message_empty = PlainReason("message.empty", "a message needs a visible character")
message_too_long = BoundReason("message.too-long", "a message has at most {most} characters")
message_edit = PlainReason("message.edit", "only its sender may change a message")
message_delete = PlainReason(
    "message.delete", "only its sender, the room's owner or a manager may delete a message"
)
message_future = PlainReason(
    "message.future", "the message's id has a time in the future; take the time from the chat"
)
message_client_id = PlainReason(
    "message.client-id", "`client_id` has 1 to 64 characters, all of them printable ASCII"
)
reaction_form = PlainReason("reaction.form", "a reaction is an emoji, or a short word")
reaction_too_long = BoundReason("reaction.too-long", "a reaction has at most {most} characters")
reaction_own_too_many = PlainReason(
    "reaction.own-too-many", "you have many reactions to this message; remove one first"
)
reaction_too_many = PlainReason(
    "reaction.too-many", "this message has many reactions; choose one of them"
)
search_empty = PlainReason("search.empty", "a search needs a word")
search_too_long = BoundReason("search.too-long", "a search has at most {most} characters")
search_slow = PlainReason("search.slow", "this search takes too long; use rarer words")
search_slow_everywhere = PlainReason(
    "search.slow-everywhere", "this search takes too long; use rarer words, or one room"
)
text_half = PlainReason("text.half", "this text contains half a character; write it again")
text_not_stored = PlainReason(
    "text.not-stored", "this can't be stored: it is too long, or has odd characters"
)

# ---- too much -----------------------------------------------------------------------------------

rate_actions = WaitReason("rate.actions", "too fast; wait {wait} s")
rate_requests = WaitReason("rate.requests", "too many requests; wait {wait} s")
rate_at_once = WaitReason("rate.at-once", "too many requests at once; wait {wait} s")
rate_attempts = WaitReason("rate.attempts", "too many attempts; wait {wait} s")
rate_rooms = LongWaitReason(
    "rate.rooms", "you have made many rooms; the next one can be made in {minutes} min"
)
rate_invitations = LongWaitReason(
    "rate.invitations", "you have invited many people; the next can be invited in {minutes} min"
)

# ---- requests and connections -------------------------------------------------------------------

request_shape = DetailReason("request.shape", "the data are malformed: {detail}")
request_json = DetailReason("request.json", "this is not JSON: {detail}")
request_type = PlainReason("request.type", "send JSON, as application/json")
request_incomplete = PlainReason("request.incomplete", "the request is incomplete")
request_too_large = BoundReason("request.too-large", "the request is over {most} bytes")
request_foreign = PlainReason("request.foreign", "this page may not post here")
request_host = PlainReason(
    "request.host",
    "the chat does not serve this host: open it by its address or as localhost, or name "
    "the host in NOCHAT_HOSTS",
)
request_address = DetailReason("request.address", "nothing answers this: {detail}")
request_dropped = DetailReason("request.dropped", "this can't be answered: {detail}")
letter_unknown = PlainReason("letter.unknown", "this dead letter no longer exists")
letter_queue = PlainReason("letter.queue", "its queue no longer exists; discard it")
socket_closed = PlainReason("socket.closed", "not connected")
socket_unavailable = PlainReason("socket.unavailable", "unavailable")
socket_other_user = PlainReason("socket.other-user", "another user")
socket_too_many = PlainReason("socket.too-many", "too many windows")
socket_address = PlainReason("socket.address", "too many sockets from one address")
socket_protocol = DetailReason("socket.protocol", "this is not a connection to the chat: {detail}")
socket_jsonp = PlainReason("socket.jsonp", "the chat does not speak JSONP")
socket_stolen = PlainReason("socket.stolen", "this connection is another session's")

# ---- the chat itself ----------------------------------------------------------------------------

unavailable = PartReason(
    "chat.unavailable",
    "a part of the chat does not answer now; try again in a moment ({part})",
)
timed_out = TimeoutReason(
    "chat.timed-out",
    "a part of the chat did not answer in {seconds} s; try again in a moment ({part})",
)
failed = PlainReason("chat.failed", "the chat failed at this; its log says why")
service_failed = PartReason("service.failed", "{part} failed; its log says why")
service_unable = PartReason("service.unable", "{part} does not handle it")
answer_unread = PlainReason("answer.unread", "the answer can't be read; the log says why")
answer_unsent = PlainReason("answer.unsent", "the answer can't be sent; the log says why")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a code: all codes, with their sentences and parameters."""
    return {
        "title": "Code",
        "type": "string",
        "description": "Why the chat says no, for programs; `params` has what the braces name.",
        "oneOf": [_entry(reason) for reason in CATALOGUE.values()],
    }


def _entry(declared: Declared) -> dict[str, Any]:
    names = {int: "integer", float: "integer", str: "string"}  # seconds are told as whole ones
    params = {name: {"type": names[kind]} for name, kind in declared.params.items()}
    entry: dict[str, Any] = {"const": declared.code, "description": declared.sentence}
    return entry | ({"x-params": params} if params else {})
