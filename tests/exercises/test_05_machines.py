"""The exercises of notebook 05, proved both ways, with real machines."""

import json
import shutil
import subprocess
import textwrap

import pytest

from nochat.lab import exercise
from nochat.lab.exercise.catalogue import find
from tests.conftest import BASE, ROOT
from tests.exercises.solutions import cell, solution, tags

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(180)]

# ---- 05a ----------------------------------------------------------------------------------------

COPIED = ("Vagrantfile", "vagrant", "nochat/lab/groups.json", "nochat/lab/azure/defaults.json")
GROUPS = ("nochat/lab/groups.json", '["database-host"]', '["database-host", "spare-host"]')
END = "open: nil },\n]"
LINE = '{ name: "spare-host", playbook: "database.yml", ports: {} },'


@pytest.fixture
def copy(docker_engine, tmp_path):
    """A working copy, as far as Vagrant reads it."""
    for name in COPIED:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile)(ROOT / name, path)
    return tmp_path


def change(copy, *changes):
    for name, before, after in changes:
        text = (copy / name).read_text()
        assert before in text
        (copy / name).write_text(text.replace(before, after, 1))


def added(line=LINE, before=""):
    """Add a line at the end of the list, or before another one."""
    if before:
        return "Vagrantfile", before, f"{line}\n  {before}"
    return "Vagrantfile", END, END.replace("]", f"  {line}\n]")


def no_address(copy):
    change(copy, added(), GROUPS)
    line = "override.vm.network :private_network, ip: private[name], name: checkout"
    change(copy, ("Vagrantfile", line, f'{line} unless name == "spare-host"'))


def same_address(copy):
    change(copy, added(), GROUPS)
    line = "IPAddr.new(start + 11 + n, Socket::AF_INET)"
    change(copy, ("Vagrantfile", line, line.replace("n,", "[n, 1].min,")))


def in_a_page(copy):
    """Leave the cell of the notebook untouched, and write of the new machine in a page."""
    exec(cell(tags.EXERCISE, "05a").source, {"spare": str(copy)})
    (copy / "docs").mkdir()
    shutil.copyfile(ROOT / "docs" / "machines.md", copy / "docs" / "machines.md")
    table = "| variable | provider | default |"
    change(copy, ("docs/machines.md", table, f"| spare-host | database.yml |\n{table}"))


WRONG_05A = {
    "no_copy": lambda copy: (copy / "Vagrantfile").unlink(),
    "untouched": in_a_page,
    "failed": lambda copy: change(copy, added(LINE.rstrip("},")), GROUPS),
    "missing": lambda copy: change(copy, ("Vagrantfile", '"database-host"', '"spare-host"')),
    "name": lambda copy: change(copy, added(LINE.replace("spare-host", "spare")), GROUPS),
    "playbook": lambda copy: change(copy, added(LINE.replace("database.", "docker.")), GROUPS),
    "group": lambda copy: change(copy, added()),
    "no_address": no_address,
    "same_address": same_address,
    "moved": lambda copy: change(copy, added(before='{ name: "database-host", playbook'), GROUPS),
}


def appended(copy):
    """Leave the list as it is, and add to it below; write the groups anew."""
    below = "# Ansible takes its settings"
    change(copy, ("Vagrantfile", below, f"servers.push({LINE.rstrip(',')})\n{below}"))
    path = copy / "nochat/lab/groups.json"
    groups = json.loads(path.read_text())
    groups["database"].insert(0, "spare-host")
    path.write_text(json.dumps(groups))


async def test_the_solution_of_05a_passes(copy):
    exec(solution("05a"), {"spare": str(copy)})
    verdict = await exercise.check("05a", str(copy))
    assert verdict.passed, verdict


async def test_a_machine_that_is_pushed_onto_the_list_passes(copy):
    appended(copy)
    verdict = await exercise.check("05a", copy)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_05A)
async def test_a_mistake_in_a_working_copy_is_named(mistake, copy):
    WRONG_05A[mistake](copy)
    verdict = await exercise.check("05a", copy)
    assert verdict.mistake == mistake, verdict


async def test_a_machine_that_was_added_to_the_project_is_not_where_it_belongs(
    copy, tmp_path_factory, monkeypatch
):
    """As by `Path("Vagrantfile")` in a cell: the notebook works in the project's folder."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(copy, project, dirs_exist_ok=True)
    monkeypatch.setattr("nochat.lab.exercise.third_machine.ROOT", project)
    assert (await exercise.check("05a", copy)).mistake == "untouched"
    change(project, added(), GROUPS)
    verdict = await exercise.check("05a", copy)
    assert verdict.mistake == "elsewhere", verdict
    assert str(copy) in verdict.said


async def test_a_copy_is_judged_and_not_the_project():
    verdict = await exercise.check("05a", ROOT)
    assert verdict.mistake == "original", verdict


# ---- 05b ----------------------------------------------------------------------------------------

# A machine of a moment: SSH is all that runs in it. Vagrant needs not find out what it is, and its
# key stays: both take time.
FILE = """
Vagrant.configure("2") do |config|
  config.ssh.insert_key, config.vm.guest = false, :linux
  config.vm.synced_folder ".", "/vagrant", disabled: true
  {network}
  config.vm.provision "shell", env: {{ WORD: {word} }}, inline: <<~SHELL
    {script}
  SHELL
  config.vm.provider :docker do |docker|
    boot = "mkdir -p /run/sshd; ssh-keygen -qt ed25519 -N '' -f $0; exec /usr/sbin/sshd -D -h $0"
    docker.cmd, docker.image, docker.has_ssh = ["sh", "-c", boot, "/k"], "{image}", true
    {docker}
  end
