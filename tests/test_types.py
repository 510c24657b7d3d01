"""What a type checker knows of a user's program, and what it finds wrong with it."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nochat.bus
from nochat import service
from nochat.protocol import events, requests
from tests import test_add_a_microservice
from tests.conftest import ROOT

PROGRAMS = ROOT / "tests" / "programs"

RIGHT = """
from nochat.protocol.events import MessageSent
from nochat.protocol.requests import GetRooms, WhoIs, Session
from nochat.service import Context, Service

class Store:
    async def session(self, asked: WhoIs) -> Session:
        return Session(user=asked.token)

service = Service["Store"]("mine")
reveal_type(service)  # nochat.service.Service[right.Store]
reveal_type(Service("other"))  # nochat.service.Service[None]
service.on(WhoIs).method(lambda store: store.session)

@service.on(MessageSent)
async def note(said: MessageSent, context: Context[Store]) -> None:
    reveal_type(await context.bus.request(GetRooms(user="ana")))  # nochat.protocol.requests.Rooms
    reveal_type(context.resource)  # right.Store
"""

WRONG = {
    "a reply to another request": """
@service.on(WhoIs)
async def who(asked: WhoIs) -> Rooms:
    return Rooms()
""",
    "a method that replies to another request": """
service.on(WhoIs).method(lambda store: store.rooms)
""",
    "another event": """
@service.on(MessageSent)
async def note(event: RoomJoined) -> None: ...
""",
    "a list where it is one": """
@service.on(MessageSent)
async def note(said: list[MessageSent]) -> None: ...
""",
    "one where it is a list": """
@service.on(MessageSent, batch=True)
async def note(said: MessageSent) -> None: ...
""",
    "another resource": """
@service.on(MessageSent)
async def note(said: MessageSent, context: Context[str]) -> None: ...
""",
    "a field that the reply has not": """
@service.on(MessageSent)
async def note(said: MessageSent, context: Context[Store]) -> None:
    print((await context.bus.request(GetRooms(user="ana"))).members)
""",
}
FRAME = """
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.protocol.requests import GetRooms, Rooms, WhoIs
from nochat.service import Context, Service

class Store:
    async def rooms(self, asked: WhoIs) -> Rooms:
        return Rooms()

service = Service["Store"]("mine")
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What `mypy --strict` says of all programs, in a folder of their own: lines by program."""
    folder = tmp_path_factory.mktemp("programs")
    for path in PROGRAMS.glob("*.py"):
        shutil.copy(path, folder)
    for name, block in test_add_a_microservice.files():
        (folder / name).write_text(block)
    (folder / "right.py").write_text(RIGHT)
    (folder / "frame.py").write_text(FRAME)
    for name, wrong in WRONG.items():
        (folder / f"{module(name)}.py").write_text(FRAME + wrong)
    # What it finds of the package, and of others, is kept for the next run.
    options = ["--strict", f"--cache-dir={ROOT / 'build' / 'mypy-programs'}", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *options, "."]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=55)
    assert ran.returncode < 2, ran.stdout + ran.stderr
    lines = {path.name: [] for path in folder.glob("*.py")}
    for line in ran.stdout.splitlines()[:-1]:
        lines[line.partition(":")[0]].append(line)
    return lines


def module(name):
    return name.replace(" ", "_")


PAGE = [name for name, _ in test_add_a_microservice.files()]


@pytest.mark.parametrize("program", ["polls.py", "poll_events.py", "greeter.py", "frame.py", *PAGE])
def test_a_users_program_has_no_errors(complaints, program):
    assert complaints[program] == []


def test_the_types_of_replies_and_of_the_resource_are_known(complaints):
    known = [re.search(r'Revealed type is "(.+)"', line)[1] for line in complaints["right.py"]]
    assert known == re.findall(r"reveal_type\(.*  # (.+)", RIGHT)


@pytest.mark.parametrize("wrong", WRONG)
def test_type_errors_are_found(complaints, wrong):
    code = "attr-defined" if "field" in wrong else "arg-type"
    assert any(line.endswith(f"[{code}]") for line in complaints[f"{module(wrong)}.py"])


MODULES = [events, requests, service]
FILES = [Path(module.__file__) for module in MODULES] + sorted(
    Path(nochat.bus.__file__).parent.glob("*.py")
)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_no_public_signature_is_untyped(file):
    assert list(untyped(ast.parse(file.read_text()).body)) == []


def untyped(body):
    """What is public among statements, and has `Any` in its signature."""
    for statement in body:
        match statement:
            case ast.ClassDef() if is_public(statement.name):
                yield from untyped(statement.body)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if is_public(statement.name):
                arguments = ast.walk(statement.args)
                annotations = [statement.returns, *(getattr(a, "annotation", 0) for a in arguments)]
                if any(map(is_any, annotations)):
                    yield statement.name
            case ast.AnnAssign(target=ast.Name(name)) if is_public(name):
                if is_any(statement.annotation):
                    yield name


def is_public(name):
    return not name.startswith("_") or name.endswith("__")


def is_any(annotation):
    parts = ast.walk(annotation) if annotation else []
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in parts)
