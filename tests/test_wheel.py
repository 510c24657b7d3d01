"""Who installs the wheel needs no npm: all that the page, the stores and the bot need is in it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nochat.local import doctor

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The files of a wheel that is built from this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=50)
    [wheel] = out.glob("nochat-*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(out / "installed")
    return out / "installed"


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
