"""The exercise 06c: a service of one's own in the stack, by a file that overrides the others."""

import asyncio
import re
import secrets
from contextlib import suppress
from pathlib import Path

import docker.errors
from docker.models.containers import Container

from nochat.lab.containers import ContainersError, Stack
from nochat.lab.errors import GaveUp
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.context import own_file, refused
from nochat.lab.people import Person
from nochat.lab.waiting import readable
from nochat.local.processes import until

HEALTHY = 120.0  # seconds until the service says that it works
ANSWERING = 20.0  # and until it has answered
ROLL = "/roll"
NUMBER = re.compile(r"\b[1-6]\b")
NETWORK = "back"


@exercise(
    "06c",
    "a service of your own in the stack: healthy, confined, and in the chat",
    untouched="Your file adds no service to the stack's: {services}. What stands below `services:` "
    "in `docker/compose.yaml`?",
    file="Compose did not take your file, or did not start your service. It said: {error}",
    network="{service} is on {networks}, and RabbitMQ is on {wanted}. Which networks does a "
    "service get that names none?",
    path="{service} asks for {path}, and nothing is there. Docker makes an empty folder of such a "
    "path, and your program is no folder. Relative to which folder are the paths of your file?",
    published="{service} publishes {ports} on this computer. Who has to come in to a service that "
    "only reads from the broker?",
    limit="{service} may use all the memory that there is. What do the other services have that it "
    "has not?",
    capabilities="The processes of {service} may have the capabilities {mask}, a bit for each: "
    "more rights than it ever needs. Which line of the stack's file takes them all?",
    ill="{service} is {state}. Its log ends: {log}",
    silent="{service} is healthy, but said nothing when {user} joined and wrote {roll}. Does it "
    "run the file that you think?",
    failed="There is no file to add: {error}",
)
async def own_part(answer: object, *, stack: Stack) -> None:
    """Start what a file of Compose adds to a running stack, look at it, and talk to it."""
    extended = stack.extended(own_file(answer))
    new = sorted(await asyncio.to_thread(_new, stack, extended))
    if not new:
        raise Mistake("untouched", services=", ".join(sorted(stack.services())))
    try:
        await asyncio.to_thread(_start, extended, new)
        await _talk(stack.url, ", ".join(new))
    finally:
        await asyncio.to_thread(_remove, extended, new)


def _new(stack: Stack, extended: Stack) -> set[str]:
    try:
        return extended.services() - stack.services()
    except ContainersError as error:
        raise refused(error) from None


def _start(stack: Stack, names: list[str]) -> None:
    try:
        stack.compose("up", "--no-start", "--no-deps", *names)
    except ContainersError as error:
        raise refused(error) from None
    found = [(name, container) for name in names for container in stack.containers(name)]
    for name, container in found:
        _look(name, container, stack.network(NETWORK))
    for name, container in found:
        _run(name, container)
        _look_inside(name, container)
        _wait(name, container)


def _remove(stack: Stack, names: list[str]) -> None:
    for container in (each for name in names for each in stack.containers(name)):
        container.remove(force=True, v=True)


def _look(name: str, container: Container, wanted: str) -> None:
    """Look at what the engine was told."""
    networks = sorted(container.attrs["NetworkSettings"]["Networks"])
    if wanted not in networks:
        raise Mistake("network", service=name, networks=networks or "none", wanted=wanted)
    bindings = container.attrs["HostConfig"]["PortBindings"] or {}
    if bindings:
        raise Mistake("published", service=name, ports=", ".join(bindings))
    if not container.attrs["HostConfig"]["Memory"]:
        raise Mistake("limit", service=name)
    for mount in container.attrs["Mounts"]:
        if mount["Type"] == "bind" and _is_made_up(Path(mount["Source"]), mount["Destination"]):
            raise Mistake("path", service=name, path=mount["Source"])


def _is_made_up(source: Path, inside: str) -> bool:
    """Return whether the file to mount is none; remove the folder that Docker made in its place."""
    if Path(inside).suffix and source.is_dir():
        with suppress(OSError):  # It has something in it: it was there before.
            source.rmdir()
    return not source.exists()


def _run(name: str, container: Container) -> None:
    try:
        container.start()
    except docker.errors.APIError as error:
        raise Mistake("ill", service=name, state="not started", log=error.explanation) from None


def _wait(name: str, container: Container) -> None:
    def settled() -> bool:
        container.reload()
        return container.status != "running" or _health(container) != "starting"

    until(settled, HEALTHY, pause=0.25)
    state = container.status if container.status != "running" else _health(container)
    if state != "healthy":
        log = readable(container.logs(tail=10).decode(errors="replace"), 10)
        raise Mistake("ill", service=name, state=state, log=log)


def _health(container: Container) -> str:
    return str(container.attrs["State"].get("Health", {}).get("Status", "without a health check"))


def _look_inside(name: str, container: Container) -> None:
    """Look at the rights that its processes may ever have, as the kernel tells them."""
    try:
        said = container.exec_run(["cat", "/proc/1/status"]).output
    except docker.errors.APIError:  # It has ended already.
        return
    status = said.decode(errors="replace")
    masks = re.findall(r"^CapBnd:\s+(\w+)", status, flags=re.MULTILINE)
    if any(int(mask, 16) for mask in masks):
        raise Mistake("capabilities", service=name, mask=masks[0].lstrip("0"))


async def _talk(url: str, service: str) -> None:
    user = f"judge-{secrets.token_hex(4)}"
    async with Person(user, url) as judge:
        await judge.says(ROLL)
        try:
            await judge.until(lambda: _answered(judge), ANSWERING)
        except GaveUp:
            raise Mistake("silent", service=service, user=user, roll=ROLL) from None


def _answered(judge: Person) -> bool:
    """Return whether somebody else has said a number after the judge's /roll."""
    asked = False
    for _, entry in sorted(judge.heard.get("lobby", {}).items()):
        if entry.get("sender") == judge.name:
            asked = asked or entry.get("text") == ROLL
        elif asked and NUMBER.search(entry.get("text", "")):
            return True
    return False
