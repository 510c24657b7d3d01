"""A page per microservice: what comes in, what goes out, as the code declares it."""

import ast
import importlib
import inspect
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

from generated import replace_pages, table
from sphinx.application import Sphinx

from nochat.protocol.catalogue import catalogue
from nochat.protocol.commands import Command
from nochat.protocol.envelope import Envelope, type_of
from nochat.protocol.requests import Request, reply_of
from nochat.runtime import registry
from nochat.service import Handler, Service

Struct = type[Envelope]


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}


def write_pages(app: Sphinx) -> None:
    all_names = [*registry.NAMES, *registry.OPTIONAL]
    pages = {f"{service.name}.md": page(service) for service in registry.services(all_names)}
    pages["index.md"] = index(all_names)
    replace_pages(Path(app.srcdir) / "services", pages)


def index(names: list[str]) -> str:
    entries = "\n".join(names)
    return f"""# The microservices

Each is one file or one folder in `nochat/services/`, and these pages are made from them: they can't
be out of date. A service runs alone with `nochat run NAME`, or with the others with `nochat up`.

```{{toctree}}
:maxdepth: 1

{entries}
```
"""


def page(service: Service[object]) -> str:
    module = importlib.import_module(f"nochat.services.{service.name}")
    parts = [f"# {service.name}", summary(module, service.name)]
    parts += section("What comes in", incoming(service), "what the service does")
    parts += section("What goes out", outgoing(service), "what it means")
    parts += section("What it asks of others", asked(module, service), "what it means")
    return "\n\n".join(parts) + "\n"


def summary(module: ModuleType, name: str) -> str:
    text = inspect.getdoc(module) or ""
    text = text.removeprefix(f"{name}:").strip()
    return text[:1].upper() + text[1:]


def section(title: str, rows: list[list[str]], meaning: str) -> list[str]:
    return [f"## {title}", table(["type", "struct", meaning], rows)] if rows else []


def incoming(service: Service[object]) -> list[list[str]]:
    return [
        [*names(kind), first_line(described(handler, service))]
        for kind, handler in service.handlers.items()
    ]


def described(handler: Handler, service: Service[object]) -> Callable:
    """The function with the docstring: the handler, or the method of the resource that it names."""
    if inspect.getdoc(handler.function):
        return handler.function
    return handler.function(ByType(resource_class(service)))


class ByType:
    """An object of which only the types are known: its methods, and those of its parts."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __getattr__(self, name: str) -> object:
        if name in typing.get_type_hints(self.kind):
            return ByType(typing.get_type_hints(self.kind)[name])
        return getattr(self.kind, name)


@cache
def resource_class(service: Service[object]) -> type:
    """The class in `Service["Store"]("name")`, which the service imports when it opens it."""
    module = importlib.import_module(f"nochat.services.{service.name}")
    names = dict(vars(module))
    for statement in ast.parse(inspect.getsource(module)).body:
        if isinstance(statement, ast.If):  # TYPE_CHECKING
            exec(compile(ast.Module(statement.body, []), module.__file__, "exec"), names)
    (reference,) = typing.get_args(service.__orig_class__)
    resource = eval(reference.__forward_arg__, names)
    return typing.get_args(resource)[0] if typing.get_args(resource) else resource


def outgoing(service: Service[object]) -> list[list[str]]:
    published = [
        kind for kind in catalogue().values() if getattr(kind, "publisher", "") == service.name
    ]
    replies = {reply_of(kind) for kind in service.consumes if is_request(kind)}
    replies |= {kind for function in functions(service) for kind in returned(function)}
    further = sorted(replies - set(published), key=type_of)
    return [[*names(kind), first_line(kind)] for kind in [*published, *further]]


def asked(module: ModuleType, service: Service[object]) -> list[list[str]]:
    kinds = [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, Request | Command)
        and kind not in service.handlers
        and kind not in (Request, Command)
    ]
    return [[*names(kind), first_line(kind)] for kind in kinds]


def is_request(kind: Struct) -> bool:
    return issubclass(kind, Request)


def functions(service: Service[object]) -> list:
    return [handler.function for handler in service.handlers.values()]


def returned(function) -> set[Struct]:
    """The structs in the annotation of what a handler returns."""
    return set(structs_in(inspect.signature(function).return_annotation))


def structs_in(annotation) -> typing.Iterator[Struct]:
    if annotation in catalogue().values():
        yield annotation
    for part in typing.get_args(annotation):
        yield from structs_in(part)


def names(kind: Struct) -> list[str]:
    struct = f"{{py:class}}`~{kind.__module__}.{kind.__qualname__}`"
    return [f"`{type_of(kind)}`", struct]


def first_line(documented) -> str:
    return (inspect.getdoc(documented) or "").split("\n")[0].replace("|", "\\|")
