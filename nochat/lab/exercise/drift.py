"""Exercise 04c: faults that nobody wrote down are found, and put right."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from nochat.lab import verify
from nochat.lab.errors import CheckFailed
from nochat.lab.exercise import faults
from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.plays import play
from nochat.lab.machines import Farm

PLAYBOOKS = ("servers.yml", "app.yml")
PRIVATE = (4369, 5672, 15672, 25672, 3306, 27017)
PATIENCE = 60.0  # seconds in which the chat is to answer


@exercise(
    "04c",
    "three faults that nobody wrote down are found, and put right",
    untouched="{count} faults wait for you on {host}. Name their causes, such as "
    "{{'stopped', 'open'}}.",
    unknown="{name!r} is none of the causes. They are: {known}",
    left="Of the {count} faults, {left} can still be seen on {host}. What did both playbooks say "
    "when you ran them to their ends?",
    dead="Nobody can chat at {url}: {error}",
    open="An intruder would find an open door at {host}: {error}",
    missing="The machine is as it should be. But of its {count} faults you named {found} alone. "
    "What did each changed task of the playbooks put right?",
    invented="You named {names}, and that was not so. Which task would have changed, or which "
    "command would have shown it?",
    drift="The chat works, and no fault is left. Yet a playbook changed {host} again: {tasks}. "
    "Somebody repaired by hand, and not to the state that the playbook asks for.",
    failed="Ansible ended with an error: {error}",
)
async def repaired(
    answer: Iterable[str],
    *,
    broken: faults.Broken,
    farm: Farm,
    url: str = "",
    playbooks: Sequence[str] = PLAYBOOKS,
    patience: float = PATIENCE,
) -> None:
    """Judge a machine that was broken by `faults.draw`, and the names of the causes."""
    named = _named(answer, broken)
    left = await asyncio.to_thread(faults.find, farm, broken.host, broken.among)
    if left := left & broken.causes:
        seen = {"count": len(broken.causes), "left": len(left), "host": broken.host}
        raise Mistake("left", **seen)
    await _use(farm, broken.host, url, patience)
    if invented := named - broken.causes:
        raise Mistake("invented", names=_listed(invented))
    if named != broken.causes:
        raise Mistake("missing", count=len(broken.causes), found=len(named))
    for playbook in playbooks:
        changed = await asyncio.to_thread(play, playbook, farm.inventory, limit=broken.host)
        if tasks := changed.get(broken.host):
            raise Mistake("drift", host=broken.host, tasks=", ".join(tasks))


def _named(answer: Any, broken: faults.Broken) -> set[str]:
    if answer is None or answer is ...:
        raise Mistake("untouched", count=len(broken.causes), host=broken.host)
    if isinstance(answer, str):
        answer = [name.strip() for name in answer.split(",")]
    named = {*map(str, answer)} if isinstance(answer, Iterable) else {str(answer)}
    for name in named - broken.among.keys():
        raise Mistake("unknown", name=name, known=_listed(broken.among))
    return named


async def _use(farm: Farm, host: str, url: str, patience: float) -> None:
    """Use the chat as two people, and try the machine's ports as an intruder."""
    try:
        await asyncio.to_thread(verify.closed, farm.reach(host), PRIVATE)
    except CheckFailed as error:
        raise Mistake("open", host=host, error=error) from None
    try:
        if url:
            await verify.chat(url, patience=patience)
    except CheckFailed as error:
        raise Mistake("dead", url=url, error=error) from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
