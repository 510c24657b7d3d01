"""A Socket.IO server for one process, quick at sending to many; docs/engine.md is its manual.

server = Server()

@server.on("say")
async def say(sid, text):
    await server.emit("said", text, room="lobby")

uvicorn.run(server, ws=TakeOver, lifespan="off")
"""

from nochat.engine.guard import Guard, Refused
from nochat.engine.server import ConnectionRefusedError, Server
from nochat.engine.websocket import TakeOver

__all__ = ["ConnectionRefusedError", "Guard", "Refused", "Server", "TakeOver"]
