"""REST calls as data, from which both the routes and the OpenAPI document are made."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from nochat.bus import Bus
from nochat.domain.text import identity
from nochat.errors import Busy, RequestFailed, Unavailable
from nochat.protocol import incoming, reasons
from nochat.protocol.fields import MOST_TOKEN, RoomId, UserName
from nochat.protocol.reasons import Code, Params, Reason
from nochat.protocol.requests import Session, WhoIs, WhoseToken
from nochat.runtime.instances import Watch
from nochat.runtime.origin import cookie_names
from nochat.runtime.rate_limits import Limit, address, retry_after
from nochat.services.web.browsers import described
from nochat.settings import Settings

log = logging.getLogger(__name__)

MOST_BYTES = 8192  # of a request's body
BURST = 5.0  # seconds worth of a user's calls that may come at once


class Empty(msgspec.Struct, frozen=True):
    """No fields."""


class Error(msgspec.Struct, frozen=True):
    """The reason of a refused call.

    `error` is an English sentence; programs should use `code`, with its parameters in `params`.
    """

    error: str
    code: Code
    params: Params = {}


@dataclass
class Tools:
    """Objects that all calls share."""

    bus: Bus
    settings: Settings
    watch: Watch = field(default_factory=Watch)
    limit: Limit = field(init=False)

    def __post_init__(self) -> None:
        self.limit = Limit(self.settings.user_rate, BURST)


@dataclass
class Caller:
    """The caller of a call, with its data.

    Attributes:
        session: the session, without a user if the caller has none.
        token: the session's token.
        path: the parameters in the path, by name.
        browser: the browser's name.
        cookie: a new session's token to set as the cookie; "" deletes the cookie, None keeps it.
    """

    shared: Tools
    session: Session
    token: str
    path: dict[str, str]
    address: str
    browser: str = ""
    cookie: str | None = None

    @property
    def bus(self) -> Bus:
        """The bus."""
        return self.shared.bus


Act = Callable[[Caller, Any], Awaitable[Any]]


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        method: `GET`, with `takes` as the query, or `POST`, with `takes` as the JSON body.
        path: the path, with the names of parameters in braces.
        act: performs the call, and returns the answer or a `Response`; the first line of its
            docstring is the summary.
        takes: the struct of its data.
        gives: the struct of its answer.
        needs: who may call it: anybody, a user, a manager; or a user's program with a token, which
            may make no other calls.
        refuses: further statuses that it may answer with.
        cost: its cost against the user's rate limit.
        most: bytes of its body at most.
    """

    method: Literal["GET", "POST"]
    path: str
    act: Act
    takes: type[Any] = Empty
    gives: type[Any] = Empty
    needs: Literal["anybody", "user", "manager", "token"] = "user"
    refuses: tuple[int, ...] = ()
    cost: float = 1.0
    most: int = MOST_BYTES


class NotAllowed(Exception):
    """A refused call, with the status of the answer."""

    def __init__(self, status: int, reason: Reason, wait: float = 0) -> None:
        super().__init__(str(reason))
        self.status, self.reason, self.wait = status, reason, wait


class Limits:
    """Rate limits on calls that check passwords."""

    def __init__(self, rate: float) -> None:
        self._by_address = Limit(rate, 60)
        self._by_account = Limit(rate / 10, 100)

    def check(self, caller: Caller, account: str) -> None:
        """Count one attempt.

        Raises:
            NotAllowed: this address or account has too many attempts.
        """
        wait = self._by_address.wait(caller.address)
        wait = wait or self._by_account.wait(identity(account))
        if wait:
            raise NotAllowed(429, reasons.rate_attempts(wait), wait)


def routes(calls: Sequence[Call], shared: Tools) -> list[Route]:
    """Turn the calls into Starlette's routes."""
    return [Route(call.path, _endpoint(call, shared), methods=[call.method]) for call in calls]


def _endpoint(call: Call, shared: Tools) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def endpoint(request: HttpRequest) -> Response:
        try:
            # The body first: a client may be slow to send it, and its session may end meanwhile.
            body = await _body(call, request)
            caller = await _caller(call, request, shared)
            answer = await call.act(caller, _sent(call, request, body))
            response = answer if isinstance(answer, Response) else reply(answer)
            _set_cookie(response, caller, request)
            return response
        except Exception as error:
            return refusal(error)

    return endpoint


