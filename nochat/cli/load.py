"""Simulated people who write at a steady pace, and the latency of their messages: `nochat load`.

Their sockets speak Engine.IO 4 and Socket.IO 5 as browsers do, over websockets alone. A delay is
the time from sending a message to its arrival at one recipient, measured by one clock.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import quantiles
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from nochat.errors import NochatError
from nochat.protocol.envelope import new_id
from nochat.runtime import proxies

PATIENCE = 30.0  # seconds to wait for an answer, and for the last messages to arrive


@dataclass
class Report:
    """The delivery of the messages.

    Attributes:
        people: the number of people.
        sent: messages that the chat acknowledged.
        delays: seconds of each delivery, by recipient and message.
    """

    people: int
    sent: int = 0
    delays: dict[tuple[int, str], float] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)

    def sends(self, message: str) -> None:
        """Record the time at which a message is sent."""
        self._begun[message] = time.perf_counter()

    def gets(self, person: int, message: str) -> None:
        """Record a delivery to a person; the first counts, as a join may deliver twice."""
        if message in self._begun:
            self.delays.setdefault((person, message), time.perf_counter() - self._begun[message])

    @property
    def lost(self) -> int:
        """The number of missing deliveries: everybody in the room should get every message."""
        return self.sent * self.people - len(self.delays)

    def __str__(self) -> str:
        due = self.sent * self.people
        said = f"{self.people} people: {self.sent} messages, {len(self.delays)} of {due} delivered"
        if len(self.delays) < 2:
            return said
        cuts = quantiles(self.delays.values(), n=100)
        figures = {"half of them": cuts[49], "95 %": cuts[94], "99 %": cuts[98]}
        shown = ", ".join(f"{name} within {value * 1000:.1f} ms" for name, value in figures.items())
        return f"{said}; {shown}"


async def load(
    url: str, people: int, rate: float, seconds: float, say: Callable[[str], object]
) -> Report:
    """Simulate people who write to each other in a room of their own.

    Args:
        url: the chat's page.
        people: the number of people; they arrive at the chat's rate limit for new accounts.
        rate: messages per second, of all people together.
        seconds: the duration.
        say: called with lines of progress.

    Raises:
        NochatError: the chat can't be reached, or refuses.
    """
    run = new_id()[:8].lower()
    report = Report(people)
    try:
        async with _joined(url, run, report, say) as sockets:
            began = time.perf_counter()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(began + number / rate - time.perf_counter())
                report.sends(f"{run}-{number}")
                await sockets[number % people].call(
                    "message",
                    {"room": f"load-{run}", "client_id": f"{run}-{number}", "text": f"{number}"},
                )
                report.sent += 1
                if number % max(1, int(rate * 5)) == 0:
                    say(str(report))
            await _settle(report)
    except (OSError, httpx.HTTPError, WebSocketException, TimeoutError, ImportError) as error:
        raise NochatError(f"the chat at {url} can't be used: {error!r}") from None
    return report


async def _settle(report: Report) -> None:
    """Wait until all messages have arrived, for at most `PATIENCE` seconds."""
    deadline = time.perf_counter() + PATIENCE
    while report.lost and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _joined(
    url: str, run: str, report: Report, say: Callable[[str], object]
) -> AsyncIterator[list["Socket"]]:
    """Register the people, and connect and join them to a room of their own."""

    def heard(person: int, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            report.gets(person, str(entry.get("client_id")))

    async with AsyncExitStack() as stack:
        client = httpx.AsyncClient(
            base_url=url,
            timeout=PATIENCE,
            proxy=proxies.for_url(url),
            trust_env=False,  # of that, all but the certificates
            verify=httpx.create_ssl_context(),
        )
        http = await stack.enter_async_context(client)
        sockets = list[Socket]()
        for number in range(report.people):
            cookie = await _register(http, {"user": f"load-{run}-{number}", "password": new_id()})
            opened = Socket.opened(url, cookie, partial(heard, number))
            socket = await stack.enter_async_context(opened)
            if not sockets:
                await socket.call("create", {"room": f"load-{run}", "title": f"Load {run}"})
            await socket.call("join", {"room": f"load-{run}"})
            sockets.append(socket)
            say(f"{len(sockets)} of {report.people} people are there")
        yield sockets


async def _register(http: httpx.AsyncClient, account: dict[str, str]) -> str:
    """Register an account, within the rate limit; return the session's cookie."""
    while True:
        answer = await http.post("/api/register", json=account)
        if not (pause := answer.headers.get("Retry-After")):
            break
        await asyncio.sleep(float(pause))
    if answer.is_error:
        raise NochatError(f"the chat refuses an account: {answer.json().get('error', answer.text)}")
    http.cookies.clear()  # The next one is somebody else.
    return answer.headers["Set-Cookie"].partition(";")[0]


class Socket:
    """One person's socket."""

    def __init__(
        self, link: ClientConnection, heard: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        self._link, self._heard = link, heard
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, url: str, cookie: str, heard: Callable[[list[dict[str, Any]]], None]
    ) -> AsyncIterator[Self]:
        """Open a socket; close it at the end."""
        where = f"{url.replace('http', 'ws', 1).rstrip('/')}/socket.io/?EIO=4&transport=websocket"
        async with connect(where, additional_headers={"Cookie": cookie}) as link:
            await link.recv()
            await link.send("40{}")
            socket = cls(link, heard)
            listening = asyncio.create_task(socket._listen())
            try:
                yield socket
            finally:
                listening.cancel()
                await asyncio.wait([listening])

    async def call(self, event: str, data: dict[str, Any]) -> None:
        """Send an event and wait for its acknowledgement; retry if it exceeds the rate limit.

        Raises:
            NochatError: the chat refuses it.
            TimeoutError: it does not answer.
        """
        answer: dict[str, Any] = {"wait": 0}
        while "wait" in answer:
            await asyncio.sleep(answer["wait"])
            number = next(self._numbers)
            self._answers[number] = asyncio.get_running_loop().create_future()
            await self._link.send(f"42{number}{json.dumps([event, data])}")
            answer = await asyncio.wait_for(self._answers[number], PATIENCE)
        if "error" in answer:
            raise NochatError(f"the chat refuses {event}: {answer['error']}")

    async def _listen(self) -> None:
        """Receive packets until the chat closes the socket; then fail the pending calls."""
        gone: Exception = NochatError("the chat closed a socket")
        try:
            await self._hear()
        except Exception as error:
            gone = error
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(gone)

    async def _hear(self) -> None:
        async for packet in self._link:
            text = str(packet)
            if text == "2":
                await self._link.send("3")
            elif text.startswith("43"):
                number, _, answer = text[2:].partition("[")
                if not (waiting := self._answers.pop(int(number))).done():
                    waiting.set_result(json.loads(f"[{answer}")[0])
            elif text.startswith("44"):
                raise NochatError(f"the chat refuses a socket: {json.loads(text[2:])['message']}")
            elif text.startswith('42["entries"'):
                self._heard(json.loads(text[2:])[1]["entries"])
