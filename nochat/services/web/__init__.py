"""web: the page, the management page, and their REST calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Annotated, Any

import msgspec
from cachetools import TTLCache
from msgspec import Meta
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from nochat.bus import Bus
from nochat.domain.text import identity
from nochat.protocol import reasons
from nochat.protocol.events import CommandRejected, ServiceReported
from nochat.protocol.fields import Count, Moment, Password, Registration, Role
from nochat.protocol.incoming import AskedName, Incoming, NewName
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import (
    Accounts,
    ChangePassword,
    GetAccounts,
    GetTrends,
    LogIn,
    LogOut,
    RegisterUser,
    Session,
)
from nochat.runtime import origin
from nochat.runtime.origin import Origin, further_origins, gateway_origin
from nochat.service import Context, Service
from nochat.services.web import management, openapi
from nochat.services.web.account import OwnAccount
from nochat.services.web.own_tokens import OwnTokens
from nochat.services.web.pages import Pages
from nochat.services.web.passwords import is_weak
from nochat.services.web.rest import (
    Call,
    Caller,
    Empty,
    Limits,
    NotAllowed,
    Tools,
    refusal,
    reply,
    routes,
)
from nochat.services.web.room_calls import RoomCalls
from nochat.settings import Settings

REMEMBERED = 60.0  # seconds that trends are cached
MOST_REMEMBERED = 100

service = Service["Web"]("web", broadcast=True)

Answer = Callable[[HttpRequest], Awaitable[Response]]


class NewAccount(Incoming, frozen=True):
    """A new account."""

    user: NewName
    password: Password


class Credentials(Incoming, frozen=True):
    """A user's name and password, to log in with."""

    user: AskedName
    password: Annotated[str, Meta(max_length=256)]


class Passwords(msgspec.Struct, frozen=True):
    """The current password, and the new one."""

    old: Annotated[str, Meta(max_length=256)]
    new: Password


class SessionUser(msgspec.Struct, frozen=True):
    """The name of the session's user."""

    user: str


class Identity(msgspec.Struct, frozen=True):
    """The caller ("" without a session), the gateway's URL ("" for this one), and registration."""

    user: str
    role: Role
    gateway: str
    registration: Registration


class NamesQuery(Incoming, frozen=True):
    """A prefix of names to search for."""

    prefix: AskedName = ""


class Names(msgspec.Struct, frozen=True):
    """Names of users."""

    users: list[str]


class TrendsQuery(msgspec.Struct, frozen=True):
    """The start of a period (seconds since 1970), and the number of results of each kind."""

    since: Moment = 0.0
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class Trends(msgspec.Struct, frozen=True):
    """Names with their counts, the highest first; `hours` are hours of the day, in UTC.

    Only the newest messages are counted: `since` is the time of the first of them, if there are
    older ones. `titles` are the titles of the rooms.
    """

    users: list[tuple[str, Count]]
    rooms: list[tuple[str, Count]]
    words: list[tuple[str, Count]]
    hours: list[tuple[Count, Count]]
    connections: Count
    messages: Count
    since: Moment
    titles: dict[str, str]


