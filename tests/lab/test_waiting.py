"""Waiting: it says for what, can be interrupted, and gives up in a sentence."""

import asyncio
import json
import sys
import time

import pytest

from nochat.lab import waiting
from nochat.lab.waiting import GaveUp, blocking, patience, readable, until, until_ready
from nochat.local.processes import NotReady, start_child

WORKS = "while True: pass"
SLEEPS = "import time; print({!r}, flush=True); time.sleep(600)"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Whoever waits says so soon."""
    monkeypatch.setattr(waiting, "SILENT", 0.05)


@pytest.fixture
def python(tmp_path):
    """Starts Python code as a process that is kept."""
    started = []

    def start(code):
        started.append(start_child([sys.executable, "-c", code], log=tmp_path / "log"))
        return started[-1]

    yield start
    for child in started:
        child.stop()


def test_steps_are_timed_by_their_names_and_a_failed_one_is_not():
    times = waiting.Times()
    with times.of("nothing"):
        pass
    with pytest.raises(ZeroDivisionError), times.of("too much"):
        1 / 0  # noqa: B018
    assert [*times] == ["nothing"]
    assert 0 <= times["nothing"] < 60


async def test_short_waits_are_silent(capsys):
    async with patience("the post", 1):
        pass
    assert until(lambda: "a letter", 1, "the post") == "a letter"
    assert capsys.readouterr().out == ""


async def test_long_waits_are_named_and_then_timed(capsys):
    async with patience("the post", 5):
        await asyncio.sleep(0.3)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "waiting for the post, 0 s so far (Interrupt ends it)"
    assert said[-1] == "waited 0.3 s for the post"
    assert len(said) < 6, "not a line for every moment"


def test_so_is_what_blocks(capsys):
    with blocking("the post"):
        time.sleep(0.3)
    assert capsys.readouterr().out.startswith("waiting for the post, 0 s so far")


async def test_it_gives_up_in_a_sentence_that_says_what_to_do():
    said = r"^waited 0\.1 s for the post, in vain\. To do: look for the postman\.$"
    with pytest.raises(GaveUp, match=said):
        async with patience("the post", 0.1, "look for the postman"):
            await asyncio.Event().wait()
    with pytest.raises(GaveUp, match=said):
        until(lambda: False, 0.1, "the post", "look for the postman")


async def test_a_time_limit_of_somebody_else_stays_what_it_is():
    with pytest.raises(TimeoutError, match="of the postman"):
        async with patience("the post", 5):
            raise TimeoutError("of the postman")


# Processes: a busy machine makes all of them slow.


@pytest.mark.slow
def test_a_process_that_works_may_take_longer(python, capsys):
    child, began = python(WORKS), time.monotonic()
    until_ready(lambda: time.monotonic() > began + 2, 0.5, "the oven", child)
    assert "waiting for the oven, 1 s so far (Interrupt ends it)" in capsys.readouterr().out


def test_one_that_does_nothing_is_given_up_with_its_last_words(python):
    lines = [
        {"level": "debug", "message": "nobody reads this"},
        {"level": "warning", "message": "the wood is wet", "exception": "Trace\nFireError: no"},
    ]
    child = python(SLEEPS.format("\n".join(map(json.dumps, lines))))
    until(child.tail, 10, "its log")
    with pytest.raises(NotReady) as raised:
        until_ready(lambda: False, 1, "the oven", child)
    first, *rest = str(raised.value).splitlines()
    assert first.startswith("the oven is not ready after ")
    assert first.endswith(" s: it runs, but does nothing. It said last:")
    assert rest == ["warning: the wood is wet (FireError: no)"]


@pytest.mark.slow
def test_one_that_works_for_ever_is_given_up_too(python, monkeypatch):
    monkeypatch.setattr(waiting, "LONGEST", 0.5)
    with pytest.raises(NotReady, match=r"although it is working\. Close what else keeps"):
        until_ready(lambda: False, 0.5, "the oven", python(WORKS))


def test_one_that_ended_is_noticed_at_once(python):
    with pytest.raises(NotReady, match=r"the oven ended before it was ready\. .*\nno wood"):
        until_ready(lambda: False, 600, "the oven", python("print('no wood')"))


def test_a_log_is_for_people():
    assert readable('plain\n{"level": "info", "message": "up"}\n[1]\n') == "plain\ninfo: up\n[1]"
    assert readable('{"level": "debug", "message": "event"}') == ""
