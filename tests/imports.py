"""The imports of the package: of its own modules, of what is around it, of the notebooks' cells."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parent.parent
AROUND = ("tests", "benchmarks", "docs", "tools", "vagrant", "playbooks")


@dataclass(frozen=True)
class Import:
    """An import: of `name` from a module, or of a module itself where `name` is empty.

    Attributes:
        importer: dotted name of the module, or of the notebook.
        for_types: only type checkers read it.
    """

    importer: str
    module: str
    name: str = ""
    for_types: bool = False

    @property
    def private(self) -> str:
        """The package that a name with an underscore belongs to; none: it is public."""
        parts = [*self.module.split("."), self.name]
        first = next((i for i, part in enumerate(parts) if is_private(part)), 0)
        owner = ".".join(parts[:first])
        return owner if not owner or is_package(owner) else owner.rpartition(".")[0]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).is_dir()


def name_of(path: Path) -> str:
    """A file's dotted name; a package's is that of its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def python_files(folder: str) -> list[Path]:
    paths = (ROOT / folder).rglob("*.py")
    return sorted(path for path in paths if "node_modules" not in path.parts)


MODULES = {name_of(path): path for path in python_files("nochat")}


def nodes(tree: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node of a module, and whether only type checkers read it."""
    for child in ast.iter_child_nodes(tree):
        inside = for_types or (
            isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        )
        yield child, inside
        yield from nodes(child, inside)


def imports(code: str, importer: str) -> Iterator[Import]:
    """The imports of the package in a piece of code, wherever it does them."""
    for node, for_types in nodes(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("nochat"):
                    yield Import(importer, alias.name, for_types=for_types)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nochat"):
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                if module in MODULES:
                    yield Import(importer, module, for_types=for_types)
                else:
                    yield Import(importer, node.module, alias.name, for_types)


@cache
def around() -> list[Import]:
    """The imports outside of the package: in tests, tools, documents, and the notebooks' cells."""
    return list(_around())


def _around() -> Iterator[Import]:
    for path in (path for folder in AROUND for path in python_files(folder)):
        yield from imports(path.read_text(encoding="utf-8"), name_of(path))
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                code = TransformerManager().transform_cell(cell.source)
                yield from imports(code, name_of(path))


@cache
def inside() -> list[Import]:
    """The imports of the package inside of it."""
    return [
        imported
        for name, path in MODULES.items()
        for imported in imports(path.read_text("utf-8"), name)
    ]
