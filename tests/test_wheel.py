"""Who installs the wheel needs no npm: all that the page, the stores and the bot need is in it.

Nor do they need the checkout: their own programs are checked and run in an environment without it.
"""

import json
import shutil
import socket
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from nochat.lab.people import Person, Refused
from nochat.local import doctor
from tests.test_own_services import CLEAN, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel that is built from this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=50)
    [wheel] = out.glob("nochat-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel) -> Path:
    """The files of the wheel."""
    with zipfile.ZipFile(wheel) as files:
        files.extractall(wheel.parent / "installed")
    return wheel.parent / "installed"


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The Python of an environment that has the wheel, what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python, uv = folder / "bin" / "python", Path(sys.executable).with_name("uv")
    for command in (
        ["sync", "--require-hashes", ROOT / "docker" / "chat.lock"],
        ["install", "--no-deps", wheel],
        ["check"],
    ):
        ran = subprocess.run(
            [uv, "pip", *command, "--python", python], capture_output=True, text=True, timeout=150
        )
        assert ran.returncode == 0, ran.stderr
    return python


@pytest.fixture
def programs(tmp_path) -> Path:
    """A user's own programs, in a folder of theirs."""
    others = shutil.ignore_patterns("mounted_fastapi.py")  # FastAPI is not there
    folder = shutil.copytree(ROOT / "tests" / "programs", tmp_path / "mine", ignore=others)
    hashes = {name: PasswordHasher().hash(f"{name} from elsewhere") for name in ("ana", "bob")}
    (folder / "people.json").write_text(json.dumps(hashes))
    return folder


@pytest.fixture(scope="module")
def names(installed) -> set[str]:
    return {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}


def test_the_page_is_in_it_with_the_official_client(names):
    assert {
        "nochat/services/web/static/index.html",
        "nochat/services/web/static/vendor/socket.io.js",
    } <= names
    ours = {
        str(path.relative_to(ROOT)) for path in (ROOT / "nochat/services/web/static").rglob("*.*")
    }
    assert ours <= names


def test_the_migrations_are_in_it(names):
    ours = {
        str(path.relative_to(ROOT)) for path in (ROOT / "nochat/stores/migrations").rglob("*.py")
    }
    assert ours
    assert ours <= names


def test_the_bot_is_in_it_with_the_library_that_it_needs(installed, names):
    assert {
        "nochat/services/bots/bot.mjs",
        "nochat/services/bots/node_modules/amqplib/LICENSE",
    } <= names
    command = [doctor.require("node"), "-e", "import(process.argv[1])"]
    subprocess.run([*command, installed / "nochat/services/bots/wire.mjs"], check=True, timeout=20)


def test_it_says_that_it_is_typed(names):
    assert "nochat/py.typed" in names


def test_a_users_programs_have_no_errors(python, programs):
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "."]
    ran = subprocess.run(check, cwd=programs, capture_output=True, text=True, timeout=150)
    number = len(list(programs.glob("*.py")))
    assert ran.stdout.strip() == f"Success: no issues found in {number} source files"


async def test_a_users_programs_run(python, programs):
    files = [str(programs / name) for name in ("polls.py", "greeter.py")]
    with running(programs, "up", *files, python=str(python)) as (line, _):
        names, url = line.split(": ")
        assert names.endswith(", polls, greeter")
        async with Person("ana", url) as ana:
            await ana.until(lambda: "Welcome, ana" in ana.texts())
            await ana.says("+tea")
            await ana.says("@greeter are you there")
            await ana.until(lambda: {"tea: 1", "Yes, ana?"} <= set(ana.texts()))


def test_a_users_tests_of_a_service_pass_without_servers(python, programs):
    command = [python, "-m", "unittest", "--verbose", "check_greeter"]
    ran = subprocess.run(command, cwd=programs, env=CLEAN, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 2 tests" in ran.stderr


async def test_people_log_in_as_a_users_service_says(python, programs):
    settings = {"python": str(python), "registration": "closed"}
    with running(programs, "up", str(programs / "own_login.py"), **settings) as (line, _):
        url = line.split(": ")[1]
        async with (
            Person("ana", url, password="ana from elsewhere") as ana,
            Person("bob", url, password="bob from elsewhere", transports=("polling",)) as bob,
        ):
            await ana.says("hello @bob")
            await bob.until(lambda: "notified" in [event for event, _ in bob.told])
            room = await ana.call("direct", {"user": "bob"})
            await bob.until(lambda: room["room"] in bob.heard)
            assert (await ana.asks("/api/users?prefix=b"))["users"] == ["bob"]
        for name, password in (("ana", "bob from elsewhere"), ("eve", "ana from elsewhere")):
            with pytest.raises(Refused, match="wrong name or password"):
                await Person(name, url, password=password).arrive()


@pytest.fixture
def site(python, programs):
    """A user's site, which has the chat under /chat; gives its address."""
    settings = {"NOCHAT_DATA_DIR": str(programs / "data")}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        command = [python, "-m", "uvicorn", "mounted:app", "--fd", str(descriptor)]
        with subprocess.Popen(
            command, cwd=programs, env=CLEAN | settings, pass_fds=[descriptor]
        ) as serving:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            serving.terminate()
            serving.wait(timeout=40)


async def test_a_users_bot_joins_rooms_that_were_there_before_it(python, programs):
    with running(programs, "up", python=str(python)) as (line, _):
        async with Person("ana", line.split(": ")[1], password="of ana's alone") as ana:
            await ana.call("create", {"room": "garden", "title": "The garden"})
            await ana.join("garden")
    with running(programs, "up", str(programs / "librarian.py"), python=str(python)) as (line, _):
        async with Person("ana", line.split(": ")[1], password="of ana's alone") as ana:
            await ana.says("@librarian?", "garden")
            await ana.until(lambda: "Quiet, please." in ana.texts("garden"))


async def test_a_users_site_has_the_chat_under_a_path(site):
    async with Person("ana", f"{site}/chat") as ana:
        await ana.says("hello")
        await ana.until(lambda: "hello" in ana.texts())


def test_nothing_else_is_in_it(names):
    assert not [name for name in names if not name.startswith(("nochat/", "nochat-"))]


def test_the_chat_alone_brings_no_course():
    """Importing every service touches neither the lab nor what only the lab needs."""
    code = (
        "import sys, nochat.cli; from nochat.runtime import registry; registry.services();"
        "import nochat.services.gateway.sockets, nochat.stores.users;"
        "print([n for n in sys.modules if n.partition('.')[0] in"
        " ('IPython', 'jupyterlab', 'matplotlib', 'papermill', 'playwright')"
        " or n.startswith('nochat.lab')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
