"""The package's modules keep to their places: who may import what, and where a thing is."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BESIDES = {"__init__", "__main__", "cli", "py.typed"}
QUESTION = re.compile(r"(What|Who|Whose|How|Whether|That|Why|Where|When|Which)\b")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Import:
    """An import: of `name` from a module, or of a module itself where `name` is empty."""

    importer: str
    module: str
    name: str = ""

    @property
    def private(self) -> str:
        """The package that a name with an underscore belongs to; none: it is public."""
        parts = [*self.module.split("."), self.name]
        first = next((i for i, part in enumerate(parts) if is_private(part)), 0)
        owner = ".".join(parts[:first])
        return owner if not owner or is_package(owner) else owner.rpartition(".")[0]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).is_dir()


def name_of(path: Path) -> str:
    """A file's dotted name; a package's is that of its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a module, those left out that only type checkers read."""
    for child in ast.iter_child_nodes(tree):
        if not is_for_types(child):
            yield child
            yield from nodes(child)


def imports(path: Path) -> Iterator[Import]:
    """What a file imports of the package, wherever it does."""
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("nochat"):
                    yield Import(name_of(path), alias.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nochat"):
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                if module in MODULES:
                    yield Import(name_of(path), module)
                else:
                    yield Import(name_of(path), node.module, alias.name)


def python_files(folder: str) -> list[Path]:
    found = (ROOT / folder).rglob("*.py")
    return sorted(path for path in found if "node_modules" not in path.parts)


MODULES = {name_of(path): path for path in python_files("nochat")}
OURS = [each for path in MODULES.values() for each in imports(path)]
CHAT = [each for each in OURS if not within(each.importer, "nochat.lab")]
PACKAGES = sorted(name for name in MODULES if is_package(name))


def test_the_top_has_a_dozen_entries_at_the_most():
    command = ["git", "ls-files", "nochat"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    entries = {path.split("/")[1].removesuffix(".py") for path in ran.stdout.split()} - BESIDES
    assert "services" in entries
    assert len(entries) <= 12, sorted(entries)


def test_underscored_names_are_imported_by_their_own_package_alone():
    """The tests of a package, in the folder of its name, may look inside."""
    others = ("tests", "benchmarks", "docs", "tools", "vagrant")
    found = [each for folder in others for path in python_files(folder) for each in imports(path)]
    foreign = [
        each
        for each in [*OURS, *found]
        if each.private
        and not is_at_home(each.importer.replace("tests", "nochat", 1), each.private)
    ]
    assert foreign == []


def is_at_home(importer: str, package: str) -> bool:
    """Whether a module is of a package; of the whole, only those at its top are."""
    if package == "nochat":
        return importer.count(".") == 1
    return within(importer, package)


def test_no_module_imports_itself_by_a_detour():
    graph = {name: set() for name in MODULES}
    for each in OURS:
        graph[each.importer].add(each.module)
    TopologicalSorter(graph).prepare()


def test_the_chat_never_imports_the_lab():
    assert [each for each in CHAT if within(each.module, "nochat.lab")] == []


def test_wiring_is_in_one_place():
    def importers(module: str, name: str = "") -> set[str]:
        return {each.importer for each in CHAT if (each.module, each.name) == (module, name)}

    assert importers("nochat.bus", "connect") == {
        "nochat.runtime.bootstrap",
        "nochat.testing",  # which wires a chat without servers
    }
    assert importers("nochat.runtime.bootstrap") == {"nochat.cli", "nochat.runtime.asgi"}
    assert importers("nochat.runtime.http_server", "serving") == {"nochat.runtime.bootstrap"}


def test_a_services_folder_is_for_that_service_alone():
    inside = [each for each in CHAT if each.module.count(".") > 2 and "services" in each.module]
    assert inside
    foreign = [
        each for each in inside if not within(each.importer, ".".join(each.module.split(".")[:3]))
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
