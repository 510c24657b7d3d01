"""The handshake of a socket: the check of its origin, and its authentication."""

import logging
from collections.abc import Callable, Collection
from http.cookies import CookieError, SimpleCookie
from typing import Any

from nochat.engine import ConnectionRefusedError
from nochat.errors import NochatError
from nochat.protocol import reasons
from nochat.protocol.fields import MOST_TOKEN
from nochat.protocol.reasons import Reason
from nochat.protocol.requests import Session
from nochat.runtime.origin import Origin, cookie_names, may_act
from nochat.runtime.rate_limits import Scope, ThrottledLog
from nochat.services.gateway.current_replies import CurrentReplies

log = logging.getLogger(__name__)


class Cookies:
    """The cookies of requests to this gateway, and the origins that may send them.

    Args:
        origins: allowed origins of the page beside the gateway's own.
    """

    def __init__(self, origins: Collection[Origin]) -> None:
        self._origins = origins

    def may_connect(self, origin: str | None, environ: dict[str, Any]) -> bool:
        """Return whether a page of an origin may open a socket here; called by Socket.IO."""
        return not origin or may_act(origin, environ["asgi.scope"], self._origins)

    def token(self, scope: Scope) -> str:
        """Return the session's token in a request's cookies, or ""."""
        if (token := scope.get("nochat.token")) is None:
            token = scope["nochat.token"] = self._token(scope)
        return str(token)

    def _token(self, scope: Scope) -> str:
        sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        try:
            cookies = SimpleCookie(sent.decode("latin1"))
        except CookieError:
            return ""
        names = cookie_names(scope, self._origins)
        return next((cookies[name].value[:MOST_TOKEN] for name in names if name in cookies), "")


class Handshake:
    """The authentication of new sockets.

    Args:
        replies: the requests for sessions.
        open_here: counts a user's open sockets.
        most: the bound on a user's sockets; 0 for none.
    """

    def __init__(self, replies: CurrentReplies, open_here: Callable[[str], int], most: int) -> None:
        self._replies, self._open_here, self._most = replies, open_here, most
        self._throttled_log = ThrottledLog()

    async def session(self, token: str, believed: str) -> Session:
        """Authenticate a token; return its session.

        Args:
            token: the token in the socket's cookie.
            believed: the user that the page expects, or "".

        Raises:
            ConnectionRefusedError: the socket is refused.
        """
        try:
            session = await self._replies.who_is(token)
        except NochatError as error:
            log.warning("a connection was refused: %s", error)
            raise no_entry(reasons.socket_unavailable()) from None
        if not (user := session.user):
            raise no_entry(reasons.log_in_needed())
        if believed not in ("", user):
            # Another tab has logged in another user, whose name must not be on this tab's messages.
            raise no_entry(reasons.socket_other_user())
        if self._most and self._open_here(user) >= self._most:
            self._throttled_log.say("a user has reached the limit of open sockets", user)
            raise no_entry(reasons.socket_too_many())
        return session


def no_entry(reason: Reason) -> ConnectionRefusedError:
    """Return the error by which Socket.IO refuses a connection."""
    told = {"code": reason.code, "params": reason.params}
    return ConnectionRefusedError(str(reason), told)
