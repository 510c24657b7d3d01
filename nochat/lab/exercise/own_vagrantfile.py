"""The exercise 05b: a Vagrantfile of one's own, whose machine serves a word."""

import asyncio
import re
import secrets
from pathlib import Path
from typing import Any

from nochat.lab import servers
from nochat.lab.exercise.boxed import MOST_SHOWN, Boxed
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.vagrant_runs import TIMEOUT, Ran
from nochat.local.processes import until

LINES = 25
ANSWER_SECONDS = 8.0  # in which a server answers, once its machine is up
WORDS = ("anchor", "bridge", "candle", "desert", "engine", "forest", "garden", "harbour")
INVALID = re.compile("^(Vagrantfile|ConfigInvalid|NoEnv|.*Config.*Bad)")
TAKEN = re.compile("port is already allocated|address already in use")


@exercise(
    "05b",
    "a Vagrantfile whose machine serves a word, and another one after the next provisioning",
    untouched="{file} has no line yet that says anything.",
    long="Your Vagrantfile has {lines} lines, and may have {most}. What of it does a default say?",
    invalid="Vagrant can't use your file: {error}",
    port="The port that your file asks for was taken, as it is where somebody else has it, too. "
    "`vagrant up` gave up: {error} May Vagrant take another one?",
    endless="`vagrant {command}` was stopped, as {error}. It waits for your script to "
    "end, and for all that hold its output. Which of its programs stays in the foreground, or has "
    "the output still?",
    failed="`vagrant {command}` failed: {error}",
    silent="The machine is up, and nothing answers at {where}. Does the server listen, also when "
    "your script has ended, and does a port of this computer lead to it?",
    constant="WORD was {word!r}, and {url} says {said!r}. On which of the two computers is `ENV` "
    "read, and how does the word get to the other one?",
    stale="After `vagrant provision` with WORD={word!r}, {url} still says {said!r}. Does the "
    "server read the word each time it is asked, or once?",
    appended="After `vagrant provision` with WORD={word!r}, {url} says {said!r}: the old word is "
    "still in there. What does your script do with what it finds?",
    twice="After a second provisioning the machine has {what}. What would be there after a "
    "hundred? How can a script tell that something is there already?",
    left="After `vagrant destroy -f` there is still {what}. Who would remove it?",
)
async def own_vagrantfile(answer: Any, **_: Any) -> None:
    """Judge a Vagrantfile in an empty folder: up, provisioned with another word, destroyed."""
    file = Path(str(answer)).expanduser().absolute()
    file = file / "Vagrantfile" if file.is_dir() else file
    _read(file)
    await asyncio.to_thread(_judge, file)


def _read(file: Path) -> None:
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()]
    if all(line.lstrip().startswith("#") for line in lines):
        raise Mistake("untouched", file=file)
    if len(lines) > LINES:
        raise Mistake("long", lines=len(lines), most=LINES)


def _judge(file: Path) -> None:
    servers.docker(quiet=True)
    boxed = Boxed(file)
    try:
        _live(boxed)
    finally:
        boxed.remove()


def _live(boxed: Boxed) -> None:
    """Make a machine and destroy it, and look at it in between."""
    first, second = _word(), _word()
    _must("up", boxed.run("up", taking=True, WORD=first))
    boxed.look()
    url, said = _served(boxed, "")
    if first not in said:
        raise Mistake("constant", word=first, url=url, said=said[:MOST_SHOWN])
    before = boxed.state()
    _must("provision", boxed.run("provision", WORD=second))
    url, said = _served(boxed, second)
    if second not in said:
        raise Mistake("stale", word=second, url=url, said=said[:MOST_SHOWN])
    if first in said:
        raise Mistake("appended", word=second, url=url, said=said[:MOST_SHOWN])
    if more := boxed.more_than(before):
        raise Mistake("twice", what=more)
    _must("destroy -f", boxed.run("destroy", "-f", WORD=second))
    if what := boxed.left():
        raise Mistake("left", what=what)


def _word() -> str:
    return f"{secrets.choice(WORDS)}-{secrets.randbelow(10**6):06}"


def _must(command: str, ran: Ran) -> None:
    if not ran.error:
        return
    if ran.error == TIMEOUT:
        raise Mistake("endless", command=command, error=ran.said)
    if INVALID.search(ran.error):
        raise Mistake("invalid", error=ran.said)
    if ran.error == "ForwardPortCollision" or TAKEN.search(ran.said):
        raise Mistake("port", error=ran.said)
    raise Mistake("failed", command=command, error=ran.said)


def _served(boxed: Boxed, word: str) -> tuple[str, str]:
    """Return what a port of this computer says, and its URL; wait for a word if one is given."""
    seen: dict[str, str] = {}

    def asked() -> bool:
        for url in boxed.urls:
            said = boxed.get(url)
            if said is not None:
                seen[url] = said
        return any(word in said for said in seen.values())

    until(asked, ANSWER_SECONDS if boxed.urls else 0)
    if not seen:
        where = ", ".join(boxed.urls) or "any port: none is forwarded but that of SSH"
        raise Mistake("silent", where=where)
    return max(seen.items(), key=lambda found: word in found[1])
