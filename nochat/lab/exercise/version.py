"""Exercise 07b: a new version for everybody, and back to the one before."""

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from nochat.lab.deploy import CHAT, Site
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.lab.exercise.password import AT_ONCE, called, reached
from nochat.lab.exercise.talking import PATIENCE, Closed, talking
from nochat.lab.machines import Farm

DIGEST = "@sha256:"
LIST = (
    "sudo docker ps --quiet --filter label=com.docker.compose.project=nochat | xargs -r sudo "
    "docker inspect --format "
    '\'{{index .Config.Labels "com.docker.compose.service"}} {{.Config.Image}} {{.Image}} '
    "{{.Config.User}}'"
)
ROOT = ("", "0", "root")  # as an image may call who runs its processes


@dataclass(frozen=True)
class Image:
    """The image that a container runs.

    Attributes:
        name: its name for Compose.
        id: the id of what is in it.
        user: who runs its processes.
    """

    name: str
    id: str
    user: str = ""

    @property
    def is_roots(self) -> bool:
        """True if its processes are root's."""
        return self.user.partition(":")[0] in ROOT


Images = Mapping[str, Image]  # by service

# What the chat ran before each attempt, by the image's id. A wrong one may leave its own image on
# the machine, and the next one goes back to that of the notebook.
EARLIER: dict[str, Image] = {}


@exercise(
    "07b",
    "a new version for everybody, and back",
    untouched="`forward` was called, and all containers run the image that they ran before. What "
    "is a new version made of, and who is told of its digest?",
    failed="Your function ended with an error: {error}",
    unreachable="After your function, the machine does not do what it did before: {error}. Is it "
    "on, and does its Docker run?",
    unshown="`forward` is done after {took:.0f} s, and the page does not show {word!r}. Is the "
    "word in the image's index.html, and does `web` run that image?",
    no_image="The page shows the word, but all containers run the image of before. What happens "
    "to the word on another machine?",
    partly="{new} of {all} services run the new image. These don't: {others}. Two versions at once "
    "are what nobody has tested. Who decides which image a service gets?",
    by_tag="The new containers were made from {name}, which is no digest. If somebody pushes "
    "another image by that name, what does the next machine run?",
    root="All services run the new image, and as root: before, their user was {user}. Which line "
    "of a Dockerfile says who runs what, and how often may it stand there?",
    not_back="After `back`, these services don't run the image of before: {others}. Which name of "
    "it never changes its meaning?",
    still_shown="After `back`, all services run the image of before, and the page still shows "
    "{word!r}. What else did `forward` change?",
    closed="No new visitor comes in after `back`: {error}. What does `docker ps` on the machine "
    "say of the containers?",
    lost="{lost} of {said} messages that the chat had acknowledged are gone, {example!r} among "
    "them. A container may go; what must stay when it goes?",
)
async def released(
    answer: tuple[Callable[[str], Any], Callable[[], Any]],
    *,
    farm: Farm,
    site: Site,
    patience: float = PATIENCE,
) -> None:
    """Judge a new version, and the way back, by the containers and by the page."""
    forward, back = answer
    word = f"v{secrets.token_hex(4)}"
    before = await asyncio.to_thread(running, farm)
    EARLIER[before["web"].id] = before["web"]
    async with talking(site.url, site.trust) as talk:
        began = time.monotonic()
        with told("failed"):
            await called(forward, word)
        took = time.monotonic() - began
        with reached():
            now = await asyncio.to_thread(running, farm)
        _compare_new(before, now, await page(site), word, took)
        with told("failed"):
            await called(back)
        with reached():
            now = await asyncio.to_thread(running, farm)
        _compare_old(before, now, await page(site), word)
        try:
            lost = await talk.lost(patience)
        except Closed as error:
            raise Mistake("closed", error=error) from error
    if lost:
        raise Mistake("lost", lost=len(lost), said=len(talk.said), example=lost[0])


def running(farm: Farm) -> Images:
    """Return the images of all containers of the chat."""
    lines = (line.split() for line in farm.ssh(CHAT, LIST).splitlines())
    return {service: Image(*image) for service, *image in lines}


async def page(site: Site) -> str:
    """Return the page as a browser gets it; "" if there is none."""
    trusted = ssl.create_default_context(cafile=site.trust)
    async with httpx.AsyncClient(verify=trusted, trust_env=False) as client:
        try:
            return (await client.get(site.url)).text
        except httpx.HTTPError:
            return ""


def _compare_new(before: Images, now: Images, shown: str, word: str, took: float) -> None:
    of_the_chat = _of_the_chat(before)
    new = {name: now[name] for name in of_the_chat if name in now and now[name] != before[name]}
    others = sorted(of_the_chat - {name for name, image in new.items() if _differs(before, image)})
    if word not in shown:
        raise (
            Mistake("untouched")
            if took < AT_ONCE and not new
            else Mistake("unshown", took=took, word=word)
        )
    if len(others) == len(of_the_chat):
        raise Mistake("no_image")
    if others:
        counted = {"new": len(of_the_chat) - len(others), "all": len(of_the_chat)}
        raise Mistake("partly", **counted, others=", ".join(others))
    if tagged := [image.name for image in new.values() if DIGEST not in image.name]:
        raise Mistake("by_tag", name=tagged[0])
    users = [image.user for image in EARLIER.values() if not image.is_roots]
    if users and all(image.is_roots for image in new.values()):
        raise Mistake("root", user=users[0])


def _compare_old(before: Images, now: Images, shown: str, word: str) -> None:
    gone = Image("", "")
    ids = {name: now.get(name, gone).id for name in _of_the_chat(before)}
    others = [name for name, id in ids.items() if id not in EARLIER or id != ids["web"]]
    if others:
        raise Mistake("not_back", others=", ".join(sorted(others)))
    if word in shown:
        raise Mistake("still_shown", word=word)


def _of_the_chat(images: Images) -> set[str]:
    """Return the services that run the chat's own image, as `web` does."""
    return {name for name, image in images.items() if image.id == images["web"].id}


def _differs(before: Images, image: Image) -> bool:
    return image.id != before["web"].id
