"""The chat as processes: it starts, says why it does not, is traced, and leaves nothing behind."""

import socket

import psutil
import pytest

from nochat.lab import chat, checks
from nochat.lab.people import Person
from nochat.local.processes import NotReady
from nochat.protocol.envelope import new_id


async def trace_of(running, text, *, waits_for):
    """The trace of one message, once a service has handled it."""
    async with Person(f"u{new_id()[:8]}", running.url) as person:
        message = await person.says(text)
    await checks.until(lambda: waits_for in handlers(running.trace(message)))
    return running.trace(message)


def handlers(steps):
    return [step.service for step in steps if step.step == "handled"]


def test_together_it_is_one_process_with_an_address(running):
    assert list(running.processes) == ["nochat"]
    assert running.url.startswith("http://127.0.0.1:")
    assert repr(running) == f"<Chat at {running.url}: nochat>"


async def test_a_trace_is_in_order_and_of_one_message_alone(running):
    steps = await trace_of(running, "hello", waits_for="activity")
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert (steps[0].service, steps[0].step, steps[0].type) == (
        "gateway",
        "published",
        "message.send",
    )
    assert handlers(steps)[0] == "controller"
    assert {"activity", "gateway", "notifications"} <= set(handlers(steps))
    assert len({step.correlation_id for step in steps}) == 1


def test_nobody_has_noted_what_never_was(running):
    assert running.trace("no such id") == []


def test_settings_of_the_environment_stay_outside(monkeypatch, running):
    monkeypatch.setenv("NOCHAT_BUS_URL", "nonsense://")
    environment = chat._environment({"port": "0", "users_url": ""})
    assert {name for name in environment if name.startswith("NOCHAT_")} == {"NOCHAT_PORT"}


def test_stop_leaves_no_process_and_no_folder_and_can_be_called_twice(monkeypatch, capsys):
    monkeypatch.setattr(chat, "_running", [])  # The chat of the other tests goes on.
    started = chat.start()
    assert f"the chat is up at {started.url} after" in capsys.readouterr().out
    process = psutil.Process(started.processes["nochat"].pid)
    everything = [process.parent(), process, *process.children(recursive=True)]
    assert started.folder.is_dir()
    chat.stop()
    chat.stop()
    started.stop()
    psutil.wait_procs(everything, timeout=1)
    assert not any(child.is_running() for child in everything)
    assert not started.folder.exists()
    assert repr(started) == f"<Chat at {started.url}: stopped>"


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Where chats of this test make their folders."""
    monkeypatch.setattr(chat.tempfile, "mkdtemp", lambda **_: str(made(tmp_path / "chat")))
    return tmp_path


def made(folder):
    folder.mkdir()
    return folder


def test_a_failed_start_says_why_and_leaves_no_folder(folders):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotReady, match=rf"nochat ended before it was ready[\s\S]*{port}"):
            chat.start(port=port)
    assert list(folders.iterdir()) == []


@pytest.mark.slow
async def test_a_killed_chat_comes_back_at_its_address_with_its_history():
    port = chat.free_port()
    with chat.start(port=port) as started:
        async with Person("ana", started.url) as ana:
            await ana.says("still here")
            assert await checks.until(lambda: texts_of(ana))
        started.kill("nochat")
        started.restart("nochat")
        async with Person("ana", started.url) as ana:
            assert await texts_of(ana) == ["still here"]


async def texts_of(person):
    """The messages that are stored."""
    history = await person.call("history", {"room": "lobby"})
    return [entry["text"] for entry in history["entries"] if "text" in entry]