end
"""
FORWARDED = "config.vm.network :forwarded_port, guest: 80, host: 8000"
CORRECTED = f"{FORWARDED}, auto_correct: true"
SERVER = "nohup python3 -m http.server --directory /srv 80 >/dev/null 2>&1 &"
ONCE = f"pgrep -f http.server || {SERVER}"
WRITE = 'echo "$WORD" >/srv/index.html'
# A server that knows the word by heart, and another one beside it after the next provisioning.
BY_HEART = "sleep infinity &"


def vagrantfile(*script, network=CORRECTED, word='ENV["WORD"]', docker="", image=BASE, file=FILE):
    lines = "\n    ".join(script or (WRITE, ONCE))
    return file.format(network=network, word=word, script=lines, docker=docker, image=image)


# A service of the machine's own would do, too: here the server is started anew each time, and the
# word is in the page that it makes itself. Docker chooses the port.
ANEW = vagrantfile(
    "pkill -f http.server; mkdir -p /srv/$WORD && rm -rf /srv/index.html",
    "cd /srv && rmdir $(ls | grep -v $WORD); " + SERVER,
    network="",
    docker='docker.create_args = ["--publish", "80"]',
)
WRONG_05B = {
    "untouched": "# Nothing yet.\n",
    "long": vagrantfile() + "  # and more\n" * 25,
    "invalid": vagrantfile(network="config.vm.net :forwarded_port"),
    "port": vagrantfile(network=FORWARDED),
    "failed": vagrantfile(image="nochat/no-such-image"),
    "silent": vagrantfile(network=""),
    "constant": vagrantfile(word='"WORD"'),
    "stale": vagrantfile("test -e /srv/index.html || " + WRITE, ONCE),
    "appended": vagrantfile(WRITE.replace(">", ">>"), ONCE),
    "twice": vagrantfile(WRITE, ONCE, BY_HEART),
    "left": vagrantfile(docker='docker.volumes = ["nochat-judged-word:/srv"]'),
}


@pytest.fixture(scope="module")
def machine(image):
    """The image that the notebook makes, under its name there."""
    subprocess.run(["docker", "tag", BASE, "nochat/machine"], check=True)
    yield
    subprocess.run(["docker", "rmi", "nochat/machine"], check=True, capture_output=True)


@pytest.fixture
def file(machine, tmp_path):
    return tmp_path / "Vagrantfile"


def docker(*arguments):
    return subprocess.run(["docker", *arguments], capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "text",
    [lambda: solution("05b").partition("\n")[2], lambda: ANEW],
    ids=["the solution", "a server that is started anew, at a port of Docker's choice"],
)
async def test_a_vagrantfile_that_serves_the_word_passes(text, file):
    file.write_text(text())
    verdict = await exercise.check("05b", file)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_05B)
async def test_a_mistake_in_a_vagrantfile_is_named(mistake, file):
    file.write_text(textwrap.dedent(WRONG_05B[mistake]))
    verdict = await exercise.check("05b", file)
    assert verdict.mistake == mistake, verdict
    assert docker("ps", "--all", "--quiet", "--filter", "label=nochat") == ""
    assert "nochat-judged-word" not in docker("volume", "ls")


async def test_a_script_that_does_not_end_is_told(file, monkeypatch):
    """The server in it has the output of `vagrant up`, or is in the foreground."""
    monkeypatch.setattr("nochat.lab.exercise.vagrant_runs.MOST_SECONDS", 20.0)
    file.write_text(vagrantfile(WRITE, SERVER.removesuffix(" >/dev/null 2>&1 &")))
    verdict = await exercise.check("05b", file)
    assert verdict.mistake == "endless", verdict
    assert docker("ps", "--all", "--quiet", "--filter", "label=nochat") == ""


async def test_the_untouched_cell_of_05b_is_no_vagrantfile(tmp_path):
    (tmp_path / "Vagrantfile").write_text(cell(tags.EXERCISE, "05b").source.partition("\n")[2])
    verdict = await exercise.check("05b", tmp_path)
    assert verdict.mistake == "untouched", verdict


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG_05A, "original", "elsewhere"} == {*find("05a").mistakes}
    assert {*WRONG_05B, "endless"} == {*find("05b").mistakes}
