"""The exercise 06b: limits of memory, so that a leak ends one container and no other."""

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import httpx
from docker.models.containers import Container

from nochat.lab.containers import ContainersError, Mine, client, commands, containers_of
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.context import given, own_file, refused
from nochat.local.processes import until

STARTING, COMING_IN, LEAKING = 90.0, 60.0, 60.0  # seconds
PEOPLE = 3  # who register at the same time: a password's hash takes 64 MiB while it is made
KILLED = 137
MEGA = 1 << 20
LABELS = """
services: {{chat: {{labels: ["{0}"]}}, collector: {{labels: ["{0}"]}}}}
networks: {{default: {{labels: ["{0}"]}}}}
"""


@exercise(
    "06b",
    "limits of memory: the leak dies, and the chat lives",
    untouched="Neither container has a limit: the collector takes from the chat, and from all "
    "others on this computer. Which of the two do you trust less?",
    file="Compose did not take your file, or did not start the two. It said: {error}",
    wrong="The chat may use {limit} MB, and the collector all that there is. Which of the two has "
    "the leak?",
    swap="The collector may use {limit} MB of memory, and {swap} MB with swap. What does the leak "
    "do on a computer that has swap, and what does Docker take where nobody names that limit?",
    early="The collector ended with status {status} before it had leaked anything. How much does "
    "a program in Python need to start? `docker stats` shows it.",
    starved="The chat {what}, with a limit of {limit} MB. What does it need while several people "
    "log in, and each password is hashed?",
    loose="The collector has kept 400 MB, and is still running. Its limit is {limit} MB. How much "
    "does it need without the leak?",
    failed="There is no file to add: {error}",
)
async def memory(answer: object, *, image: str = "nochat") -> None:
    """Start a chat and a leak with the limits of a file, and let people come, then leak."""
    await asyncio.to_thread(_judge, own_file(answer), image)


@dataclass(frozen=True)
class Pair:
    """The two containers, as Compose makes them of several files."""

    project: str
    env: dict[str, str]

    def compose(self, *arguments: str) -> None:
        """Run a command of Compose.

        Raises:
            Mistake: it fails.
        """
        try:
            commands.run([*commands.compose(), *arguments], self.env)
        except ContainersError as error:
            raise refused(error) from None

    def container(self, service: str) -> Container:
        """Return one of the two."""
        found = containers_of(client(), self.project, service)
        if not found:
            raise Mistake("file", error=f"it made no container of {service}")
        return found[0]


@contextmanager
def _pair(file: Path, image: str) -> Iterator[Pair]:
    project = f"nochat-judged-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="nochat-judge-") as name, Mine() as mine:
        folder = Path(name)
        given(folder, "leak.yaml", "collect")
        (folder / "labels.yaml").write_text(LABELS.format(mine.label), encoding="utf-8")
        files = [folder / "leak.yaml", file, folder / "labels.yaml"]
        env = commands.environment() | {"CHAT_IMAGE": image, "COMPOSE_PROJECT_NAME": project}
        yield Pair(project, env | {"COMPOSE_FILE": os.pathsep.join(map(str, files))})


def _judge(file: Path, image: str) -> None:
    with _pair(file, image) as pair:
        pair.compose("up", "--no-start")
        chat, collector = pair.container("chat"), pair.container("collector")
        _compare(_limit(chat), collector)
        if not _starts(chat):
            raise Mistake("starved", what="does not start", limit=_limit(chat))
        begun, url = _starts(collector), _url(chat)
        _live(chat, url, "does not start", STARTING)
        asyncio.run(_load(chat, url))
        collector.reload()
        if not begun or collector.status != "running" or collector.attrs["RestartCount"]:
            raise Mistake("early", status=collector.attrs["State"]["ExitCode"])
        collector.kill("SIGUSR1")
        _until_dead(collector)
        _live(chat, url, "does not answer after the leak", 10)


def _starts(container: Container) -> bool:
    try:
        container.start()
    except docker.errors.APIError:  # The limit is too low for its first process.
        return False
    return True


def _limit(container: Container) -> int:
    return int(container.attrs["HostConfig"]["Memory"]) // MEGA


def _compare(chat: int, collector: Container) -> None:
    limit = _limit(collector)
    if not limit:
        raise Mistake("wrong", limit=chat) if chat else Mistake("untouched")
    swap = int(collector.attrs["HostConfig"]["MemorySwap"]) // MEGA
    if client().info()["SwapLimit"] and swap != limit:
        raise Mistake("swap", limit=limit, swap=swap if swap >= 0 else "any number of")


def _url(chat: Container) -> str:
    chat.reload()
    ports = chat.ports.get("8000/tcp") or [{"HostPort": "0"}]  # none if it has ended at once
    return f"http://127.0.0.1:{ports[0]['HostPort']}"


def _live(chat: Container, url: str, what: str, seconds: float) -> None:
    """Check that the page of the chat answers.

    Raises:
        Mistake: it does not, or its container has ended.
    """

    def settled() -> bool:
        chat.reload()
        return chat.status != "running" or _answers(url)

    alive = until(settled, seconds, pause=0.2) and chat.status == "running"
    if not alive or chat.attrs["State"]["OOMKilled"]:
        raise Mistake("starved", what=what, limit=_limit(chat) or "any number of")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


async def _load(chat: Container, url: str) -> None:
    """Let people register at the same time, as at the beginning of a lesson."""
    names = [f"judge-{secrets.token_hex(4)}" for _ in range(PEOPLE)]
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as browser:
        came = await asyncio.gather(*(_registered(chat, browser, name) for name in names))
    if not all(came):
        what = f"answered {came.count(True)} of {PEOPLE} people who came at the same time"
        raise Mistake("starved", what=what, limit=_limit(chat) or "any number of")


async def _registered(chat: Container, browser: httpx.AsyncClient, name: str) -> bool:
    """Return whether the chat takes somebody: its page is there before its services are."""
    account = {"user": name, "password": secrets.token_urlsafe()}
    until_then = time.monotonic() + COMING_IN
    while time.monotonic() < until_then:
        with suppress(httpx.HTTPError):
            if (await browser.post("/api/register", json=account)).status_code < 500:
                return True
        await asyncio.to_thread(chat.reload)
        if chat.status != "running":
            return False
        await asyncio.sleep(0.5)
    return False


def _until_dead(collector: Container) -> None:
    """Wait until the leak has ended its container.

    Raises:
        Mistake: it has not.
    """

    def settled() -> bool:
        collector.reload()
        if collector.attrs["RestartCount"] or collector.status != "running":
            return True
        return b"kept" in collector.logs(tail=1)

    until(settled, LEAKING, pause=0.1)
    if collector.attrs["State"]["ExitCode"] != KILLED and not collector.attrs["RestartCount"]:
        raise Mistake("loose", limit=_limit(collector))
