"""Services of a user's own, in files outside of the checkout, each run as the user would."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from nochat.errors import NochatError
from nochat.lab.people import Person
from nochat.runtime import registry
from nochat.settings import Settings
from tests import queues
from tests.conftest import ROOT

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("NOCHAT_")}
LISTED = """
import sys
from nochat.protocol.catalogue import catalogue
from nochat.protocol.events import Event
from nochat.runtime import registry
registry.own_module(sys.argv[1])
print(*[kind for kind in catalogue(Event)])
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a service that imports its events from beside it."""
    return shutil.copytree(ROOT / "tests" / "programs", tmp_path / "mine")


@contextmanager
def running(folder: Path, *arguments: str, python: str = sys.executable, **settings: str):
    """Run `nochat` until the block ends; gives its first line, and what it logs later."""
    settings = {"data_dir": str(folder / "data"), "port": "0"} | settings
    env = CLEAN | {f"NOCHAT_{name.upper()}": value for name, value in settings.items()}
    command = [python, "-m", "nochat", *arguments]
    log = folder / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            line = process.stdout.readline().strip()
            assert line, log.read_text()
            yield line, log
        finally:
            process.terminate()
            process.wait(timeout=40)


@pytest.mark.slow
async def test_up_runs_it_with_the_chat_in_one_process(folder):
    with running(folder, "up", str(folder / "polls.py")) as (line, log):
        names, url = line.split(": ")
        assert names == ", ".join([*registry.names(Settings()), "polls"])
        async with Person("ana", url) as ana:
            await ana.says("+tea")
            await ana.until(lambda: "tea: 1" in ana.texts())
    votes = [json.loads(written) for written in log.read_text().splitlines() if "a vote" in written]
    assert [(vote["logger"], vote["service"], vote["choice"]) for vote in votes] == [
        ("polls", "polls", "tea")
    ]


@pytest.mark.timeout(180)
def test_run_runs_it_alone_beside_a_chat_elsewhere(folder, rabbitmq_server):
    settings = {"bus_url": rabbitmq_server.url}
    with running(folder, "run", str(folder / "polls.py"), **settings) as (line, _):
        assert line == "polls: running"
    queues.delete(rabbitmq_server.url, queues.of_the_chat() | {"polls"})


def test_one_with_the_name_of_a_service_of_the_chat_takes_its_place(tmp_path):
    file = tmp_path / "own_users.py"
    file.write_text("from nochat.service import Service\nservice = Service('users')\n")
    with running(tmp_path, "up", str(file)) as (line, _):
        assert line.split(": ")[0] == ", ".join(registry.names(Settings()))


def test_its_events_and_their_parents_are_in_the_catalogue(folder):
    command = [sys.executable, "-c", LISTED, str(folder / "polls.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    kinds = ran.stdout.split()
    assert {"polls.vote-cast", "polls.opened", "message.sent"} <= set(kinds)
    assert {"Event", "RoomEvent"}.isdisjoint(kinds)


def test_two_with_one_type_on_the_wire_are_said(tmp_path):
    file = tmp_path / "louder.py"
    file.write_text(
        "from nochat.protocol.events import MessageSent\n"
        "class Shout(MessageSent, frozen=True):\n    '''A message.'''\n"
    )
    command = [sys.executable, "-m", "nochat", "asyncapi", str(file)]
    ran = subprocess.run(command, env=CLEAN, capture_output=True, text=True, timeout=50)
    assert ran.returncode == 2
    assert "nochat.protocol.events.MessageSent and louder.Shout have the same type" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_its_events_and_questions_are_in_the_asyncapi_document(folder):
    command = [sys.executable, "-m", "nochat", "asyncapi", str(folder / "polls.py")]
    ran = subprocess.run(command, env=CLEAN, capture_output=True, check=True, timeout=50)
    document = json.loads(ran.stdout)
    assert document["channels"]["polls.opened"]["address"] == "polls.opened"
    reply = document["operations"]["polls.poll"]["reply"]
    assert reply["channel"] == {"$ref": "#/channels/polls.poll-is"}
    assert "message.sent" in document["channels"]


def test_a_module_of_the_same_name_is_said(tmp_path, own_module):
    (tmp_path / "json.py").write_text("")
    with pytest.raises(NochatError, match=r"another module 'json'; give .*json.py another name"):
        own_module(str(tmp_path / "json.py"))


def test_a_file_that_is_imported_twice_is_one_module(tmp_path, own_module):
    (tmp_path / "mine.py").write_text("import beside\nthing = object()\n")
    (tmp_path / "beside.py").write_text("")
    assert own_module(str(tmp_path / "mine.py")) is own_module(str(tmp_path / "mine.py"))
    assert sys.modules["mine"].beside is sys.modules["beside"]
