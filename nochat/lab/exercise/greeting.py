"""Exercise 04a: a file that is as a variable says, however often it is set."""

import asyncio
import secrets
from pathlib import Path

from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.plays import as_root, play
from nochat.lab.machines import Farm

MOTD, DEFAULT = "/etc/motd", "NoChat"


@exercise(
    "04a",
    "each machine greets with its own name, and with an owner that a variable sets",
    untouched="After a run of your playbook, /etc/motd of {host} is as it was before. "
    "Which of your tasks writes it, and on which machines?",
    failed="Ansible ended with an error: {error}",
    appended="/etc/motd of {host} has the greeting, and other lines too: {text!r}. Is your task "
    "about one line of the file, or about all of it?",
    nameless="{host} says {text!r}, without its own name. Both machines get the same text. Which "
    "variable is different for each machine of an inventory?",
    ignored="greeting_owner was {owner!r}, and {host} says {text!r}. Where does the name in your "
    "text come from?",
    other="{host} says {text!r}, and {wanted!r} was asked for. Compare the two, letter by letter.",
    repeats="Nothing was different, and a second run changed {host} again: {tasks}. Does that "
    "task look before it acts?",
    acts="With --check, /etc/motd of {host} became {text!r}. Which of your tasks acts, where it "
    "should only look?",
    silent="With --check, Ansible announced no change of {host}, and the run after it changed "
    "/etc/motd. Can Ansible know what your task is going to do?",
)
async def greets(answer: str | Path, *, farm: Farm) -> None:
    """Judge a playbook on all machines, with owners of the judge's."""
    await asyncio.to_thread(_judge, answer, farm)


def _judge(playbook: str | Path, farm: Farm) -> None:
    if not isinstance(playbook, str | Path):
        raise Mistake("untouched", host=next(iter(farm.hosts)))
    owner = f"owner-{secrets.token_hex(3)}"
    old = f"Welcome, {secrets.token_hex(3)}!\nThe kitchen is closed.\n"
    for host in farm.hosts:
        as_root(farm, host, f"printf '{old}' >{MOTD}")
    play(playbook, farm.inventory)
    _compare(farm, DEFAULT, old)
    announced = play(playbook, farm.inventory, check=True, greeting_owner=owner)
    for host in farm.hosts:
        text = _read(farm, host)
        if text.strip() != _wanted(host, DEFAULT):
            raise Mistake("acts", host=host, text=text)
    play(playbook, farm.inventory, greeting_owner=owner)
    _compare(farm, owner, old)
    for host in farm.hosts:
        if not announced.get(host):
            raise Mistake("silent", host=host)
    for host, tasks in play(playbook, farm.inventory, greeting_owner=owner).items():
        raise Mistake("repeats", host=host, tasks=", ".join(tasks))


def _compare(farm: Farm, owner: str, old: str) -> None:
    for host in farm.hosts:
        text, wanted = _read(farm, host), _wanted(host, owner)
        if text.strip() == wanted:
            continue
        if text == old:
            raise Mistake("untouched", host=host)
        if wanted in text.splitlines():
            raise Mistake("appended", host=host, text=text)
        if owner not in text:
            raise Mistake("ignored", host=host, owner=owner, text=text)
        if host not in text:
            raise Mistake("nameless", host=host, text=text)
        raise Mistake("other", host=host, text=text, wanted=wanted)


def _wanted(host: str, owner: str) -> str:
    return f"{host} belongs to {owner}"


def _read(farm: Farm, host: str) -> str:
    return as_root(farm, host, f"cat {MOTD}")
