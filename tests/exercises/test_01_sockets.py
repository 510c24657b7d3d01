"""The exercises of notebook 01, proved both ways: right answers pass, each mistake is named."""

from pathlib import Path

import pytest

from nochat.lab import exercise, program
from nochat.lab.exercise.catalogue import find
from nochat.local.processes import free_port
from tests.exercises.programs import stub, write, write_all
from tests.exercises.solutions import solution

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _files(monkeypatch):
    """The files of the notebook alone, and no process at the end."""
    monkeypatch.setattr(program, "files", {})
    write_all()
    yield
    for process in started:
        process.kill()
    started.clear()
    program.stop()


started = []


def start(cell):
    """Run a cell with a file, and start its program."""
    started.append(program.start(f"uvicorn {write(cell)}:app --port {{port}}", name="student"))
    return started[-1]


# ---- 01a ----------------------------------------------------------------------------------------

WHISPER = """%%file whispers.py
from rooms import app, history, names, sio

@sio.event
async def whisper(sid, name, text):
    line = {"from": names[sid], "text": text}
    to = [other for other, known in names.items() if known == name]
"""
BY_A_DICT = """
    for other in to:
        await sio.emit("message", {"private": True, "line": line}, to=other)
    return {"ok": f"told {name}"} if to else {"error": f"{name} is not here"}
"""
BY_AN_ERROR = """
    if not to:
        raise ConnectionRefusedError(name)
    await sio.emit("whisper", (line["from"], text), room=to[0])
"""
RIGHT_01A = {
    "the solution of the course": lambda: solution("01a"),
    "a dictionary": lambda: WHISPER + BY_A_DICT,
    "an error": lambda: WHISPER + BY_AN_ERROR,
}
WRONG_01A = {
    "untouched": lambda: stub("01a"),
    "failed": lambda: WHISPER + "    return history[name]\n",
    "sent_to_all": lambda: WHISPER + "    await sio.emit('whisper', line)\n    return bool(to)\n",
    "sender_hears": lambda: (
        WHISPER
        + "    for other in [sid, *to]:\n"
        + "        await sio.emit('whisper', line, to=other)\n"
        + "    return bool(to)\n"
    ),
    "unawaited": lambda: (
        WHISPER
        + "    for other in to:\n"
        + "        sio.emit('whisper', line, to=other)\n"
        + "    return bool(to)\n"
    ),
    "missed": lambda: (
        WHISPER
        + "    for other in names:\n"
        + "        if names[other] != name:\n"
        + "            return False\n"
        + "        await sio.emit('whisper', line, to=other)\n"
        + "        return True\n"
    ),
    "never": lambda: (
        WHISPER + "    await sio.emit('whisper', line, to=name)\n    return bool(to)\n"
    ),
    "nameless": lambda: (
        WHISPER
        + "    for other in to:\n"
        + "        await sio.emit('whisper', {'from': sid, 'text': text}, to=other)\n"
        + "    return bool(to)\n"
    ),
    "unknown": lambda: (
        WHISPER
        + "    for other in to:\n"
        + "        await sio.emit('whisper', line, to=other)\n"
        + "    return f'{name} knows'\n"
    ),
}


@pytest.mark.parametrize("answer", RIGHT_01A)
async def test_a_whisper_that_one_person_hears_passes(answer):
    verdict = await exercise.check("01a", start(RIGHT_01A[answer]()))
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_01A)
async def test_a_mistake_in_whispering_is_named(mistake):
    verdict = await exercise.check("01a", start(WRONG_01A[mistake]()))
    assert verdict.mistake == mistake, verdict


@pytest.mark.parametrize("key", ["01a", "01c"])
async def test_a_program_that_is_not_running_is_named(key):
    nobody = f"http://127.0.0.1:{free_port()}"
    verdict = await exercise.check(key, nobody, password="")
    assert verdict.mistake == "stopped", verdict


# ---- 01b ----------------------------------------------------------------------------------------

DURABLE = """%%file durable.py
import asyncio, json, os, sqlite3
from pathlib import Path
from rooms import app, history, names, sio

path = Path("history.jsonl")
"""
SAYS = """
@sio.event
async def message(sid, text):
    line = {"from": names[sid], "text": text}
    history.append(line)
    keep(line)
    await sio.emit("message", line)
    return len(history)
"""
APPENDS = """
def keep(line):
    with path.open("a") as file:
        file.write(json.dumps(line) + "\\n")
"""
READS = """
if path.exists():
    history += map(json.loads, path.read_text().splitlines())
"""
SKIPS = """
if path.exists():
    for line in path.read_text().splitlines():
        try:
            history.append(json.loads(line))
        except ValueError:
            pass
"""
IN_A_DATABASE = """
db = sqlite3.connect("history.db", isolation_level=None)
db.execute("create table if not exists lines (id integer primary key, sender, text)")
history += [{"from": a, "text": b} for a, b in db.execute("select sender, text from lines")]

def keep(line):
    db.execute("insert into lines (sender, text) values (:from, :text)", line)
"""
IN_A_NEW_FILE = """
if path.exists():
    history += json.loads(path.read_text())

def keep(line):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(history))
    os.replace(new, path)
"""
IN_THE_SAME_FILE = IN_A_NEW_FILE.replace('path.with_suffix(".new")', "path").replace(
    "    os.replace(new, path)\n", ""
)
AS_TEXT = """
if path.exists():
    lines = [line.split(": ", 1) for line in path.read_text().splitlines()]
    history += [{"from": who, "text": text} for who, text in lines]
keep = lambda line: print(f"{line['from']}: {line['text']}", file=path.open("a"))
"""
BUFFERED = """
file = path.open("a")

def keep(line):
    file.write(json.dumps(line) + "\\n")
"""
ONCE_MORE = """
if path.exists():
    whole, newline, _ = path.read_text().rpartition("\\n")
    path.write_text(whole + newline)
    for line in whole.splitlines():
        keep(json.loads(line))
        history.append(json.loads(line))
"""
BACKWARDS = """
if path.exists():
    whole = path.read_text().rpartition("\\n")[0].splitlines()
    history += map(json.loads, reversed(whole))
"""


