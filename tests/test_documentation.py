"""Every block of code in the documentation: whoever copies it gets something that is there.

The blocks of "Add a microservice" are run as well, by `test_add_a_microservice.py`; the site draws
the diagrams (`test_docs.py`).
"""

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from nochat import cli
from nochat.runtime.registry import NAMES, OPTIONAL
from nochat.settings import Settings
from tests import test_add_a_microservice
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\S+).*?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
CHECKED = {"python", "sh", "yaml", "js"}
OF_THE_SITE = {"mermaid", "{mermaid}", "{toctree}", "{include}", "{literalinclude}"}
MAKEFILE = (ROOT / "Makefile").read_text()
# What a page has from before its blocks: the text says where it comes from.
GIVEN = {"deployment.md": "images: dict[str, str] = {}\n"}


@dataclass(frozen=True)
class Block:
    """A block of code, and where it is."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def blocks_of(page):
    text = page.read_text()
    for fence in FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(page, line, fence[2], textwrap.dedent(fence[3]))


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(language):
    return pytest.mark.parametrize(
        "block", [block for block in BLOCKS if block.language == language], ids=str
    )


def test_every_block_is_of_a_language_that_is_checked():
    assert [str(block) for block in BLOCKS if block.language not in CHECKED | OF_THE_SITE] == []
    assert {block.language for block in BLOCKS} >= CHECKED
    fences = sum(len(re.findall(r"^ *```", page.read_text(), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(BLOCKS)


def test_every_program_on_a_page_is_run_by_a_test():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    shown = re.findall(r"```\{literalinclude\} (\S+)", "".join(page.read_text() for page in PAGES))
    assert shown
    for name in shown:
        assert (ROOT / "docs" / name).is_file()
        assert re.search(rf"\b{Path(name).stem}\b", tests), name


# ---- Python -------------------------------------------------------------------------------------


def program(page):
    """All Python of a page in one file, with its lines where they are on the page."""
    lines = [""] * page.read_text().count("\n")
    for block in blocks_of(page):
        if block.language == "python":
            lines[block.line : block.line + block.text.count("\n")] = block.text.splitlines()
    return GIVEN.get(page.name, "\n").rstrip("\n") + "\n" + "\n".join(lines[1:]) + "\n"


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What a type checker says of the pages: names, functions and arguments that are not there."""
    folder = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        if page != test_add_a_microservice.PAGE:  # its blocks are files of their own
            (folder / f"{module(page)}.py").write_text(program(page))
    for name, block in test_add_a_microservice.files():
        (folder / name).write_text(block)
    cache = ROOT / "build" / "mypy-pages"  # kept for the next run
    options = ["--disable-error-code=top-level-await", f"--cache-dir={cache}", "--no-pretty"]
    # An untyped library has any attribute; what a page calls of ours is typed.
    command = [sys.executable, "-m", "mypy", *options, "--ignore-missing-imports", "."]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170)
    assert ran.returncode < 2, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def module(page):
    return f"page_{page.stem.replace('-', '_').lower()}"


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_python_on_a_page_calls_is_there(complaints, page):
    assert [line for line in complaints if line.startswith(f"{module(page)}.py:")] == []


@of("python")
def test_python_imports_what_is_there(block):
    own = {Path(name).stem for name, _ in test_add_a_microservice.files()}
    imports = re.findall(r"^(?:from|import) .*$", block.text, re.MULTILINE)
    there = [line for line in imports if line.split()[1] not in own]
    exec("\n".join(there), {})


# ---- shell --------------------------------------------------------------------------------------


def commands(text):
    """The commands of a block: words, by line that goes on behind a backslash."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\||(?<!&)&$", line):
            lexer = shlex.shlex(part, posix=True, punctuation_chars=False)
            lexer.whitespace_split, lexer.commenters = True, "#"
            words = list(lexer)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                yield words


@of("sh")
def test_shell_can_be_parsed(block):
    said = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")


def is_program(word):
    return "/" not in word or Path(word).parts[0] in {".venv", "chat"} or word.startswith("./")


@of("sh")
def test_shell_calls_commands_that_are_there(block):
    folder = ROOT
    for words in commands(block.text):
        match words:
            case ["cd", where]:
                folder = ROOT / where
                assert folder.is_dir()
            case ["make", *targets]:
                for target in targets:
                    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
            case ["ansible-playbook", *given]:
                assert [word for word in given if (folder / word).suffix in (".yml", "")]
                playbooks = [word for word in given if re.fullmatch(r"[\w-]+\.yml", word)]
                assert playbooks
                assert all((folder / name).is_file() for name in playbooks)
            case [script, *_] if not is_program(script):
                assert (ROOT / script).is_file()
        for word in words:
            if re.match(r"(docker|nochat|tools|playbooks)/", word):
                assert (ROOT / word).exists(), word


@of("sh")
def test_shell_calls_nochat_as_it_is_called(block, capsys):
    parser = cli._parser()
    for words in commands(block.text):
        if "nochat" not in words or words[0] not in ("nochat", "docker") or "build" in words:
            continue
        options = parser.parse_args(words[words.index("nochat") + 1 :])
        for service in getattr(options, "service", []):
            assert service in {*NAMES, *OPTIONAL, "bot"} or service.endswith(".py")


@of("sh")
def test_shell_sets_what_is_read(block):
    settings = {f"NOCHAT_{name.upper()}" for name in Settings.__struct_fields__}
    code = [
        ROOT / "Makefile",
        ROOT / "Vagrantfile",
        *ROOT.glob("vagrant/*"),
        *ROOT.glob("tests/*.py"),
    ]
    code += ROOT.glob("nochat/lab/**/*.py")
    read = "".join(path.read_text() for path in code if path.is_file())
    for name in re.findall(r"\bNOCHAT_[A-Z_]+", block.text):
        assert name in settings or name in read


# ---- other languages ----------------------------------------------------------------------------


@of("yaml")
def test_yaml_can_be_read(block):
    assert yaml.safe_load(block.text)


@of("js")
def test_javascript_can_be_parsed(block, tmp_path):
    (tmp_path / "block.mjs").write_text(block.text)
    node = shutil.which("node", path=Path(sys.executable).parent) or "node"
    said = subprocess.run([node, "--check", tmp_path / "block.mjs"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
