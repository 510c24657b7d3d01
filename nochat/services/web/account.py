"""The calls for one's own account: sessions, deletion, export."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import StreamingResponse

from nochat.errors import RequestFailed
from nochat.protocol import reasons
from nochat.protocol.requests import DeleteAccount, EndSessions, GetSessions, SessionInfo
from nochat.runtime.rate_limits import ConcurrencyLimit, Limit
from nochat.services.web import export
from nochat.services.web.rest import Call, Caller, Empty, Limits, NotAllowed
from nochat.settings import Settings

EXPORTS = 1 / 120  # exports per second of one user …
AT_ONCE = 360.0  # … and seconds worth of them at once


class SessionList(msgspec.Struct, frozen=True):
    """One's sessions, the newest first."""

    sessions: list[SessionInfo]


class Confirmation(msgspec.Struct, frozen=True):
    """The current password, before an irreversible step."""

    password: Annotated[str, Meta(max_length=256)]


class OwnAccount:
    """The calls for one's own account.

    Args:
        settings: the chat's settings.
        attempts: the limits on attempts at passwords.
    """

    def __init__(self, settings: Settings, attempts: Limits) -> None:
        self._attempts = attempts
        self._limit = Limit(EXPORTS if settings.user_rate else 0, AT_ONCE)
        self._exporting = ConcurrencyLimit(1)
        self.calls = [
            Call("GET", "/api/sessions", _sessions, gives=SessionList),
            Call("POST", "/api/sessions/end-others", _end_others),
            Call("POST", "/api/sessions/{session}/end", _end, refuses=(404,)),
            Call("POST", "/api/account/delete", self._delete, Confirmation, refuses=(409, 429)),
            Call("GET", "/api/account/export", self._export, gives=export.Export, refuses=(429,)),
        ]

    async def _delete(self, caller: Caller, sent: Confirmation) -> Empty:
        """Delete one's own account; its messages stay, anonymized."""
        self._attempts.check(caller, caller.session.user)
        await caller.bus.request(DeleteAccount(token=caller.token, password=sent.password))
        caller.cookie = ""
        return Empty()

    async def _export(self, caller: Caller, _: Empty) -> StreamingResponse:
        """Export all of one's own stored data, as one JSON document."""
        pieces = self._alone(caller)
        first = await anext(pieces)  # refusals come before the answer starts
        headers = {"Content-Disposition": 'attachment; filename="nochat.json"'}
        body = _continued(first, pieces)
        return StreamingResponse(body, headers=headers, media_type="application/json")

    async def _alone(self, caller: Caller) -> AsyncIterator[bytes]:
        """Export a user's data, one export at a time."""
        user = caller.session.user
        if not self._exporting.enter(user):
            raise NotAllowed(429, reasons.export_running(5), 5)
        try:
            if wait := self._limit.wait(user):
                raise NotAllowed(429, reasons.export_too_many(wait), wait)
            async for piece in export.pieces(user, caller.token, caller.bus):
                yield piece
        finally:
            self._exporting.leave(user)


async def _continued(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _sessions(caller: Caller, _: Empty) -> SessionList:
    """List one's own sessions."""
    answer = await caller.bus.request(GetSessions(token=caller.token))
    return SessionList(answer.sessions)


async def _end(caller: Caller, _: Empty) -> Empty:
    """End one of one's own sessions."""
    asked = EndSessions(token=caller.token, session=caller.path["session"])
    try:
        await caller.bus.request(asked)
    except RequestFailed as error:
        raise NotAllowed(404, error.reason) from None
    return Empty()


async def _end_others(caller: Caller, _: Empty) -> Empty:
    """End all of one's own sessions except this one."""
    await caller.bus.request(EndSessions(token=caller.token))
    return Empty()
