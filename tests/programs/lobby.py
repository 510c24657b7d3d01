"""A lobby: who comes in says a name, and everybody reads what is said."""

from typing import Any

import uvicorn

from nochat.engine import ConnectionRefusedError, Server, TakeOver

server = Server()


@server.on("connect")
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str] | None) -> None:
    if not auth or not auth.get("name"):
        raise ConnectionRefusedError("say your name")
    await server.save_session(sid, auth)
    await server.enter_room(sid, "lobby")


@server.on("say")
async def say(sid: str, text: str) -> str:
    who = await server.get_session(sid)
    await server.emit("said", (who["name"], text), room="lobby")
    return "said"


if __name__ == "__main__":
    uvicorn.run(server, ws=TakeOver, lifespan="off")
