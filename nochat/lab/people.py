"""A person in the chat: registers by REST, talks by socket.io, and records what arrives."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import socketio

from nochat.domain.client_ids import new_client_id
from nochat.lab.errors import GaveUp, NotConnected
from nochat.lab.passwords import password_of
from nochat.lab.waiting import patience
from nochat.protocol.fields import LOBBY

PATIENCE = 15.0  # seconds
COMING_IN = 45.0  # seconds, with the pauses of the rate limit when many log in
GOODBYE = 0.25
AGAIN = 1.0  # seconds until missed events are asked for again


async def _read_whole(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Read every response: python-engineio ignores those to its posts, which hold a connection."""
    response = await handler(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        await response.read()
    return response


class Refused(RuntimeError):
    """A refusal by the chat.

    Args:
        said: the error message.
        answer: the chat's answer.

    Attributes:
        code: the reason's code, as in `nochat.protocol.reasons`; "" if the chat gave none.
        params: the reason's parameters.
        retry: whether the same may be accepted later.
    """

    def __init__(self, said: str, answer: dict[str, Any]) -> None:
        super().__init__(said)
        self.code: str = answer.get("code", "")
        self.params: dict[str, Any] = answer.get("params", {})
        self.retry: bool = answer.get("retry", False)


class Person:
    """A user of the chat, who acts as the page does. Use it in `async with`, or `leave()`.

    Args:
        name: the user's name.
        url: the page's address.
        transports: Engine.IO's transports: `websocket`, `polling`; both: long polling with upgrade.
        password: the account's password; empty for one that only your kernels know.
        trust: certificate of the authority that issued the page's, unless it is a public one.

    Attributes:
        password: the account's password.
        heard: every room event received so far, by room and position.
        told: all other events received: (event, data).
    """

    def __init__(
        self,
        name: str,
        url: str,
        transports: tuple[str, ...] = ("websocket",),
        *,
        password: str = "",
        trust: Path | None = None,
    ) -> None:
        self.password = password or password_of(name)
        self.name, self.url, self.transports = name, url, list(transports)
        self._trusted = ssl.create_default_context(cafile=trust) if trust else True
        self.heard: dict[str, dict[int, dict[str, Any]]] = {}
        self.told: list[tuple[str, Any]] = []
        self._closed_by = ""
        self._changed = asyncio.Event()
        self._http: aiohttp.ClientSession | None = None
        self._socket: Any = None

    async def __aenter__(self) -> Self:
        await self.arrive()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.leave()

    async def arrive(self, room: str = LOBBY) -> Self:
        """Register (or log in), connect, and become a member of a room.

        Raises:
            Refused: the chat refuses.
            RuntimeError: no chat listens there, or the issuer of its certificate is unknown.
            GaveUp: it does not answer.
        """
        # `unsafe` lets the jar keep cookies of an IP address, as 127.0.0.1 is one.
        jar = aiohttp.CookieJar(unsafe=True)
        connector = aiohttp.TCPConnector(ssl=self._trusted)
        self._http = aiohttp.ClientSession(
            cookie_jar=jar, connector=connector, middlewares=[_read_whole]
        )
        try:
            await self._log_in()
            await self.connect()
            await self.join(room)
        except aiohttp.ClientConnectorCertificateError as error:
            await self.leave()
            reason = error.certificate_error
            raise RuntimeError(
                f"{self.url} has a certificate of an unknown authority: {reason}"
            ) from None
        except aiohttp.ClientConnectorError:
            await self.leave()
            raise RuntimeError(f"no chat listens at {self.url}: start it (again) first") from None
        except BaseException:
            await self.leave()
            raise
        return self

    async def _log_in(self) -> None:
        account = {"user": self.name, "password": self.password}
        async with self._patience(f"{self.name} to log in", COMING_IN):
            status, answer = await self._ask("POST", "/api/register", account)
            taken = answer.get("code") == "name.taken"
            if taken or answer.get("code") == "registration.closed":
                status, answer = await self._ask("POST", "/api/login", account)
        if status != 200:
            said = f"{self.name} could not log in: HTTP {status}: {answer.get('error', '')}"
            if taken and status == HTTPStatus.UNAUTHORIZED:
                said += (
                    f". The name is taken, with another password: are you {self.name} on the page? "
                    "To do: run the cell that starts the chat again, and take another name there"
                )
            raise Refused(said, answer)

    async def connect(self) -> None:
        """Open the socket, and resume each room from the last position seen.

        Raises:
            Refused: the chat refuses.
        """
        me = await self.asks("/api/me")
        # Its own handler of SIGINT would end the kernel: Interrupt should only end the cell.
        self._socket = socketio.AsyncClient(
            http_session=self._http, reconnection=False, handle_sigint=False
        )
        self._socket.on("*", self._hear)
        self._socket.on("resync", self._catch_up)
        self._socket.on("disconnect", self._lost)
        positions = {room: self._last(room) for room in self.heard}
        refused: list[Any] = []
        self._socket.on("connect_error", refused.append)
        url = me["gateway"] or self.url
        try:
            async with self._patience(f"{self.name}'s socket"):
                await self._socket.connect(
                    url,
                    socketio_path=f"{urlsplit(url).path}/socket.io",
                    auth={"positions": positions},
                    transports=self.transports,
                    wait_timeout=None,
                )
        except socketio.exceptions.ConnectionError as error:
            answer = refused[0] if refused and isinstance(refused[0], dict) else {}
            reason = answer.get("message", answer.get("error", error))
            told = f"{self.name} can't connect: {reason}"
            raise Refused(told, answer.get("data", answer)) from None

    async def disconnect(self) -> None:
        """Close the socket; the session stays."""
        if not self._socket:
            return
        # While it sends something else by long polling, python-engineio's client forgets to send
        # that it closes, and waits until the chat ends its last poll: 25 seconds.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._socket.eio.queue.join(), GOODBYE)
        await self._socket.disconnect()

    async def leave(self) -> None:
        """Close the socket and forget the session."""
        await self.disconnect()
        if self._http:
            await self._http.close()
            if self.url.startswith("https"):
                # aiohttp does not wait for TLS to close: see its page on graceful shutdown.
                await asyncio.sleep(GOODBYE)

    async def join(self, room: str = LOBBY) -> None:
        """Join a room, and wait until the membership has taken effect."""
        await self.call("join", {"room": room})
        what = f"{self.name} to be in the room {room}"
        await self.until(lambda: room in self.rooms or room in self.heard, what=what)

    @property
    def rooms(self) -> list[str]:
        """The rooms that this person was a member of when the socket was opened."""
        welcomes = [data for event, data in self.told if event == "welcome"]
        latest = welcomes[-1]["rooms"] if welcomes else []
        return [room["room"] for room in latest if self.name in room["members"]]

    async def says(self, text: str, room: str = LOBBY, client_id: str = "") -> str:
        """Send a message; return its client id after the chat has acknowledged it.

        Raises:
            Refused: the chat refuses.
        """
        client_id = client_id or new_client_id()
        await self.call("message", {"room": room, "client_id": client_id, "text": text})
        return client_id

    async def call(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        """Send an event, and wait for the answer; retry if it exceeds the rate limit.

        Raises:
            Refused: the answer is an error.
            NotConnected: there is no connection.
            GaveUp: no answer arrived.
        """
        answer: dict[str, Any] = {"wait": 0}
        while "wait" in answer:
            await asyncio.sleep(answer["wait"])
            async with self._patience(f"the answer to {self.name}'s {event!r}"):
                answer = await self._call(event, data)
        if "error" in answer:
            raise Refused(f"{self.name}: {event}: {answer['error']}", answer)
        return answer

    async def asks(self, path: str) -> dict[str, Any]:
        """Send a GET request, as the page does; return the answer.

        Raises:
            Refused: the chat refuses.
        """
        async with self._patience(f"the answer to {self.name}'s {path}"):
            status, answer = await self._ask("GET", path)
        if status != 200:
            raise Refused(f"{self.name}: {path}: HTTP {status}: {answer.get('error')}", answer)
        return answer

    def texts(self, room: str = LOBBY) -> list[str]:
        """Return the messages seen in a room, in order."""
        entries = self.heard.get(room, {})
        return [entries[at]["text"] for at in sorted(entries) if "text" in entries[at]]

    async def history(self, room: str = LOBBY) -> list[str]:
        """Return the messages that are stored of a room, as the page asks for them, in order.

        Raises:
            Refused: the chat refuses.
        """
        page = await self.call("history", {"room": room})
        return [entry["text"] for entry in page["entries"] if "text" in entry]

    async def since(self, room: str, after: int = 0) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the entries of a room that are stored after a position, a page at a time.

        Raises:
            Refused: the chat refuses.
        """
        more = True
        while more:
            page = await self.call("history", {"room": room, "after": after})
            if entries := page["entries"]:
                after = entries[-1]["position"]
                yield entries
            more = page["more"] and bool(entries)

    async def until(
        self, condition: Callable[[], Any], timeout: float = PATIENCE, *, what: str = ""
    ) -> None:
        """Wait until a condition is true, and check it after each event.

        Args:
            condition: returns whether it is true.
            timeout: seconds to wait at most.
            what: what is awaited, for the notice.

        Raises:
            GaveUp: the time is up.
        """
        async with self._patience(what or f"what {self.name} is to hear", timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def __repr__(self) -> str:
        return f"<{self.name}: {'connected' if self.connected else 'not connected'}>"

    @property
    def connected(self) -> bool:
        """True while the socket is open."""
        return bool(self._socket and self._socket.connected)

    def _patience(self, what: str, seconds: float = PATIENCE) -> AbstractAsyncContextManager[None]:
        return patience(what, seconds, self._advice)

    def _advice(self) -> str:
        """Return the advice for a chat that does not answer."""
        if self._socket and not self.connected:
            return (
                f"{self.name} is not connected ({self._closed_by}): run the cell in which "
                f"{self.name} comes in again"
            )
        return (
            f"run the cells above again, in order, from the one that starts the chat at {self.url}"
        )

    async def _call(self, event: str, data: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._socket:
                answer: dict[str, Any] = await self._socket.call(event, data, timeout=None)
                return answer
        except socketio.exceptions.BadNamespaceError:
            pass
        raise NotConnected(self.name)

    async def _hear(self, event: str, data: Any = None) -> None:
        if event == "entries":
            self._add(data["room"], data["entries"])
        else:
            self.told.append((event, data))
        self._changed.set()

    def _add(self, room: str, entries: list[dict[str, Any]]) -> None:
        seen = self.heard.setdefault(room, {})
        seen.update({entry["position"]: entry for entry in entries})

    def _lost(self, reason: str) -> None:
        self._closed_by = reason
        self._changed.set()

    async def _catch_up(self, data: Any) -> None:
        """Ask for the events of each room that a gateway without a broker did not send."""
        await self._hear("resync", data)
        for room in list(self.heard):
            with suppress(Refused, NotConnected, GaveUp):
                await self._catch_up_room(room)

    async def _catch_up_room(self, room: str) -> None:
        while True:
            try:
                async for entries in self.since(room, self._last(room)):
                    self._add(room, entries)
                    self._changed.set()
            except Refused as refused:
                if not refused.retry:
                    raise
                await asyncio.sleep(AGAIN)
            else:
                return

    def _last(self, room: str) -> int:
        """Return the last position of a room that no gap precedes."""
        seen = self.heard[room]
        last = min(seen)
        while last + 1 in seen:
            last += 1
        return last

    async def _ask(
        self, method: str, path: str, content: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Make a REST call; retry while the answer has a Retry-After."""
        assert self._http
        give_up = asyncio.get_running_loop().time() + PATIENCE
        while True:
            async with self._http.request(method, self.url + path, json=content) as response:
                status, answer = response.status, await response.json()
                pause = float(response.headers.get("Retry-After", 0))
            if not pause or asyncio.get_running_loop().time() > give_up:
                return status, answer
            await asyncio.sleep(pause)
