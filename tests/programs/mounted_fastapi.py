"""The chat under /chat of a site in FastAPI."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from nochat.runtime.asgi import Chat

chat = Chat()
app = FastAPI(lifespan=chat.lifespan)


@app.get("/", response_class=HTMLResponse)
async def home() -> str:
    """Lead to the chat."""
    return '<a href="chat/">our chat</a>'


app.mount("/chat", chat)
