"""web: the page, and the REST calls that a page makes before it has a socket."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from nochat.bus import Bus
from nochat.client import COOKIE
from nochat.errors import RequestFailed, Unavailable
from nochat.events import GetTrends, LogIn, LogOut, Password, RegisterUser, Session, UserName, WhoIs
from nochat.service import Context, Service
from nochat.settings import Settings

log = logging.getLogger(__name__)

service = Service("web")

MOST_BYTES = 8192  # of a request's body
STATIC = files("nochat") / "static"

Answer = Callable[[HttpRequest], Awaitable[Response]]


class Account(msgspec.Struct, frozen=True):
    """A new account."""

    user: UserName
    password: Password


class Credentials(msgspec.Struct, frozen=True):
    """What a user logs in with."""

    user: str
    password: str


class Web:
    """The HTTP application; `app` is what the server serves."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus, self._settings = bus, settings
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/healthz", self._health),
                Route("/api/register", self._register, methods=["POST"]),
                Route("/api/login", self._log_in, methods=["POST"]),
                Route("/api/logout", self._log_out, methods=["POST"]),
                Route("/api/me", self._me),
                Route("/api/trends", self._trends),
                Mount("/static", StaticFiles(directory=str(STATIC))),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._guard)],
            exception_handlers={
                msgspec.ValidationError: _refuse(422),
                msgspec.DecodeError: _refuse(400),
                RequestFailed: _refuse(409),
                Unavailable: _refuse_for_now,
                HTTPException: _refuse_http,
            },
        )

    async def _page(self, _: HttpRequest) -> Response:
        return FileResponse(str(STATIC / "index.html"))

    async def _health(self, _: HttpRequest) -> Response:
        return _json({"status": "ok"})

    async def _register(self, request: HttpRequest) -> Response:
        account = msgspec.json.decode(await _body(request), type=Account)
        asked = RegisterUser(user=account.user, password=account.password)
        return self._welcome(request, await self._bus.request(asked))

    async def _log_in(self, request: HttpRequest) -> Response:
        given = msgspec.json.decode(await _body(request), type=Credentials)
        session = await self._bus.request(LogIn(user=given.user, password=given.password))
        if not getattr(session, "user", ""):
            return _json({"error": "wrong name or password"}, 401)
        return self._welcome(request, session)

    async def _log_out(self, request: HttpRequest) -> Response:
        await self._bus.request(LogOut(token=request.cookies.get(COOKIE, "")))
        response = _json({})
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return response

    async def _me(self, request: HttpRequest) -> Response:
        return _json({"user": await self._user(request), "gateway": self._settings.gateway_url})

    async def _trends(self, request: HttpRequest) -> Response:
        if not await self._user(request):
            return _json({"error": "log in first"}, 401)
        return _json(msgspec.to_builtins(await self._bus.request(GetTrends())))

    async def _user(self, request: HttpRequest) -> str:
        session = await self._bus.request(WhoIs(token=request.cookies.get(COOKIE, "")))
        return str(getattr(session, "user", ""))

    def _welcome(self, request: HttpRequest, session: Any) -> Response:
        assert isinstance(session, Session)
        response = _json({"user": session.user})
        response.set_cookie(
            COOKIE,
            session.token,
            max_age=int(self._settings.session_hours * 3600),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    async def _guard(self, request: HttpRequest, answer: Answer) -> Response:
        """No POST from another site's page; the same security headers on everything."""
        origin = request.headers.get("origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.url.netloc:
            return _json({"error": "this page may not post here"}, 403)
        response = await answer(request)
        response.headers.update(self._headers(request))
        return response

    def _headers(self, request: HttpRequest) -> dict[str, str]:
        gateway = urlsplit(self._settings.gateway_url).netloc or request.url.netloc
        return {
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                f"connect-src 'self' http://{gateway} https://{gateway} "
                f"ws://{gateway} wss://{gateway}; form-action 'self'; base-uri 'none'; "
                f"frame-ancestors {self._settings.frame_ancestors}"
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-cache",
        }


@service.resource
@asynccontextmanager
async def web(context: Context) -> AsyncIterator[Web]:
    """The application."""
    yield Web(context.bus, context.settings)


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _refuse(status: int) -> Callable[[HttpRequest, Exception], Awaitable[Response]]:
    async def refuse(_: HttpRequest, error: Exception) -> Response:
        return _json({"error": str(error)}, status)

    return refuse


async def _refuse_for_now(_: HttpRequest, error: Exception) -> Response:
    """What does not answer, and where it is, is for the log alone."""
    log.warning("a request was refused for now: %s", error)
    return _json({"error": "a part of the chat does not answer now; try again in a moment"}, 503)


async def _refuse_http(_: HttpRequest, error: Any) -> Response:
    return _json({"error": error.detail}, error.status_code)


async def _body(request: HttpRequest) -> bytes:
    """A JSON body of a bearable size."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise HTTPException(415, "send JSON, as application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the request is over {MOST_BYTES} bytes")
    return body
