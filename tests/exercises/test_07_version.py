"""Exercise 07b on containers of a few megabytes: right answers pass, and mistakes are named.

Containers that do nothing stand for the services on the machine, in a real Docker Engine and with
digests of a real registry. What their `web` would show is the label of its image. The people talk
in a real chat, of one process. tests/machines/test_final.py judges the notebook's own solution, and
a mistake, on its machines.
"""

import secrets
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from nochat.lab import chat, exercise, servers
from nochat.lab.exercise import version
from nochat.lab.exercise.catalogue import find
from tests.exercises.small import forget, run
from tests.exercises.solutions import stub
from tests.images import small_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
OURS = ("web", "users")


def docker(*arguments):
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


class Small:
    """The machine of the chat, and its registry.

    Attributes:
        patched: what `web` shows without an image that has it.
        on: whether anybody can reach it.
    """

    def __init__(self, registry, config):
        self.project = f"small-{secrets.token_hex(4)}"
        self.base = small_image(f"{registry.address}/{self.project}", "/bin/sleep")
        self._config, self.patched, self.on = str(config), "", True
        registry.login(config)
        self.chat = chat.start()
        self.site = SimpleNamespace(url=self.chat.url, trust=None)
        self.old = self.push("old")
        self.roll(self.base, "rabbitmq")
        self.roll(self.old)

    def push(self, word, user="10001:10001"):
        """Make an image with a label, and return its name by digest."""
        container = docker("create", "--network=none", self.base, "sleep")
        changes = (f"--change={line}" for line in (f"LABEL word={word}", f"USER {user}"))
        docker("commit", *changes, container, self.tag)
        docker("rm", container)
        docker("--config", self._config, "push", "--quiet", self.tag)
        return docker("inspect", "--format", "{{index .RepoDigests 0}}", self.tag)

    @property
    def tag(self):
        return f"{self.base}:1"

    def roll(self, image, *services):
        """Make the containers of services anew, from an image."""
        for service in services or OURS:
            name = f"{self.project}-{service}"
            docker("rm", "--force", name)
            of = (f"project={self.project}", f"service={service}")
            labels = (f"--label=com.docker.compose.{label}" for label in of)
            docker("run", "-d", "--network=none", f"--name={name}", *labels, image, "sleep", "600")

    def ssh(self, _, command):
        """Run a command of the judge's here, where the project has another name."""
        here = command.replace("sudo ", "").replace("project=nochat", f"project={self.project}")
        return run(here if self.on else "exit 255")

    async def page(self, _):
        """What the page shows: what is in the image of `web`."""
        seen = "{{.Config.Labels.word}}"
        return docker("inspect", "--format", seen, f"{self.project}-web") + self.patched

    def stop(self):
        self.chat.stop()
        docker("rm", "--force", *(f"{self.project}-{name}" for name in (*OURS, "rabbitmq")))
        # By name: of ids, an image that others are made of could not go before them.
        names = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
        listed = docker("images", "--digests", "--format", names, self.base).split()
        docker("rmi", "--force", *dict.fromkeys(n for n in listed if "<none>" not in n))


@pytest.fixture(scope="module")
def small(docker_engine, tmp_path_factory) -> Iterator[Small]:
    with servers.registry(quiet=True) as registry:
        registry.trust(docker_engine)
        made = Small(registry, tmp_path_factory.mktemp("config"))
        yield made
        made.stop()


@pytest.fixture(autouse=True)
def _as_before(small, monkeypatch):
    monkeypatch.setattr(version, "page", small.page)
    yield
    small.patched, small.on = "", True
    if not small.chat.processes["nochat"].alive:
        small.chat.restart("nochat")


def released(small, *services, back=True):
    """Answers by digest, for some services or all; by default there and back."""
    before = small.old

    def forward(word):
        small.old = small.push(word)
        small.roll(small.old, *services)

    def again():
        if back:
            small.old = before
            small.roll(before, *services)

    return forward, again


def otherwise(small):
    """Coroutine functions, and the way back by another name of the same image."""
    forward, back = released(small)
    docker("tag", small.old, f"{small.base}:before")

    async def there(word):
        forward(word)

    async def here():
        back()
        small.roll(f"{small.base}:before")

    return there, here


def raises(small):
    return lambda word: small.nothing(word), list


def shuts_down(small):
    return lambda word: setattr(small, "on", False), list


def shows_another_word(small):
    forward, back = released(small)
    return lambda word: forward("another"), back


def patches_the_page(small):
    return lambda word: setattr(small, "patched", word), list


def by_tag(small):
    def forward(word):
        small.push(word)
        small.roll(small.tag)

    return forward, lambda: small.roll(small.old)


def stays_root(small):
    _, back = released(small)
    return lambda word: small.roll(small.push(word, "0")), back


def patches_it_too(small):
    forward, back = released(small)
    return lambda word: (forward(word), setattr(small, "patched", word)), back


def kills_the_chat(small):
    forward, back = released(small)
    return forward, lambda: (back(), small.chat.kill("nochat"))


def forgets(small):
    forward, back = released(small)
    return forward, lambda: (back(), forget(small.chat))


WRONG = {
    "untouched": lambda _: (stub("07b")["forward"], stub("07b")["back"]),
    "failed": raises,
    "unreachable": shuts_down,
    "unshown": shows_another_word,
    "no_image": patches_the_page,
    "partly": lambda small: released(small, "web"),
    "by_tag": by_tag,
    "root": stays_root,
    "not_back": lambda small: released(small, back=False),
    "still_shown": patches_it_too,
    "closed": kills_the_chat,
    "lost": forgets,
}


async def judged(answer, small):
    return await exercise.check("07b", answer, farm=small, site=small.site, patience=3)


@pytest.mark.parametrize("answer", [released, otherwise])
async def test_another_way_there_and_back_passes(answer, small):
    verdict = await judged(answer(small), small)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_in_a_release_is_named(mistake, small):
    verdict = await judged(WRONG[mistake](small), small)
    assert verdict.mistake == mistake, verdict


async def test_after_a_wrong_attempt_a_right_one_goes_back_to_the_notebooks_image(small):
    first = small.old
    assert (await judged(stays_root(small), small)).mistake == "root"
    forward, _ = released(small)
    verdict = await judged((forward, lambda: small.roll(first)), small)
    assert verdict.passed, verdict
    assert (await judged(stays_root(small), small)).mistake == "root"


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG} == {*find("07b").mistakes}
