"""The files around the code agree with each other."""

import ast
import itertools
import json
import re
import subprocess
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
TARGETS = {"lab", "test", "check", "course", "docs", "bench", "chat", "lint", "clean", "lock"}

a_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def prose(path):
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def trees(path):
    """What the code cells are made of, without what is IPython's."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for cell in cells(path, "code"):
        if cell.source.startswith("%%"):  # another language
            continue
        whole = cell.source.replace("\\\n", " ")
        source = re.sub(r"^(\s*)(\w+ = )?[!%].*$", r"\1pass", whole, flags=re.M)
        yield from ast.walk(compile(source, path.stem, "exec", flags))


@a_notebook
def test_no_check_is_a_stopwatch(path):
    """Seconds say more of the machine than of the chat: compare two times of one run, or show."""
    measured, compared = set(), set()
    for node in trees(path):
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=value) if re.search(
                r"perf_counter\(\) -|monotonic\(\) -|containers\.build\(", ast.unparse(value)
            ):
                measured.add(name)
            case ast.Compare(left=ast.Name(name), comparators=[ast.Constant(int() | float())]):
                compared.add(name)
    assert measured & compared == set()


def test_conda_gets_what_pyproject_asks_for():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    extras = PROJECT["optional-dependencies"]
    wanted = {*PROJECT["dependencies"], *extras["lab"], *extras["docs"]}
    assert set(pip[:-1]) == wanted
    assert pip[-1] == "-e ."
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


def test_make_alone_lists_every_target():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^ +make ([a-z]+) +\S", listed, re.M)) >= TARGETS


@pytest.mark.parametrize("name", ["requirements.lock", "package-lock.json", "package.json"])
def test_lock_files_name_no_registry(name):
    text = (ROOT / name).read_text()
    if name.endswith(".json"):  # a package's funders and its license are no addresses to fetch from
        text = re.sub(r'"(funding|license)": (\{[^}]*\}|\[[^\]]*\]|"[^"]*")', "", text)
    assert re.findall(r"\w+://[^\s\"]+|--(?:extra-)?index-url|--find-links", text) == []


def test_every_package_is_locked_with_hashes():
    locked = (ROOT / "requirements.lock").read_text()
    names = re.findall(r"^([a-z0-9-]+)==", locked, re.M)
    assert len(names) == len(re.findall(r"^\S.*(?:\\\n +--hash=.*)", locked, re.M))
    extras = PROJECT["optional-dependencies"].values()
    wanted = itertools.chain(PROJECT["dependencies"], *extras)
    assert {re.match(r"[\w-]+", one)[0] for one in wanted} <= set(names)


@pytest.mark.slow  # It asks the package index, which may take its time.
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "version",
    [
        match[1]
        for classifier in PROJECT["classifiers"]
        if (match := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier))
    ],
)
def test_there_is_a_wheel_of_everything_for_each_python(version, tmp_path):
    """Of exactly the locked files, and the lock has all that they need with this Python."""
    ran = subprocess.run(
        [
            *(ROOT / ".venv/bin/uv", "pip", "install", "--dry-run", "--only-binary=:all:"),
            *("--require-hashes", f"--python-version={version}", f"--target={tmp_path}"),
            *("--python-platform=x86_64-manylinux_2_28", "--requirement=requirements.lock"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Would install" in ran.stderr


def test_npm_packages_have_integrity():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


def test_the_image_has_the_versions_of_the_environment():
    known = (ROOT / "requirements.lock").read_text()
    needed = re.findall(r"^([\w-]+)==(\S+)", known, flags=re.M)
    for lock in ("chat", "build"):
        text = (ROOT / "docker" / f"{lock}.lock").read_text()
        assert "--hash=" in text
        assert set(re.findall(r"^([\w-]+)==(\S+)", text, flags=re.M)) <= set(needed)
    chat = {
        name
        for name, _ in re.findall(
            r"^([\w-]+)(==)", (ROOT / "docker/chat.lock").read_text(), flags=re.M
        )
    }
    assert {re.match(r"[\w-]+", requirement)[0] for requirement in PROJECT["dependencies"]} <= chat


@a_notebook
def test_notebook_is_stripped(path):
    for cell in cells(path, "code"):
        assert (cell.outputs, cell.execution_count) == ([], None)


@a_notebook
def test_notebook_runs_on_our_kernel(path):
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


@a_notebook
def test_notebook_lines_fit_the_page(path):
    lines = [line for cell in cells(path, "code") for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 80] == []


@a_notebook
def test_notebook_has_one_parameters_cell_at_the_most(path):
    tagged = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) <= 1


@a_notebook
def test_notebook_opens_with_objectives(path):
    opening = "\n\n".join(cell.source for cell in cells(path, "markdown")[:3])
    assert opening.startswith("# ")
    assert re.search(r"you will be able to|you will", opening, re.I)
    assert re.search(r"\bminutes?\b", opening)


@a_notebook
def test_notebook_has_a_challenge_with_hint_and_solution(path):
    assert re.search(r"^#+ .*challenge", prose(path), re.I | re.M)
    folded = re.findall(r"<details>(.*?)</details>", prose(path), re.S)
    summaries = [re.search(r"<summary>(.*?)</summary>", one, re.S)[1].lower() for one in folded]
    assert any("hint" in one for one in summaries)
    assert any("solution" in one for one in summaries)
    for one in folded:  # without the blank lines, the inside is not read as Markdown
        assert re.match(r"\s*<summary>.*?</summary>\n\n.*\S\n\n$", one, re.S), one


@a_notebook
def test_notebook_closes_by_cleaning_up(path):
    closing = nbformat.read(path, as_version=4).cells[-6:]
    code = "\n".join(cell.source for cell in closing if cell.cell_type == "code")
    assert re.search(r"\b(stop|destroy)\(\)", code), "stops what it started"
    assert "checks.check(" in code, "checks that nothing is left"


@pytest.mark.parametrize(("path", "following"), [*itertools.pairwise(NOTEBOOKS)])
def test_notebook_ends_with_a_link_to_the_next_one(path, following):
    title = cells(following, "markdown")[0].source.splitlines()[0].removeprefix("# ")
    assert f"[{title}]({following.name})" in cells(path, "markdown")[-1].source


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_exist(page):
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(<?([^)\s>#]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target) and not is_generated(target):
            assert (page.parent / target).exists(), target


def is_generated(target):
    """Whether the site writes the page while it is built."""
    return target.startswith(("services/", "messages/", "api/", "notebooks/"))


def test_commands_of_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"(?:`|^|=1 )make ([a-z-]+)", text, re.M))
    known = set(re.findall(r"make ([a-z-]+)", listed))
    assert {"lab", "test", "course", "dist"} <= targets <= known
    # From the root, where `make lab` was typed, after the line that the page names.
    assert "`source .venv/bin/activate`" in text
    command = "source .venv/bin/activate && nochat --help"
    said = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in re.findall(r"`nochat ([a-z]+)", text):
        assert re.search(rf"^ +{name} ", said, re.M), name


@pytest.mark.parametrize(
    ("system", "there", "not_there"),
    [
        ("debian-12", {"chromium", "docker-compose", "vagrant"}, {"docker-cli", "docker-buildx"}),
        ("debian-13", {"chromium", "docker-cli", "docker-buildx"}, {"docker-compose-v2"}),
        ("debian-14", {"docker-cli", "docker-buildx", "docker-compose", "vagrant"}, set()),
        ("ubuntu-26.04", {"docker-buildx", "docker-compose-v2"}, {"chromium", "vagrant"}),
    ],
)
def test_packages_are_those_of_the_release(system, there, not_there):
    command = [ROOT / "tools" / "apt-install", "--list", system]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"docker.io", "rabbitmq-server", "mariadb-server", *there} <= {*listed}
    assert not not_there & {*listed}


def test_tools_can_be_run():
    for name in ("environment", "apt-install", "lint", "site"):
        assert (ROOT / "tools" / name).stat().st_mode & 0o111, name
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
