"""Exercise 07a: another password for MariaDB, while people talk."""

import asyncio
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import yaml

from nochat.lab.deploy import CHAT, DATABASE, Site
from nochat.lab.errors import MachinesError, NotAnswering
from nochat.lab.exercise.catalogue import Mistake, exercise, told
from nochat.lab.exercise.talking import PATIENCE, Closed, talking
from nochat.lab.folders import find_root
from nochat.lab.machines import Farm
from nochat.lab.passwords import new_password
from nochat.lab.servers.mariadb_server import look
from nochat.lab.surroundings import settled, with_programs

AT_ONCE = 1.0  # seconds: whoever is done by then has not run a playbook
ENCRYPTED = "$ANSIBLE_VAULT"
PORT = 3306
# What the service `users` is given. The second ends the connections that it has.
READ = "sudo cat /opt/nochat-stack/.secrets/users_url"
END = "sudo mariadb --execute \"KILL USER '{}'\""


@dataclass(frozen=True)
class Opens:
    """The passwords that open the database from the chat's machine, old and new.

    Attributes:
        old: the one of before.
        new: the one that the answer was given.
        used: the URL by which the services find it now.
    """

    old: bool
    new: bool
    used: SplitResult

    @property
    def user(self) -> str:
        """The account that the services use now."""
        return str(self.used.username)


@exercise(
    "07a",
    "another password for MariaDB, while people talk",
    untouched="`rotate` was called, and nothing happened: the old password opens the database, the "
    "new one does not. Where do the playbooks read passwords, and who runs them?",
    failed="`rotate` ended with an error: {error}",
    unreachable="After `rotate`, a machine does not do what it did before: {error}. What did the "
    "playbook change there, and did it run to its end?",
    down="After `rotate`, MariaDB does not answer the chat's machine: {error}. What does "
    "`sudo systemctl status mariadb` say on its own?",
    unchanged="`rotate` took {took:.0f} s, and MariaDB still opens with the old password, not with "
    "the new one. The services come in, so they have the old one, too. Was the secret changed "
    "before the playbook ran, and did it run on the machine of the database?",
    other_machine="MariaDB opens with the old password alone, and no new visitor comes in: "
    "{error}. The services were told of the new one. Who else keeps it?",
    one_machine="MariaDB opens with the new password, and the old one is refused. But when we "
    "ended the connections of the services, they could not log in again: {error}. An open "
    "connection asks for no password. Who has read the new one?",
    another="MariaDB opens neither with the old password nor with the new one, {length} characters "
    "that `rotate` was given. Which one does it know now?",
    second="The new password opens the account {user!r}, and the old one still opens {old!r}. "
    "Whoever has stolen it won't mind that there are two. What must be gone?",
    forgotten="All is well on both machines. But the file of the secrets has another password for "
    "MariaDB than the one that `rotate` was given. What does the next run of the playbook do?",
    bare="Both machines know the new password, and so does everybody who can read {file}: it is "
    "not encrypted any more. What makes it secret again?",
    lost="{lost} of {said} messages that the chat had acknowledged are gone, {example!r} among "
    "them. Whoever changes a password need not touch the stores. What was removed?",
)
async def rotated(
    answer: Callable[[str], Any], *, farm: Farm, site: Site, patience: float = PATIENCE
) -> None:
    """Judge a change of the database's password by who may log in afterwards."""
    old, new = await asyncio.to_thread(_used, farm), new_password()
    async with talking(site.url, site.trust) as talk:
        began = time.monotonic()
        with told("failed"):
            await called(answer, new)
        took = time.monotonic() - began
        with reached():
            opens = await asyncio.to_thread(_opens, farm, old, new)
        if opens.used == old and not opens.new and took < AT_ONCE:
            raise Mistake("untouched")
        with reached():
            await asyncio.to_thread(farm.ssh, DATABASE, END.format(opens.user))
        try:
            lost = await talk.lost(patience)
        except Closed as error:
            raise _closed(opens, new, str(error)) from error
    _compare(opens, str(old.username), new, took)
    if lost:
        raise Mistake("lost", lost=len(lost), said=len(talk.said), example=lost[0])
    await asyncio.to_thread(_compare_kept, new)


async def called(answer: Callable[..., Any], *given: Any) -> None:
    """Call a student's function, beside what goes on meanwhile; it may be a coroutine function."""
    returned = await asyncio.to_thread(answer, *given)
    if inspect.isawaitable(returned):
        await returned


@contextmanager
def reached() -> Iterator[None]:
    """Name it as a mistake if a machine can't be asked after the answer was run."""
    try:
        yield
    except MachinesError as error:
        raise Mistake("unreachable", error=error) from error


def _used(farm: Farm) -> SplitResult:
    """Return the URL by which the services find the database."""
    return urlsplit(farm.ssh(CHAT, READ).strip())


def _opens(farm: Farm, old: SplitResult, new: str) -> Opens:
    """Try both passwords where alone the database lets anybody in: from the chat's machine."""
    used = _used(farm)
    with farm.tunnel(CHAT, PORT, to=str(old.hostname)) as tunnel:

        def opens(name: str, password: str) -> bool:
            try:
                look(f"{old.scheme}://{name}:{password}@127.0.0.1:{tunnel.port}{old.path}")
            except NotAnswering as reason:
                if "refuses" in str(reason):
                    return False
                raise Mistake("down", error=reason) from None
            return True

        of_before = opens(str(old.username), str(old.password))
        return Opens(of_before, opens(str(used.username), new), used)


def _closed(opens: Opens, new: str, error: str) -> Mistake:
    """Return the mistake of a change after which nobody new comes in."""
    if opens.new and not opens.old:
        return Mistake("one_machine", error=error)
    if opens.old:
        return Mistake("other_machine", error=error)
    return Mistake("another", length=len(new))


def _compare(opens: Opens, old: str, new: str, took: float) -> None:
    if opens.new and opens.old:
        raise Mistake("second", user=opens.user, old=old)
    if opens.old:
        raise Mistake("unchanged", took=took)
    if not opens.new:
        raise Mistake("another", length=len(new))


def _compare_kept(new: str) -> None:
    """Look at what the next run of a playbook would read."""
    folder = find_root() / "playbooks"
    asked = [sys.executable, str(folder / "secrets")]
    path = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    kept = Path(path).read_text(encoding="utf-8")
    is_encrypted = kept.startswith(ENCRYPTED)
    if is_encrypted:
        view = ["ansible-vault", "view", path]
        settings = with_programs(settled(os.environ))
        settings["ANSIBLE_CONFIG"] = str(folder / "ansible.cfg")
        kept = subprocess.run(view, env=settings, capture_output=True, text=True, check=True).stdout
    if yaml.safe_load(kept).get("mariadb_password") != new:
        raise Mistake("forgotten")
    if not is_encrypted:
        raise Mistake("bare", file=path)
