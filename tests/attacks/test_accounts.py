"""Accounts: a crowd at the door, passwords guessed first, and who may read what is kept."""

import asyncio
import os
import re
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from nochat.lab import chat as lab_chat
from nochat.lab import checks
from nochat.lab.logz import Listener
from nochat.lab.people import Person

pytestmark = pytest.mark.slow

CROWD = 56
MEMORY = 192  # MiB beside what it had: two hashes at a time, and the crowd's connections
SOON = 3.0  # seconds, on a busy machine; a tenth of it on a quiet one


def most_memory(pid: int) -> int:
    """The most that a process ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024


async def log_in(http, url, account):
    """Returns the status, what is said, and after how many seconds to try again."""
    async with http.post(f"{url}/api/login", json=account) as response:
        said = await response.json()
        return response.status, said.get("error"), response.headers.get("Retry-After")


async def test_a_crowd_at_the_door_is_served_or_told_to_wait_and_others_notice_nothing(chat):
    pid = chat.processes[lab_chat.TOGETHER].pid
    async with Person("ana", chat.url) as ana, aiohttp.ClientSession() as http:
        account = {"user": "ana", "password": ana.password}
        await log_in(http, chat.url, account)
        before = most_memory(pid)
        crowd = [asyncio.create_task(log_in(http, chat.url, account)) for _ in range(CROWD)]
        waited = []
        while not all(task.done() for task in crowd):
            began = time.monotonic()
            assert (await ana.asks("/api/me"))["user"] == "ana"
            waited.append(time.monotonic() - began)
        answers = [await task for task in crowd]
    served = [answer for answer in answers if answer[0] == 200]
    told = [answer for answer in answers if answer[0] != 200]
    assert served
    assert set(told) <= {(503, "many people are logging in at this moment; try again", "1")}
    assert max(waited) < SOON
    assert most_memory(pid) - before < MEMORY


async def test_a_delayed_log_in_succeeds_after_the_wait(chat):
    """As the page and programs do that heed `Retry-After`."""
    people = [Person(f"late{number}", chat.url) for number in range(20)]
    try:
        await asyncio.gather(*(person.arrive() for person in people))
    finally:
        await asyncio.gather(*(person.leave() for person in people))


GUESSED_FIRST = [
    "password1",
    "P@ssw0rd",
    "Dragon2026!",
    "12345678",
    "qwertyuiop",
    "ｐａｓｓｗｏｒｄ",
    "aaaaaaaaaaaa",
    "abcdefghijkl",
    "weakling1",
    "Weakling-2026",
    "nochat2026",
    "contraseña",
]


async def test_a_password_that_is_guessed_first_is_not_taken(chat):
    async with Person("weakling", chat.url) as weak:
        for password in GUESSED_FIRST:
            change = {"old": weak.password, "new": password}
            account = {"user": "weakling", "password": password}
            for path, sent in (("password", change), ("register", account)):
                status, said = await weak._ask("POST", f"/api/{path}", sent)
                assert (status, "easy to guess" in said["error"]) == (422, True), password


async def test_a_long_password_keeps_nobody_busy(chat):
    """What estimates how hard a password is to guess takes half a minute for this one."""
    async with Person("ana", chat.url) as ana:
        hard = "4@8({[<369&#!1|0$5+7%2" * 11
        crowd = [
            asyncio.create_task(
                ana._ask("POST", "/api/register", {"user": f"hard{n}", "password": hard})
            )
            for n in range(3)
        ]
        began = time.monotonic()
        await ana.asks("/api/me")
        assert time.monotonic() - began < SOON
        await asyncio.gather(*crowd)


async def test_a_password_typed_as_a_name_does_not_leave_the_chat(attacked, tmp_path, monkeypatch):
    """It may be the password, in the wrong field."""
    listener = Listener(tmp_path, "the token")
    monkeypatch.setenv("SSL_CERT_FILE", str(listener.certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    listener.start()
    typed = "my-own-secret-words"
    try:
        async with (
            attacked(logz_url=listener.url, logz_token="the token") as url,
            Person("ana", url) as ana,
        ):
            for name in (typed, "ANA"):
                given = {"user": name, "password": "a wrong password"}
                assert (await ana._ask("POST", "/api/login", given))[0] == 401
            wanted = "user.log-in-failed"

            def failed():
                return [line["user"] for line in listener.lines if line["event"] == wanted]

            assert await checks.until(lambda: len(failed()) == 2)
            assert failed() == ["", "ana"]
            assert typed not in str(listener.lines)
    finally:
        listener.stop()


def uses(folder):
    """When each user's session was last used, as the database has it."""
    with closing(sqlite3.connect(folder / "users.db")) as database:
        rows = "SELECT name, used FROM users JOIN sessions ON user_id = users.id"
        return dict(database.execute(rows).fetchall())


