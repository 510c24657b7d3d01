"""The exercise 05a: a third machine, in a working copy of the project."""

import asyncio
import functools
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from nochat.lab import servers
from nochat.lab.exercise import vagrant_runs
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.vagrant_runs import Seen
from nochat.lab.surroundings import ROOT

NAME, LIKE, GROUP = "spare-host", "database-host", "database"
PLACES = 16  # addresses of a checkout


@exercise(
    "05a",
    "a third machine, provisioned as the one with the database is",
    original="{folder} is the project itself, whose machines run. What would Vagrant make "
    "of it now? Change a copy, and leave this one as it is.",
    elsewhere="{name} is in the project itself, {root}, and belongs in your copy, {folder}. A name "
    "without a folder, such as `Vagrantfile`, is a file of the project: this notebook works there. "
    "Undo the change, by `git checkout Vagrantfile`, and write in the copy.",
    no_copy="There is no Vagrantfile in {folder}. Is that your working copy?",
    untouched="`vagrant status` in your copy lists {names}: no machine is new. Which lines of the "
    "Vagrantfile say which machines there are?",
    failed="`vagrant status` fails in your copy: {error}",
    missing="`vagrant status` in your copy lists {names}, and {missing} is not there any more. "
    "Whoever runs it now has no way to halt or destroy that machine.",
    name="Your copy has a new machine {new}. The team wants it to be called {name}.",
    playbook="Vagrant would run {playbooks} on {name}, and {wanted} on {like}. What says which "
    "playbook a machine gets?",
    group="{name} gets the playbook {playbook}, which speaks to the group {group!r}. In your copy, "
    "{members} is in there. Where are the groups?",
    no_address="{name} has no address in the private network. How does {like} get its own?",
    same_address="{name} and {other} both have the address {address}. Which of them would answer?",
    moved="With your change, {other} has the address {now} of its network, and before it had "
    "{before}. Machines that run would not follow. How do addresses depend on the list?",
)
async def third_machine(answer: Any, **_: Any) -> None:
    """Judge a working copy by what Vagrant makes of its Vagrantfile."""
    await asyncio.to_thread(_judge, Path(str(answer)).expanduser().resolve())


def _judge(folder: Path) -> None:
    if folder == ROOT:
        raise Mistake("original", folder=folder)
    if not (folder / "Vagrantfile").exists():
        raise Mistake("no_copy", folder=folder)
    servers.docker(quiet=True)  # Vagrant asks it for the state of its machines
    before, now = _listed(ROOT, (ROOT / "Vagrantfile").read_bytes()), _machines(folder)
    names = ", ".join(now)
    if NAME in before:
        raise Mistake("elsewhere", name=NAME, root=ROOT, folder=folder)
    if gone := [name for name in before if name not in now]:
        raise Mistake("missing", names=names, missing=gone[0])
    new = [name for name in now if name not in before]
    if not new:
        raise Mistake("untouched", names=names)
    if NAME not in new:
        raise Mistake("name", new=new[0], name=NAME)
    _compare_playbook(now)
    _compare_addresses(before, now)


@functools.cache
def _listed(root: Path, _text: bytes) -> dict[str, Seen]:
    return _machines(root)


def _machines(folder: Path) -> dict[str, Seen]:
    """Return the machines that `vagrant status` lists."""
    with tempfile.TemporaryDirectory(prefix="nochat-judge-") as notes:
        ran = vagrant_runs.run(folder, Path(notes), "status")
    if ran.error:
        raise Mistake("failed", error=ran.said)
    listed = {name for name, kind, _ in ran.lines if kind == "state"}
    return {name: seen for name, seen in ran.machines.items() if name in listed}


def _compare_playbook(now: dict[str, Seen]) -> None:
    played = {name: _names(now[name]) for name in (NAME, LIKE)}
    if played[NAME] != played[LIKE]:
        told = {"playbooks": _listing(played[NAME]), "wanted": _listing(played[LIKE])}
        raise Mistake("playbook", **told, name=NAME, like=LIKE)
    for each in now[NAME].playbooks:
        members = each["groups"].get(GROUP, [])
        if NAME not in members:
            told = {"name": NAME, "group": GROUP, "members": _listing(members)}
            raise Mistake("group", **told, playbook=Path(each["playbook"]).name)


def _names(machine: Seen) -> list[str]:
    return [Path(each["playbook"]).name for each in machine.playbooks]


def _listing(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _compare_addresses(before: dict[str, Seen], now: dict[str, Seen]) -> None:
    own = now[NAME].address
    if not own:
        raise Mistake("no_address", name=NAME, like=LIKE)
    for other, seen in now.items():
        if other != NAME and seen.address == own:
            raise Mistake("same_address", name=NAME, other=other, address=own)
    for other, seen in before.items():
        places = [_place(each.address) for each in (seen, now[other])]
        if places[0] != places[1]:
            raise Mistake("moved", other=other, before=places[0], now=places[1])


def _place(address: str) -> str:
    """Return which of its network's addresses it is: each checkout has a network of its own."""
    return f"number {int(ip_address(address)) % PLACES}" if address else "none"
