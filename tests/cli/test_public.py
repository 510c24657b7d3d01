"""The page "What is public" lists what there is, and everything that the documentation uses."""

import argparse
import ast
import importlib
import inspect
import re
from importlib import metadata

import pytest

from nochat import __version__
from nochat.cli import _parser
from nochat.protocol.actions import ACTIONS
from nochat.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "public.md").read_text()
NAMES = re.compile(r"`([^`]+)`")


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in section(heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


MODULES = {module.strip("`"): names for module, names in rows("Modules")}


def public_names(module: str) -> set[str]:
    """The names that the page lists of a module; for `all`, those without an underscore."""
    if MODULES[module] != "all":
        return set(NAMES.findall(MODULES[module]))
    members = vars(importlib.import_module(module)).items()
    return {
        name for name, value in members if not name.startswith("_") and not inspect.ismodule(value)
    }


@pytest.mark.parametrize("module", MODULES)
def test_each_name_is_there(module):
    names = public_names(module)
    assert names
    imported = importlib.import_module(module)
    assert [name for name in sorted(names) if not hasattr(imported, name)] == []


@pytest.mark.parametrize("module", [name for name in MODULES if name != "nochat"])
def test_the_exports_of_a_module_are_public(module):
    exported = getattr(importlib.import_module(module), "__all__", ())
    assert set(exported) <= public_names(module)


def sources():
    """The Python of the documentation: its blocks, and the programs that it shows."""
    for page in (ROOT / "docs").glob("*.md"):
        for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.M):
            yield page.name, block
    for program in (ROOT / "tests" / "programs").glob("*.py"):
        yield program.name, program.read_text()


def used():
    """What it imports of the package, but for the course's own: (where, module, name)."""
    for where, source in sources():
        for node in ast.walk(ast.parse(source)):
            module = getattr(node, "module", None) or ""
            if module.startswith("nochat") and not module.startswith("nochat.lab"):
                yield from ((where, module, alias.name) for alias in node.names)


def test_imports_of_the_documentation_are_public():
    uses = [*used()]
    assert len(uses) > 20
    assert [
        (where, module, name)
        for where, module, name in uses
        if module not in MODULES or name not in public_names(module)
    ] == []


def options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a command, but for `--help`."""
    listed = [name for action in parser._actions for name in action.option_strings]
    return {name for name in listed if name.startswith("--")} - {"--help"}


def test_every_command_and_option_is_listed():
    parser = _parser()
    [commands] = [
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    there = {"nochat": options(parser)}
    there |= {f"nochat {name}": options(command) for name, command in commands.choices.items()}
    listed = {name.strip("`"): set(NAMES.findall(cell)) for name, cell in rows("Commands")}
    assert listed == there


def test_every_setting_is_listed():
    listed = [name for name in NAMES.findall(section("Settings")) if name.startswith("NOCHAT_")]
    assert listed == [f"NOCHAT_{name.upper()}" for name in Settings.__struct_fields__]


def test_every_action_of_a_socket_is_listed():
    sentence = section("Protocols").partition("A client may send:")[2]
    assert NAMES.findall(sentence) == [*ACTIONS]


def test_versions_have_three_numbers():
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert metadata.version("nochat") == __version__