class Web:
    """The HTTP application.

    Attributes:
        app: the ASGI application.
        rooms: the calls of users' own programs.
    """

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.shared = Tools(bus, settings)
        self._settings = settings
        self._origins, self._gateway = further_origins(settings), gateway_origin(settings)
        self._pages = Pages()
        self._attempts = Limits(settings.login_rate)
        self._counted: TTLCache[tuple[float, int], Any] = TTLCache(MOST_REMEMBERED, REMEMBERED)
        self._counting = asyncio.Lock()
        reserved = [*settings.reserved.split(","), settings.bot_name]
        self._reserved = {identity(name.strip()) for name in reserved}
        own = OwnAccount(settings, self._attempts)
        self.rooms = RoomCalls(settings)
        calls = [*self._calls(), *own.calls, *OwnTokens(self._attempts).calls]
        calls += [*self.rooms.calls, *management.CALLS]
        self._all_calls = calls
        self.app = Starlette(
            routes=[
                *self._pages.routes,
                Route("/healthz", self._health),
                Route("/openapi.json", self._document),
                *routes(calls, self.shared),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._guard)],
            exception_handlers={HTTPException: _refuse},
        )

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, built on the first request, as it takes a while."""
        return openapi.document(self._all_calls)

    def _calls(self) -> list[Call]:
        return [
            Call("GET", "/api/me", _me, gives=Identity, needs="anybody"),
            Call(
                "POST",
                "/api/register",
                self._register,
                NewAccount,
                SessionUser,
                "anybody",
                (403, 409, 429),
            ),
            Call(
                "POST", "/api/login", self._log_in, Credentials, SessionUser, "anybody", (401, 429)
            ),
            Call("POST", "/api/logout", _log_out, needs="anybody"),
            Call("POST", "/api/password", self._change_password, Passwords, refuses=(409, 429)),
            Call("GET", "/api/users", _users, NamesQuery, Names, cost=2),
            Call("GET", "/api/trends", self._trends, TrendsQuery, Trends, "manager", cost=4),
        ]

    async def _health(self, _: HttpRequest) -> Response:
        return reply({"status": "ok"})

    async def _document(self, request: HttpRequest) -> Response:
        root = request.scope.get("root_path", "")  # that the chat is mounted under
        return reply(self.openapi | ({"servers": [{"url": root}]} if root else {}))

    async def _register(self, caller: Caller, sent: NewAccount) -> SessionUser:
        """Create an account, and open its first session."""
        if self._settings.registration == "closed":
            raise NotAllowed(403, reasons.registration_closed())
        self._attempts.check(caller, sent.user)
        if identity(sent.user) in self._reserved:
            raise NotAllowed(409, reasons.name_taken())
        await _check(sent.password, sent.user)
        asked = RegisterUser(user=sent.user, password=sent.password, browser=caller.browser)
        return await _enter(caller, await caller.bus.request(asked))

    async def _log_in(self, caller: Caller, sent: Credentials) -> SessionUser:
        """Open a session."""
        self._attempts.check(caller, sent.user)
        asked = LogIn(user=sent.user, password=sent.password, browser=caller.browser)
        session = await caller.bus.request(asked)
        if not session.user:
            raise NotAllowed(401, Reason.of(session))
        return await _enter(caller, session)

    async def _change_password(self, caller: Caller, sent: Passwords) -> Empty:
        """Change one's own password; other sessions end."""
        self._attempts.check(caller, caller.session.user)
        await _check(sent.new, caller.session.user)
        asked = ChangePassword(token=caller.token, password=sent.old, new_password=sent.new)
        await caller.bus.request(asked)
        return Empty()

    async def _trends(self, caller: Caller, sent: TrendsQuery) -> Trends:
        """Return statistics of public rooms, at most a minute old."""
        since = sent.since - sent.since % REMEMBERED
        asked = since, sent.limit
        async with self._counting:  # one at a time; equal calls share its result
            answer = self._counted.get(asked)
            if answer is None:
                answer = await caller.bus.request(GetTrends(since=since, limit=sent.limit))
                self._counted[asked] = answer
        return msgspec.convert(answer, Trends, from_attributes=True)

    async def _guard(self, request: HttpRequest, answer: Answer) -> Response:
        """Refuse POSTs from other sites' pages; add the security headers to every answer."""
        headers = self._headers(request)  # before the routes change the scope
        try:
            if request.method == "POST" and self._is_from_elsewhere(request):
                raise NotAllowed(403, reasons.request_foreign())
            response = await answer(request)
        except Exception as error:
            response = refusal(error)
        response.headers.update(headers)
        return response

    def _is_from_elsewhere(self, request: HttpRequest) -> bool:
        """Return whether another site's page sent a request, by headers that pages can't set."""
        if page := request.headers.get("origin"):
            return not origin.may_act(page, request.scope, self._origins)
        return request.headers.get("sec-fetch-site", "same-origin") != "same-origin"

    def _headers(self, request: HttpRequest) -> dict[str, str]:
        here, path = origin.own(request.scope), origin.path_below(request.scope)
        headers = {
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                f"connect-src 'self'{_sources(self._gateway or here, here)}; "
                "form-action 'self'; object-src 'none'; base-uri 'none'; "
                f"frame-ancestors {self._settings.frame_ancestors}"
            ),
            "Cache-Control": self._pages.caching(path),
        }
        if path in self._pages.paths:
            # A notebook's frame checks that a page exists, and pages have no user's data.
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return headers


@service.resource
@asynccontextmanager
async def web(context: Context) -> AsyncIterator[Web]:
    """Create the application."""
    yield Web(context.bus, context.settings)


@service.on(ServiceReported)
async def watch(event: ServiceReported, context: Context[Web]) -> None:
    """Store the services' reports, for the management page."""
    context.resource.shared.watch.heard(event)


@service.on(CommandRejected)
async def refuse(event: CommandRejected, context: Context[Web]) -> None:
    """Tell a waiting call that its message was rejected."""
    context.resource.rooms.rejected(event)


async def _check(password: str, user: str) -> None:
    """Check that a new password is not easy to guess.

    Raises:
        NotAllowed: it is easy to guess.
    """
    if await asyncio.to_thread(is_weak, password, user):
        raise NotAllowed(422, reasons.password_weak())


async def _enter(caller: Caller, session: Session) -> SessionUser:
    """Replace the old session by the new one."""
    if caller.token:
        await caller.bus.request(LogOut(token=caller.token))
    caller.cookie = session.token
    return SessionUser(session.user)


async def _me(caller: Caller, _: Empty) -> Identity:
    """Return the caller, the gateway's URL, and whether registration is open."""
    session, settings = caller.session, caller.shared.settings
    return Identity(session.user, session.role, settings.gateway_url, settings.registration)


async def _log_out(caller: Caller, _: Empty) -> Empty:
    """End the session."""
    if caller.token:
        await caller.bus.request(LogOut(token=caller.token))
    caller.cookie = ""
    return Empty()


async def _users(caller: Caller, sent: NamesQuery) -> Names:
    """List users to invite or to write to."""
    answer: Accounts = await caller.bus.request(GetAccounts(prefix=sent.prefix))
    return Names([account.name for account in answer.accounts if not account.banned])


async def _refuse(_: HttpRequest, error: Any) -> Response:
    return refusal(error)


def _sources(gateway: Origin | None, here: Origin | None) -> str:
    """Return the gateway's sources for a Content-Security-Policy, which has no IPv6 addresses.

    The policy also has `'self'`, which all but old browsers accept for a gateway of that origin.
    """
    host_port = gateway.host_port if gateway else None
    if host_port and host_port.host.startswith("["):
        host_port = None if gateway == here else host_port._replace(host="*")
    schemes = ("http", "https", "ws", "wss") if host_port else ()
    return "".join(f" {scheme}://{host_port}" for scheme in schemes)
