"""The package's modules keep to their places: who may import what, and where a thing is."""

import ast
import re
import subprocess
from graphlib import TopologicalSorter

import pytest

from tests.imports import MODULES, ROOT, Import, around, inside, is_package, python_files

BESIDES = {"__init__", "__main__", "cli", "py.typed", "testing"}  # the last is for tests of others
QUESTION = re.compile(r"(What|Who|Whose|How|Whether|That|Why|Where|When|Which)\b")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


PACKAGES = sorted(name for name in MODULES if is_package(name))


def of_the_chat() -> list[Import]:
    """The imports that run, but for those of the lab and of its only command."""
    of_the_lab = ("nochat.lab", "nochat.cli.grade")
    return [
        imported
        for imported in running()
        if not any(within(imported.importer, module) for module in of_the_lab)
    ]


def running() -> list[Import]:
    return [imported for imported in inside() if not imported.for_types]


def test_the_top_has_a_dozen_entries_at_the_most():
    command = ["git", "ls-files", "nochat"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    entries = {path.split("/")[1].removesuffix(".py") for path in ran.stdout.split()} - BESIDES
    assert "services" in entries
    assert len(entries) <= 12, sorted(entries)


def test_underscored_names_are_imported_by_their_own_package_alone():
    """The tests of a package, in the folder of its name, may look inside."""
    foreign = [
        imported
        for imported in [*inside(), *around()]
        if imported.private
        and package_of(imported.importer.replace("tests", "nochat", 1)) != imported.private
    ]
    assert foreign == []


def package_of(module: str) -> str:
    return module if is_package(module) else module.rpartition(".")[0]


def test_no_module_imports_itself_by_a_detour():
    graph = {name: set() for name in MODULES}
    for imported in running():
        graph[imported.importer].add(imported.module)
    TopologicalSorter(graph).prepare()


def test_the_chat_never_imports_the_lab():
    assert [imported for imported in of_the_chat() if within(imported.module, "nochat.lab")] == []


def test_wiring_is_in_one_place():
    def importers(module: str, name: str = "") -> set[str]:
        return {
            imported.importer
            for imported in of_the_chat()
            if (imported.module, imported.name) == (module, name)
        }

    assert importers("nochat.bus", "connect") == {
        "nochat.runtime.bootstrap",
        "nochat.testing",  # which wires a chat without servers
    }
    assert importers("nochat.runtime.bootstrap") == {"nochat.cli", "nochat.runtime.asgi"}
    assert importers("nochat.runtime.http_server", "serving") == {"nochat.runtime.bootstrap"}


def test_a_services_folder_is_for_that_service_alone():
    deep = [
        imported
        for imported in of_the_chat()
        if imported.module.count(".") > 2 and "services" in imported.module
    ]
    assert deep
    foreign = [
        imported
        for imported in deep
        if not within(imported.importer, ".".join(imported.module.split(".")[:3]))
    ]
    assert foreign == []


def test_docstrings_say_what_is_done_or_what_something_is():
    """Functions begin with a verb, as ruff's D401 has it; and classes and modules with a noun."""
    questions = [
        f"{path.relative_to(ROOT)}: {text}"
        for folder in ("nochat", "vagrant", "playbooks")
        for path in python_files(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (*DEFINITIONS, ast.Module)) and (text := ast.get_docstring(node) or "")
        if QUESTION.match(text)
    ]
    assert questions == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_of_a_package_hides_one_of_its_modules(package):
    """`from package import module` would give that name, or the module: whichever came last."""
    inside = {name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == package}
    body = ast.parse(MODULES[package].read_text()).body
    names = {node.name for node in body if isinstance(node, DEFINITIONS)}
    names |= {
        alias.asname or alias.name
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if f"{node.module}.{alias.name}" not in MODULES
    }
    assert inside & names == set()