def in_a_file_of_before():
    """A program that opens a file by its whole path, where an earlier run has left a line."""
    path = Path("history.jsonl").absolute()
    path.write_text('{"from": "ana", "text": "first of round 0"}\n')
    return DURABLE.replace('"history.jsonl"', f'"{path}"') + READS + APPENDS + SAYS


RIGHT_01B = {
    "the solution of the course": lambda: solution("01b"),
    "a database": lambda: DURABLE + IN_A_DATABASE + SAYS,
    "a new file each time": lambda: DURABLE + IN_A_NEW_FILE + SAYS,
}
WRONG_01B = {
    "untouched": lambda: stub("01b"),
    "lost": lambda: DURABLE + READS + BUFFERED + SAYS,
    "unread": lambda: DURABLE + APPENDS + SAYS,
    "torn": lambda: DURABLE + READS + APPENDS + SAYS,
    "glued": lambda: DURABLE + SKIPS + APPENDS + SAYS,
    "half": lambda: DURABLE + AS_TEXT + SAYS,
    "doubled": lambda: DURABLE + APPENDS + ONCE_MORE + SAYS,
    "earlier": in_a_file_of_before,
    "order": lambda: DURABLE + BACKWARDS + APPENDS + SAYS,
    "failed": lambda: DURABLE + "history = 1 / 0\n",
}


@pytest.mark.parametrize("answer", RIGHT_01B)
async def test_a_program_that_loses_nothing_passes(answer):
    verdict = await exercise.check("01b", f"{write(RIGHT_01B[answer]())}:app")
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_01B)
async def test_a_mistake_about_what_outlives_a_kill_is_named(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdict = await exercise.check("01b", f"{write(WRONG_01B[mistake]())}:app")
    assert verdict.mistake == mistake, verdict


async def test_a_program_that_does_not_start_is_named_by_its_error_alone():
    write(DURABLE + "history += map(json.loads, path.open())\n" + APPENDS + SAYS)
    verdict = await exercise.check("01b", "durable:app")
    said = "The program does not do its work: FileNotFoundError: [Errno 2]"
    assert verdict.said.startswith(said), verdict


async def test_a_file_that_is_written_anew_in_its_place_is_torn():
    write(DURABLE + IN_THE_SAME_FILE + SAYS)
    verdict = await exercise.check("01b", "durable:app")
    assert verdict.mistake == "torn", verdict


# ---- 01c ----------------------------------------------------------------------------------------

PASSWORD = "open sesame"
LOG_IN = """%%file log_ins.py
import asyncio
from concurrent.futures import ProcessPoolExecutor
from accounts import app, hashed, sio, stored

pool = ProcessPoolExecutor(1)

@sio.event
async def log_in(sid, guess):
"""
RIGHT_01C = {
    "the solution of the course": lambda: solution("01c"),
    "another process": lambda: (
        LOG_IN
        + "    loop = asyncio.get_running_loop()\n"
        + "    right = await loop.run_in_executor(pool, hashed, guess) == stored\n"
        + "    return {'welcome': True} if right else None\n"
    ),
}
WRONG_01C = {
    "untouched": lambda: stub("01c"),
    "failed": lambda: LOG_IN + "    return hashed(guess)[guess]\n",
    "unawaited": lambda: (
        LOG_IN
        + "    right = asyncio.to_thread(hashed, guess) == stored\n"
        + "    return 'welcome' if right else 'wrong'\n"
    ),
    "alike": lambda: LOG_IN + "    await asyncio.to_thread(hashed, guess)\n    return 'welcome'\n",
    "removed": lambda: LOG_IN + "    return 'welcome' if guess == 'open sesame' else 'wrong'\n",
    "waits": lambda: LOG_IN + "    return 'welcome' if hashed(guess) == stored else 'wrong'\n",
}


@pytest.mark.parametrize("answer", RIGHT_01C)
async def test_a_log_in_that_nobody_waits_for_passes(answer):
    verdict = await exercise.check("01c", start(RIGHT_01C[answer]()), password=PASSWORD)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_01C)
async def test_a_mistake_about_a_slow_log_in_is_named(mistake):
    verdict = await exercise.check("01c", start(WRONG_01C[mistake]()), password=PASSWORD)
    assert verdict.mistake == mistake, verdict


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*find("01a").mistakes} == {*WRONG_01A, "stopped"}
    assert {*find("01b").mistakes} == {*WRONG_01B}
    assert {*find("01c").mistakes} == {*WRONG_01C, "stopped"}
