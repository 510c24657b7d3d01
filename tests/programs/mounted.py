"""The chat under /chat of a site of one's own."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from nochat.runtime.asgi import Chat

chat = Chat()


async def home(_: Request) -> Response:
    """Lead to the chat."""
    return HTMLResponse('<a href="chat/">our chat</a>')


app = Starlette(routes=[Route("/", home), Mount("/chat", chat)], lifespan=chat.lifespan)
