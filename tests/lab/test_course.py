"""One behaviour a notebook: each is made here, tiny."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from nochat.lab.course import execution
from nochat.lab.course.execution import is_stale, run
from nochat.lab.course.notebook import heading
from nochat.lab.errors import CourseError
from nochat.local import doctor
from nochat.local.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def make(tmp_path):
    """Makes a notebook of cells: text that begins with `#` is a heading, all else code."""

    def make(*sources, name="tiny", needs=(), tags=()):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata = {"nochat": {"needs": list(needs)}, "kernelspec": KERNEL}
        notebook.cells = [
            nbformat.v4.new_markdown_cell(source)
            if source.startswith(("#", "```"))
            else nbformat.v4.new_code_cell(source)
            for source in sources
        ]
        for index in tags:
            notebook.cells[index].metadata["tags"] = ["parameters"]
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return make


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The current folder is one with `notebooks/` in it, as the command expects."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_offline_the_kernel_knows_by_one_variable(make, there, monkeypatch):
    monkeypatch.setenv("NOCHAT_OFFLINE", "1")
    make(
        "import os, nochat.lab\nprint(os.environ['BASE_IMAGE'], os.environ['NOCHAT_MACHINE_BASE'])"
    )
    assert execution.main([]) == 0
    assert outputs(there / "build/notebooks/tiny.ipynb") == "nochat/python nochat/debian\n"


def outputs(copy):
    cells = nbformat.read(copy, as_version=4).cells
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


def test_a_notebook_that_works(make, tmp_path):
    result = run(make("# Hello", "print(6 * 7)"), tmp_path / "out")
    assert (result.outcome, result.cells, result.failure) == ("passed", 2, None)
    assert result.copy == tmp_path / "out" / "tiny.ipynb"
    assert outputs(result.copy) == "42\n"


def test_a_failure_says_where_and_why(make, tmp_path):
    path = make("# One", "1", "## Two", "fine = 1\nraise ValueError('so \x1b[31mbad\x1b[0m')", "3")
    result = run(path, tmp_path / "out")
    assert result.outcome == "failed"
    assert (result.failure.heading, result.failure.cell) == ("Two", 4)
    assert result.failure.error == "ValueError: so bad"
    assert result.failure.line.startswith("line 2 raise ValueError")
    assert result.copy.name == "tiny.failed.ipynb"
    said = execution.explain(result)
    assert "\x1b" not in said
    assert all(word in said for word in ("tiny", "Two", "4", "so bad", str(result.copy)))


def test_a_comment_in_a_fence_is_no_heading(make):
    path = make("# Real", "```sh\n# not this\nls\n```", "1")
    assert heading(nbformat.read(path, as_version=4).cells, 2) == "Real"


@pytest.mark.slow
def test_a_kernel_that_dies_is_told(make, tmp_path):
    result = run(make("# Dies", "import os; os._exit(3)"), tmp_path)
    assert result.failure.heading == "Dies"
    assert "DeadKernelError" in result.failure.error


def test_a_cell_has_a_time_limit(make, tmp_path):
    result = run(make("# Slow", "import time; time.sleep(60)"), tmp_path, timeout=1)
    assert (result.failure.heading, result.failure.cell) == ("Slow", 2)
    assert "1 seconds" in result.failure.error
    assert result.seconds < 30


def test_parameters_reach_the_notebook_and_do_not_shift_its_cells(make, tmp_path):
    path = make("port: int = 0", "print(port)", "1 / 0", tags=[0])
    result = run(path, tmp_path / "out", {"port": 81})
    assert outputs(result.copy) == "81\n"
    assert result.failure.cell == 3


def test_unknown_parameters_are_refused_with_the_known_ones(make, tmp_path):
    path = make("port: int = 0\nhost = 'a'", tags=[0])
    with pytest.raises(CourseError, match=r"no parameter prot; it has: port, host"):
        run(path, tmp_path / "out", {"prot": 1})
    assert not (tmp_path / "out").exists()


def test_the_kernel_works_in_a_temporary_folder(make, tmp_path):
    result = run(make("import os; open('x', 'w').close(); print(os.getcwd())"), tmp_path / "out")
    folder = Path(outputs(result.copy).strip())
    assert not folder.exists()
    assert not folder.is_relative_to(Path.cwd())


def test_progress_names_each_code_cell_and_its_heading(make, tmp_path):
    lines = []
    run(make("# A", "1", "# B", "2"), tmp_path, progress=lines.append)
    assert [re.sub(r"^ +[\d.]+ s +", "", line) for line in lines] == [
        "cell  2 of 4  A",
        "cell  4 of 4  B",
    ]


@pytest.mark.slow
def test_a_failed_run_leaves_no_copy_that_looks_whole(make, tmp_path):
    out = tmp_path / "out"
    run(make("1"), out)
    run(make("1 / 0"), out)
    assert [path.name for path in out.iterdir()] == ["tiny.failed.ipynb"]
    run(make("1"), out)
    assert [path.name for path in out.iterdir()] == ["tiny.ipynb"]


@pytest.fixture
def bare_machine(monkeypatch):
    """A machine that lacks everything."""

    def require(name):
        raise doctor.Missing(f"{name} is missing; sudo apt-get install {name}-server")

    monkeypatch.setattr(doctor, "require", require)


def test_notebooks_that_can_not_run_here_are_named_with_the_remedy(
    make, there, bare_machine, capsys, monkeypatch
):
    monkeypatch.delenv("NOCHAT_REQUIRE_ALL", raising=False)
    make("1", needs=["rabbitmq"])
    assert execution.main([]) == 0
    said = capsys.readouterr().out
    assert "tiny can't run on this machine" in said
    assert "sudo apt-get install rabbitmq-server" in said


def test_in_ci_what_can_not_run_is_a_failure(make, there, bare_machine, monkeypatch):
    make("1", needs=["rabbitmq"])
    monkeypatch.setenv("NOCHAT_REQUIRE_ALL", "1")
    assert execution.main([]) == 1


def test_the_command_runs_all_and_shows_a_table(make, there, capsys):
    make("1", name="00_good")
    make("# Here", "1 / 0", name="01_bad")
    assert execution.main([]) == 1
    said = capsys.readouterr().out
    assert re.search(r"00_good +passed +[\d.]+ +1\n01_bad +failed", said)
    assert "ZeroDivisionError: division by zero" in said


def test_the_command_takes_beginnings_of_names_and_parameters(make, there, capsys):
    make("x = 1", "print(x)", name="00_good", tags=[0])
    make("1 / 0", name="01_bad")
    assert execution.main(["00", "--parameter", "x=[1, 2]", "--out", "elsewhere"]) == 0
    assert outputs(there / "elsewhere" / "00_good.ipynb") == "[1, 2]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["02"], "there are: 00_good"), (["--parameter", "y=1"], "no parameter y; it has: x")],
)
def test_the_command_refuses_wrong_names(make, there, capsys, arguments, message):
    make("x = 1", name="00_good", tags=[0])
    assert execution.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (there / "build").exists()


def test_only_stale_notebooks_are_run_again(make, there):
    path, out = make("1"), there / "out"
    assert is_stale(path, out)
    out.mkdir()
    (out / path.name).touch()
    assert not is_stale(path, out)
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert is_stale(path, out)


@pytest.mark.slow
def test_warnings_as_errors_do_not_break_it(make, there):
    make("1")
    command = [sys.executable, "-W", "error", "-m", "nochat.lab.course"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_kernel_outlives_the_command_nor_its_files(make, there, tmp_path, number, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    begun = tmp_path / "begun"
    make(f"open({str(begun)!r}, 'w').close()\nimport time; time.sleep(60)")
    command = subprocess.Popen(
        [sys.executable, "-m", "nochat.lab.course"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert until(begun.exists, 50)
    [kernel] = filter(is_kernel, psutil.Process(command.pid).children())
    children = psutil.Process(command.pid).children()
    command.send_signal(number)
    _, errors = command.communicate(timeout=20)
    psutil.wait_procs(children, timeout=5)
    assert not kernel.is_running()
    assert [*temporary.iterdir()] == []
    assert command.returncode != 0
    assert b"Traceback" not in errors


def is_kernel(process):
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False