def seen(person, how):
    """Return who came or went, as somebody was told."""
    changes = [data for event, data in person.told if event == "presence"]
    return [name for change in changes for name in change[how]]


async def test_an_open_socket_keeps_its_session_and_one_that_nobody_uses_ends(
    attacked, tmp_path, monkeypatch
):
    passed, real = [0.0], time.time
    clock = SimpleNamespace(time=lambda: real() + passed[0])
    monkeypatch.setattr("nochat.stores.users.time", clock)
    monkeypatch.setattr("nochat.services.gateway.sockets.REPORT_EVERY", 0.05)
    monkeypatch.setattr("nochat.services.gateway.sessions_in_use.EVERY", 0.05)
    async with (
        attacked(idle_hours=2) as url,
        Person("ana", url) as ana,
        Person("bob", url) as bob,
    ):
        await ana.until(lambda: "bob" in seen(ana, "came"))
        await bob.disconnect()
        await ana.until(lambda: "bob" in seen(ana, "went"))
        for hours in (0.4, 1.2, 1.2):  # the first report may have been on its way, with Bob in it
            passed[0] += hours * 3600
            assert await checks.until(lambda: uses(tmp_path)["ana"] > clock.time() - 60)
        assert (await ana.asks("/api/me"))["user"] == "ana"
        assert (await bob.asks("/api/me"))["user"] == ""
        with pytest.raises(RuntimeError, match="log in first"):
            await bob.connect()


async def elsewhere(name, home):
    """The password of somebody of that name in the notebooks of another student."""
    code = f"from nochat.lab.passwords import password_of; print(password_of({name!r}))"
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        env=os.environ | {"XDG_DATA_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await ran.communicate()
    return said.decode().strip()


async def test_nobody_guesses_the_passwords_of_a_notebooks_people(chat, tmp_path):
    theirs = await elsewhere("ida", tmp_path)
    assert theirs == await elsewhere("ida", tmp_path)  # another kernel of the same student
    async with Person("ida", chat.url), aiohttp.ClientSession() as http:
        for guess in ("the password of ida", theirs):
            status, *_ = await log_in(http, chat.url, {"user": "ida", "password": guess})
            assert status == 401


async def say_something(url):
    async with Person("ana", url) as ana:
        await ana.says("hello")
        await ana.until(ana.texts)


def test_nothing_that_the_chat_stores_can_be_read_by_others_on_the_machine(tmp_path):
    before = os.umask(0)
    try:
        with lab_chat.start() as chat:
            asyncio.run(say_something(chat.url))
            data = chat.folder / "data"
            open_to_others = {
                str(path.relative_to(data)): oct(path.stat().st_mode)
                for path in data.rglob("*")
                if path.stat().st_mode & 0o077
            }
            there = {path.name for path in data.iterdir()}
    finally:
        os.umask(before)
    assert {"users.db", "bus", "activity", "replica"} <= there
    assert open_to_others == {}
