"""The lab's modules: who may import whom, and that to import them changes nothing."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from tests.conftest import ROOT

CODE = ("nochat", "tests", "benchmarks", "tools", "vagrant", "playbooks", "docs")

IMPORT_ALL = """
import asyncio, builtins, importlib, logging, os, pkgutil, signal, subprocess, sys, threading
import nochat.lab  # settles the environment, as it says

PATCHABLE = (asyncio, builtins, importlib, logging, os, signal, subprocess, sys, threading)


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
        "open files": sorted(os.listdir("/proc/self/fd")),
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


def test_importing_every_module_changes_nothing(alone):
    assert alone(IMPORT_ALL) == ("", [])


def test_servers_are_imported_without_the_rest_of_the_lab(alone):
    code = "import nochat.lab.servers, sys; print(*(it.partition('.')[0] for it in sys.modules))"
    loaded, _ = alone(code)
    heavy = {"IPython", "ansible", "ansible_runner", "docker", "jupyter_client", "matplotlib"}
    heavy |= {"azure", "openstack", "papermill", "playwright", "vagrant"}
    assert "pika" in loaded.split()
    assert not heavy & {*loaded.split()}


def sources() -> Iterator[tuple[Path, str]]:
    """All code that has to do with the lab: files, and notebooks' cells."""
    for path in (path for folder in CODE for path in (ROOT / folder).rglob("*.py")):
        if "nochat.lab" in (code := path.read_text(encoding="utf-8")):
            yield path, code
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                yield path, TransformerManager().transform_cell(cell.source)


def imported(code: str) -> Iterator[str]:
    """The full names of what it imports, modules or parts of them."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{it.name}" for it in node.names)


def is_private(name: str) -> bool:
    """Whether a dotted name goes through a module of the lab with an underscore."""
    parts = name.split(".")
    return any(
        part.startswith("_")
        and not part.startswith("__")
        and ROOT.joinpath(*parts[:at], f"{part}.py").exists()
        for at, part in enumerate(parts)
    )


def test_modules_with_an_underscore_are_imported_by_their_own_package_alone():
    foreign = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, code in sources()
        for name in imported(code)
        if name.startswith("nochat.lab.") and is_private(name) and not is_own(path, name)
    ]
    assert foreign == []


def is_own(path: Path, name: str) -> bool:
    """Whether a file is in the package of the private module that it imports."""
    parts = name.split(".")
    at = next(at for at, part in enumerate(parts) if part.startswith("_"))
    return path.parent == ROOT.joinpath(*parts[:at])


def test_every_import_of_the_lab_names_something_that_is_there():
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, code in sources()
        for name in imported(code)
        if name.startswith("nochat.lab") and not exists(name)
    ]
    assert missing == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or the last part may be a name within one."""
    parts = name.split(".")
    return any(
        ROOT.joinpath(*parts[: len(parts) - short], "__init__.py").exists()
        or ROOT.joinpath(*parts[: len(parts) - short]).with_suffix(".py").exists()
        for short in (0, 1)
    )