async def _caller(call: Call, request: HttpRequest, shared: Tools) -> Caller:
    path = {name: str(value) for name, value in request.path_params.items()}
    if call.needs == "token":
        session = await _session_of_token(request, shared)
        return Caller(shared, session, "", path, address(request.scope))
    token = request.cookies.get(cookie_names(request.scope)[0], "")[:MOST_TOKEN]
    session = Session()
    if token:
        session = await shared.bus.request(WhoIs(token=token))
    if call.needs != "anybody" and not session.user:
        raise NotAllowed(401, reasons.log_in_needed())
    if call.needs == "manager" and session.role != "manager":
        raise NotAllowed(403, reasons.manager_needed())
    if session.user and (wait := shared.limit.wait(session.user, call.cost)):
        raise NotAllowed(429, reasons.rate_requests(wait), wait)
    browser = described(request.headers.get("user-agent", ""))
    return Caller(shared, session, token, path, address(request.scope), browser)


async def _session_of_token(request: HttpRequest, shared: Tools) -> Session:
    """Return a token's session; the call itself counts its cost, as over sockets."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    session = Session()
    if scheme.lower() == "bearer" and 0 < len(token.strip()) <= MOST_TOKEN:
        session = await shared.bus.request(WhoseToken(token=token.strip()))
    if not session.user:
        raise NotAllowed(401, reasons.token_needed())
    return session


async def _body(call: Call, request: HttpRequest) -> bytes:
    body = b""
    if call.method == "POST":
        async for chunk in request.stream():
            body += chunk
            if len(body) > call.most:
                raise NotAllowed(413, reasons.request_too_large(call.most))
    return body


def _sent(call: Call, request: HttpRequest, body: bytes) -> Any:
    if call.method == "GET":
        return msgspec.convert(dict(request.query_params), call.takes, strict=False)
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise NotAllowed(415, reasons.request_type())
    try:
        return msgspec.json.decode(body, type=call.takes)
    except RecursionError:  # neither error is msgspec's own
        raise NotAllowed(400, reasons.request_json("it is nested too deeply")) from None
    except UnicodeDecodeError:
        raise NotAllowed(400, reasons.request_json("it is not UTF-8")) from None


def _set_cookie(response: Response, caller: Caller, request: HttpRequest) -> None:
    if caller.cookie is None:
        return
    response.set_cookie(
        cookie_names(request.scope)[0],
        caller.cookie,
        max_age=int(caller.shared.settings.session_hours * 3600) if caller.cookie else 0,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def name_in(caller: Caller) -> str:
    """Return the user's name in the path.

    Raises:
        NotAllowed: it is not a valid name.
    """
    return _in_path(caller, "name", UserName, reasons.user_unknown())


def room_in(caller: Caller) -> str:
    """Return the room's id in the path.

    Raises:
        NotAllowed: it is not a valid id.
    """
    return _in_path(caller, "room", RoomId, reasons.room_unknown())


def _in_path(caller: Caller, name: str, kind: Any, reason: Reason) -> str:
    try:
        return str(msgspec.convert(caller.path[name], kind))
    except msgspec.ValidationError:
        raise NotAllowed(404, reason) from None


def reply(content: Any, status: int = 200, **headers: str) -> Response:
    """Return a JSON answer."""
    encoded = msgspec.json.encode(content)
    return Response(encoded, status, headers, media_type="application/json")


def refusal(error: Exception) -> Response:
    """Return the answer to a failed call."""

    def refused(reason: Reason, status: int, **headers: str) -> Response:
        return reply(Error(**reason.answer), status, **headers)

    match error:
        case NotAllowed() if error.wait:
            headers = {"Retry-After": retry_after(error.wait)}
            return refused(error.reason, error.status, **headers)
        case NotAllowed(status=401):
            return refused(error.reason, 401, **{"WWW-Authenticate": "Bearer"})
        case NotAllowed():
            return refused(error.reason, error.status)
        case ClientDisconnect():  # it left, or its body was cut off as too long
            return refused(reasons.request_incomplete(), 400)
        case msgspec.ValidationError():
            return refused(incoming.why(error), 422)
        case msgspec.DecodeError():
            return refused(reasons.request_json(str(error)), 400)
        case RequestFailed():
            return refused(error.reason, 409)
        case Busy():
            return refused(error.reason, 503, **{"Retry-After": retry_after(error.wait)})
        case Unavailable():
            # The names of servers are for the log alone.
            log.warning("a request was refused for now: %s", error)
            reason = error.reason or reasons.unavailable("bus")
            return refused(reason, 503, **{"Retry-After": "1"})
        case HTTPException():
            reason = reasons.request_address(error.detail)
            return refused(reason, error.status_code, **dict(error.headers or {}))
        case _:
            log.error("a request failed", exc_info=error)
            return refused(reasons.failed(), 500)
