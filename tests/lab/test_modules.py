"""The lab's modules: importing them changes nothing, and all imports of them name one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import MODULES, around, inside

IMPORT_ALL = """
import asyncio, builtins, importlib, logging, os, pkgutil, signal, subprocess, sys, threading
import nochat.lab  # settles the environment, as it says

PATCHABLE = (asyncio, builtins, importlib, logging, os, signal, subprocess, sys, threading)


def open_files():
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass  # the listing itself
    return sorted(name for name in names if ".so" not in name)  # Python 3.14 keeps libffi open


def state():
    root, azure = logging.getLogger(), logging.getLogger("azure.identity")
    seen = {f"variable {name}": value for name, value in os.environ.items()}
    seen |= {f"handler of {it.name}": signal.getsignal(it) for it in signal.Signals}
    for module in PATCHABLE:
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("_"):
                seen[f"{module.__name__}.{name}"] = value
    return seen | {
        "folder": os.getcwd(),
        "threads": threading.enumerate(),
        "open files": open_files(),
        "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
        "logging": (root.level, root.handlers[:], azure.level),
    }


before = state()
for module in pkgutil.walk_packages(nochat.lab.__path__, "nochat.lab."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
after = state()
for name in sorted(before.keys() | after.keys()):
    if before.get(name) != after.get(name):
        print(f"{name}: {before.get(name)} became {after.get(name)}")
assert "matplotlib_inline.config" not in sys.modules  # which sets what plots are shown as
"""


@pytest.fixture
def alone(tmp_path):
    """Runs Python in a folder and a home that are empty, and tells what was written there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(code: str) -> tuple[str, list[Path]]:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, [*tmp_path.rglob("*")]

    return run


@pytest.mark.slow
def test_importing_every_module_changes_nothing(alone):
    assert alone(IMPORT_ALL) == ("", [])


def test_servers_are_imported_without_the_rest_of_the_lab(alone):
    code = "import nochat.lab.servers, sys; print(*(it.partition('.')[0] for it in sys.modules))"
    loaded, _ = alone(code)
    heavy = {"IPython", "ansible", "ansible_runner", "docker", "jupyter_client", "matplotlib"}
    heavy |= {"azure", "openstack", "papermill", "playwright", "vagrant"}
    assert "pika" in loaded.split()
    assert not heavy & {*loaded.split()}


def test_what_starts_a_chat_imports_no_database(alone):
    code = "import nochat.lab.chat, sys; print(*(it.partition('.')[0] for it in sys.modules))"
    loaded, _ = alone(code)
    assert not {"alembic", "pymongo", "sqlalchemy"} & {*loaded.split()}


@pytest.mark.slow
def test_every_import_of_the_lab_names_something_that_is_there():
    missing = [
        imported
        for imported in [*inside(), *around()]
        if imported.module.startswith("nochat.lab") and imported.module not in MODULES
    ]
    assert missing == []
