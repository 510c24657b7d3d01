"""A program of cells, its processes, and the clients that visit it."""

import socket
from pathlib import Path

import nbformat
import psutil
import pytest

from nochat.lab import page, program, visitors
from nochat.lab.waiting import GaveUp
from nochat.local.processes import NotReady, free_port, until

pytestmark = pytest.mark.slow

SERVER = """\
import socketio

sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)

@sio.event
async def message(sid, text):
    await sio.emit("message", {"text": text})
    return len(text)
"""
COMMAND = "uvicorn server:app --port {port}"


@pytest.fixture(autouse=True)
def files():
    """The files of a notebook with one cell."""
    program.files.clear()
    program.file("server.py", SERVER)
    yield program.files
    program.stop()
    program.files.clear()


def folder_of(process):
    return process._child.log.parent


def test_a_cell_is_a_file_and_the_last_one_of_a_name_counts(files, capsys):
    program.file(" server.py ", "x = 1\ny = 2\n")
    assert files == {"server.py": "x = 1\ny = 2\n"}
    assert capsys.readouterr().out.endswith("server.py: 2 lines\n")


@pytest.mark.parametrize("name", ["", "../server.py", "/tmp/server.py", "two words.py"])
def test_a_file_has_a_plain_name(name):
    with pytest.raises(ValueError, match=r"plain file name, as in `%%file server.py`; not"):
        program.file(name, "x = 1")


def test_a_slip_of_the_pen_shows_at_once_and_the_former_file_stays(files):
    with pytest.raises(SyntaxError):
        program.file("server.py", "x = (")
    assert files["server.py"] == SERVER


def test_a_slip_of_the_pen_does_not_start_the_former_file_in_its_place():
    with pytest.raises(SyntaxError) as slip:
        program.file("server.py", "def say():\n    await nothing()")
    assert slip.value.text == "    await nothing()"
    with pytest.raises(NotReady, match=r"server.py is not what you last wrote: .* line 2 of the"):
        program.start(COMMAND)
    program.file("server.py", SERVER)
    program.start(COMMAND)


def test_it_runs_is_killed_comes_back_and_leaves_nothing(capsys):
    server = program.start(COMMAND)
    port = server.url.rpartition(":")[2]
    assert capsys.readouterr().out.startswith(f"$ python -m uvicorn server:app --port {port}\n")
    assert program.running() == ["server"]
    server.kill()
    assert (server.alive, program.running()) == (False, [])
    assert repr(server) == f"<server at {server.url}: not running>"
    server.restart()
    assert server.alive
    process, folder = psutil.Process(server._child.pid), folder_of(server)
    program.stop()
    program.stop()
    assert not process.is_running()
    assert not folder.exists()


def test_a_program_that_listens_nowhere_runs_and_goes_on_with_its_log(files):
    program.file("counter.py", "import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    counter = program.start("counter", name="counter")
    assert until(lambda: counter.log == "here", 20)
    assert repr(counter) == "<counter: running>"
    counter.kill()
    counter.restart()
    assert until(lambda: counter.log.split() == ["here", "here"], 20)
    assert counter.url == ""


def test_started_again_it_takes_the_place_of_the_former_one():
    first = program.start(COMMAND)
    port = int(first.url.rpartition(":")[2])
    second = program.start(COMMAND, port=port)
    assert (first.alive, second.alive, second.url) == (False, True, first.url)
    beside = program.start(COMMAND, name="beside")
    assert sorted(program.running()) == ["beside", "server"]
    first.stop()
    assert second.alive
    assert beside.url != second.url


def test_it_keeps_its_port_when_it_starts_again_so_that_an_open_page_comes_back():
    first = program.start(COMMAND)
    assert program.start(COMMAND).url == first.url
    program.stop()
    assert program.start(COMMAND).url == first.url


def test_where_somebody_else_took_its_port_it_starts_at_another():
    first = program.start(COMMAND)
    program.stop()
    with socket.create_server(("127.0.0.1", int(first.url.rpartition(":")[2]))):
        second = program.start(COMMAND)
    assert second.alive
    assert second.url != first.url


def test_a_file_that_is_missing_is_named_with_its_cell():
    with pytest.raises(NotReady, match=r"the cell that begins with `%%file other\.py`"):
        program.start("uvicorn other:app --port {port}")


def test_an_error_of_the_program_is_told_and_nothing_stays():
    program.file("server.py", "1 / 0")
    with pytest.raises(NotReady, match=r"server ended before it was ready[\s\S]*ZeroDivision"):
        program.start(COMMAND)
    assert program.running() == []


# Visitors.


async def test_a_visitor_hears_and_remembers():
    server = program.start(COMMAND)
    ana, bob = await visitors.new("ana"), await visitors.new("bob")
    for person in (ana, bob):
        await person.connect(server.url)
    assert await ana.call("message", "hello") == 5
    await bob.until("message", {"text": "hello"})
    assert bob.texts == ["hello"]
    again = await visitors.new("ana")
    assert not ana.connected
    await again.connect(server.url)
    await visitors.leave()
    await visitors.leave()
    assert repr(bob) == "<bob: not connected>"


async def test_waiting_for_what_nobody_says_ends_in_a_sentence(monkeypatch):
    monkeypatch.setattr(visitors, "PATIENCE", 0.05)
    ana = await visitors.new("ana")
    said = r"waited 0\.05 s for ana to hear “came bob”, in vain\. To do: run the cell in which ana"
    with pytest.raises(GaveUp, match=said):
        await ana.until("came", "bob")


async def test_an_event_that_the_program_does_not_have_is_named_with_what_to_run():
    server = program.start(COMMAND)
    ana = await visitors.new("ana")
    await ana.connect(server.url)
    said = r"the answer to ana's 'past', in vain\. To do: the program that runs may have no event"
    with pytest.raises(GaveUp, match=said):
        await ana.call("past", timeout=0.2)
    await visitors.leave()


async def test_where_nothing_listens_the_error_says_so():
    ana = await visitors.new("ana")
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(visitors.NotConnected, match=rf"ana is not connected \({url}: .*\)\. Run"):
        await ana.connect(url)


async def test_without_a_connection_the_error_says_what_to_run():
    ana = await visitors.new("ana")
    with pytest.raises(visitors.NotConnected, match="Run the cell in which ana comes in again"):
        await ana.call("message", "hello")


# The small page of notebook 01, whose lines are in the notebook itself.


@pytest.mark.slow
async def test_the_page_of_the_notebook_shows_what_was_said_and_sends():
    path = Path(__file__).parents[2] / "notebooks" / "01_socket_chat.ipynb"
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.source.startswith("%%file"):
            program.file(*cell.source.removeprefix("%%file").split("\n", 1))
    server = program.start("uvicorn messages:app --port {port}")
    ana = await visitors.new("ana")
    await ana.connect(server.url, auth={"name": "ana"})
    await ana.call("message", "before <b>you</b> came")
    async with page.browser() as browser:
        view = await browser.new_page()
        await view.goto(f"{server.url}/?name=you")
        await view.get_by_text("ana: before <b>you</b> came").wait_for()
        await view.get_by_label("Message").fill("hello from the page")
        await view.get_by_role("button", name="Send").click()
        await ana.until("message", {"from": "you", "text": "hello from the page"})
        await view.get_by_text("you: hello from the page").wait_for()
    await ana.until("left", "you")
    await visitors.leave()
