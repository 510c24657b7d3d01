"""The whole chat as an ASGI application, to mount under a path of another one.

chat = Chat()
app = Starlette(routes=[Mount("/chat", chat)], lifespan=chat.lifespan)
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import structs

from nochat.protocol.reasons import unavailable
from nochat.runtime import bootstrap, registry
from nochat.runtime.rate_limits import App, Receive, Scope, refuse
from nochat.service import Service
from nochat.settings import Settings, load


class Chat:
    """All services of the chat in this process, with the page, REST calls and sockets.

    The other application's server listens: `NOCHAT_HOST` and `NOCHAT_PORT` have no effect here.

    Args:
        settings: the chat's settings; by default, those of the `NOCHAT_*` variables.
        own: services of your own, which replace the chat's of the same name.
    """

    def __init__(self, settings: Settings | None = None, own: Sequence[Service[Any]] = ()) -> None:
        # Another server does not hand its websockets over to our own engine.
        self._settings = structs.replace(settings or load(), engine="python-socketio")
        self._services = registry.with_own(self._settings, own)
        self._app: App | None = None

    @asynccontextmanager
    async def lifespan(self, _: object = None) -> AsyncIterator[None]:
        """Run the services until the block ends, as the other application's lifespan or inside it.

        Raises:
            NochatError: the bus or a store can't be used; the message says what to do.
        """
        async with bootstrap.running(self._services, self._settings) as self._app:
            try:
                yield
            finally:
                self._app = None

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """Serve an ASGI request."""
        if scope["type"] == "lifespan":
            raise RuntimeError("mount the chat, and give the application its `lifespan`")
        if self._app:
            await self._app(scope, receive, send)
        else:
            await refuse(scope, send, 503, unavailable("chat"), code=1013)
