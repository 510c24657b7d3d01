"""The exercise 06a: an image of one's own, built twice, run, and searched for a secret."""

import asyncio
import hashlib
import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import httpx
from docker.models.containers import Container
from docker.models.images import Image

from nochat.lab.containers import ContainersError, Mine, client, commands
from nochat.lab.exercise import saved
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.context import FOLDER, MOST_LINES, own_file, reasons
from nochat.local.processes import until

SECONDS = 20.0  # for the page to answer
MEGA = 1_000_000
MORE = 6 * MEGA  # that the image may be bigger than its base
AGAIN = MEGA // 2  # that a change of one line may cost
PORT = "8080/tcp"


@exercise(
    "06a",
    "an image of your own: small, quick to rebuild, without the secret, and not run by root",
    untouched="Your image is its base and nothing else. Which files does `serve` need beside it, "
    "and what has to run before?",
    build="The build failed. It ended with: {error}",
    layer="The token is in the image, in a layer. Whoever gets the image finds it with `docker "
    "save`, even if a later line removes the file. How can a `RUN` read what is never copied?",
    history="The token is in what `docker history` and `docker inspect` tell of the image. Which "
    "lines of a Dockerfile are written there, with their values?",
    big="Your image is {more} MB bigger than its base, and {limit} would do. What does `install` "
    "leave that nobody needs, and what happens to a file that a later line removes?",
    ended="Your container ended at once, with status {status}. Its last lines: {log}",
    port="Your container runs, and nobody answers on its port 8080. It says: {log}",
    root="A process of your container runs as root: {process}. Which line says who it is?",
    answer="GET / on port 8080 answered {got!r}. It should be the page of `serve`, with the text "
    "in it: {text!r}.",
    again="One line of `serve` changed, and {new} of {all} layers are new, with {size} MB. In "
    "which order do your lines stand: which file changes often, and which seldom?",
    failed="There is nothing to build: {error}",
)
async def own_image(answer: object, *, base: str = "nochat") -> None:
    """Judge a Dockerfile, or its folder, with sources and a secret of its own."""
    await asyncio.to_thread(_judge, _recipe(answer), base)


def _recipe(answer: object) -> Path:
    folder = isinstance(answer, str | Path) and Path(answer).expanduser().is_dir()
    return own_file(f"{answer}/Dockerfile" if folder else answer)


@dataclass(frozen=True)
class Context:
    """A folder for a build, with the secret in it, and the label of what is made of it."""

    folder: Path
    recipe: Path
    base: str
    label: str
    token: str
    salt: str

    def write(self, text: str) -> None:
        """Write all files, with another text of the page."""
        for name, key, value in (("install", "SALT", self.salt), ("serve", "TEXT", text)):
            code = (FOLDER / name).read_text(encoding="utf-8")
            code = re.sub(rf"^{key} = .*$", f"{key} = {value!r}", code, flags=re.MULTILINE)
            (self.folder / name).write_text(code, encoding="utf-8")
        (self.folder / "token").write_text(self.token, encoding="utf-8")
        shutil.copy(self.recipe, self.folder / "Dockerfile")

    def build(self, text: str) -> Image:
        """Build an image of the page with a text."""
        self.write(text)
        name = f"nochat-judged:{secrets.token_hex(4)}"
        command = ["docker", "build", f"--tag={name}", f"--label={self.label}"]
        command += [f"--build-arg=BASE_IMAGE={self.base}", f"--build-arg=TOKEN={self.token}"]
        command += [f"--secret=id=token,src={self.folder / 'token'}", str(self.folder)]
        try:
            commands.run(command, commands.environment())
        except ContainersError as error:
            said = "\n".join(reasons(error)[-MOST_LINES:]).replace(self.token, "…")
            raise Mistake("build", error=said) from None
        return client().images.get(name)

    @property
    def licence(self) -> str:
        """The proof on the page that it was installed with the token."""
        return hashlib.sha256(f"{self.salt} {self.token}".encode()).hexdigest()


def _judge(recipe: Path, base: str) -> None:
    text, other = (f"Page {secrets.token_hex(6)}" for _ in range(2))
    with Mine() as mine, tempfile.TemporaryDirectory(prefix="nochat-judge-") as folder:
        given = (mine.label, secrets.token_urlsafe(24), secrets.token_hex(8))
        context = Context(Path(folder), recipe, base, *given)
        below = _base(base)
        first = context.build(text)
        if first.attrs["RootFS"]["Layers"] == below.attrs["RootFS"]["Layers"]:
            raise Mistake("untouched")
        _search(first, context.token)
        more = first.attrs["Size"] - below.attrs["Size"]
        if more > MORE:
            raise Mistake("big", more=round(more / MEGA), limit=MORE // MEGA)
        _use(first, context, text)
        _compare(first, context.build(other))


def _base(name: str) -> Image:
    """Return the base image; where the builder alone has it, fetch it."""
    try:
        return client().images.get(name)
    except docker.errors.ImageNotFound:
        repository, _, tag = name.partition(":")
        return client().images.pull(repository, tag=tag or "latest")


def _search(image: Image, token: str) -> None:
    if token in json.dumps([image.attrs, image.history()]):
        raise Mistake("history")
    if saved.look(image, token.encode()).found:
        raise Mistake("layer")


def _compare(first: Image, second: Image) -> None:
    """Compare two builds: of the second one, only the layers from the change on are new."""
    before, after = (image.attrs["RootFS"]["Layers"] for image in (first, second))
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), len(after))
    new = saved.look(second, b"-").layers[same:]
    if sum(new) > AGAIN:
        raise Mistake("again", new=len(new), all=len(after), size=round(sum(new) / MEGA, 1))


# ---- The container ------------------------------------------------------------------------------


def _use(image: Image, context: Context, text: str) -> None:
    """Start a container, ask it for its page, and look at its processes."""
    with _running(image, context.label) as container:
        got = _page(container)
        try:
            first, _, rest = got.partition("\n")
            installed = json.loads(rest)
            right = first == text and installed["licence"] == context.licence
        except (ValueError, KeyError, TypeError):
            right = False
        if not right:
            raise Mistake("answer", got=got[:200], text=text)
        for user, process in _processes(container):
            if user == "0":
                raise Mistake("root", process=process)


@contextmanager
def _running(image: Image, label: str) -> Iterator[Container]:
    name, _, value = label.partition("=")
    ports = {PORT: ("127.0.0.1", None)}
    try:
        container = client().containers.run(
            image.id, detach=True, init=False, ports=ports, labels={name: value}, mem_limit="256m"
        )
    except docker.errors.APIError as error:
        raise Mistake("ended", status="none", log=error.explanation) from None
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _page(container: Container) -> str:
    """Return what GET / on port 8080 answers."""
    got: list[str] = []

    def settled() -> bool:
        container.reload()
        if container.status == "exited":
            return True
        published = container.ports.get(PORT) or []
        got.extend(answer for port in published[:1] if (answer := _get(int(port["HostPort"]))))
        return bool(got)

    until(settled, SECONDS, pause=0.1)
    log = container.logs(tail=5).decode(errors="replace").strip()
    if got:
        return got[0]
    if container.status == "exited":
        raise Mistake("ended", status=container.attrs["State"]["ExitCode"], log=log)
    raise Mistake("port", log=log or "nothing")


def _get(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False).text
    except httpx.HTTPError:
        return ""


def _processes(container: Container) -> Iterator[tuple[str, str]]:
    """List the user's number and the command of each process, as the host sees them."""
    for user, _, process in container.top(ps_args="-eo uid,pid,args")["Processes"]:
        yield user, process
