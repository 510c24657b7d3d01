"""Playbooks run on this machine, in no other's way; and what is said when one fails."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest

from nochat.lab.board import Board
from nochat.lab.machines import provision
from nochat.lab.machines.following import Following, checked
from nochat.lab.machines.runs import Run, Task
from nochat.local.processes import free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HOST = f"here ansible_connection=local ansible_python_interpreter={sys.executable}\n"
PLAYBOOK = """
- name: Try it
  hosts: all
  gather_facts: false
  tasks:
    - name: Write a file
      ansible.builtin.copy: {dest: FOLDER/open, content: "hello\\n", mode: "0644"}
    - name: Write a secret
      ansible.builtin.copy: {dest: FOLDER/closed, content: "s3cr3t\\n", mode: "0600"}
      no_log: true
    - name: Do without
      ansible.builtin.debug: {msg: no}
      when: false
"""
FAILING = """
- name: Try it
  hosts: all
  gather_facts: false
  tasks:
    - name: Look for the impossible
      ansible.builtin.command: ls /impossible
      changed_when: false
    - name: Never come to this
      ansible.builtin.debug: {msg: no}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a hosts file; temporary files are in one with a short name, for sockets."""
    (tmp_path / "hosts").write_text(HOST)
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as temporary:
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield tmp_path
        assert not list(Path(temporary).glob("nochat-*"))


def playbook(folder: Path, text: str) -> Path:
    path = folder / "try.yml"
    path.write_text(text.replace("FOLDER", str(folder)))
    return path


def test_a_run_tells_each_task_its_time_and_what_it_changed(folder, capsys):
    path = playbook(folder, PLAYBOOK)
    first = provision.ansible(path, folder / "hosts")
    seen = capsys.readouterr().out
    second = provision.ansible(path, folder / "hosts", quiet=True)
    assert capsys.readouterr().out == ""

    assert [(task.host, task.name, task.result) for task in first.tasks] == [
        ("here", "Write a file", "changed"),
        ("here", "Write a secret", "changed"),
        ("here", "Do without", "skipped"),
    ]
    assert second.changed == []
    assert 0 < first.tasks[0].seconds < first.seconds
    assert "+hello" in first.diff
    for name in ("Write a file", "Write a secret", "2 changed, 1 skipped"):
        assert name in seen
    for shown in (seen, repr(first), first._repr_html_(), first.diff):
        assert "s3cr3t" not in shown

    table = repr(provision.compare(first, second)).splitlines()
    lines = len([line for line in PLAYBOOK.splitlines() if line.strip()])
    assert re.fullmatch(rf"Ansible +try.yml +{lines} +[\d.]+ +2", table[1])
    assert table[2].endswith(" 0")
    assert ">try.yml</td>" in provision.compare(first, second)._repr_html_()


def test_a_failure_names_host_task_and_message(folder):
    with pytest.raises(provision.RunFailed) as caught:
        provision.ansible(playbook(folder, FAILING), folder / "hosts")
    assert (caught.value.host, caught.value.task) == ("here", "Look for the impossible")
    for text in ("here", "Look for the impossible", "/impossible", "No such file"):
        assert text in str(caught.value)
    assert len(caught.value.run.tasks) == 1


def test_a_secret_task_that_fails_keeps_its_secret(folder, capsys):
    text = FAILING.replace("ls /impossible", "ls /s3cr3t").replace(
        "changed_when: false", "no_log: true"
    )
    with pytest.raises(provision.RunFailed, match="hidden") as caught:
        provision.ansible(playbook(folder, text), folder / "hosts")
    assert "s3cr3t" not in str(caught.value) + capsys.readouterr().out


def test_a_host_that_does_not_answer_is_no_wrong_key(folder):
    (folder / "hosts").write_text(f"away ansible_host=127.0.0.1 ansible_port={free_port()}\n")
    with pytest.raises(
        provision.RunFailed, match=r"away can't be reached.*(?s:.*)Connection refused"
    ) as caught:
        provision.ansible(playbook(folder, FAILING), folder / "hosts", quiet=True)
    assert "nothing answers there" in str(caught.value)


def test_a_host_that_is_slow_is_not_called_away():
    said = "Task failed: Timeout (12s) waiting for privilege escalation prompt:"
    run = Run("Ansible", "try.yml", 12, 1, (Task("here", "Try", "unreachable", 12, said),))
    with pytest.raises(provision.RunFailed, match=r"it answers, but slowly(?s:.*)Run it once more"):
        checked(run, Following("try.yml"))


@pytest.mark.parametrize(
    ("text", "limit", "message"),
    [
        ("- hosts: all\n  tazks: []\n", "", "'tazks' is not a valid attribute"),
        (FAILING, "nobody", "no hosts to target"),
    ],
)
def test_a_run_that_fails_says_why(folder, text, limit, message):
    with pytest.raises(provision.RunFailed, match=message) as caught:
        provision.ansible(playbook(folder, text), folder / "hosts", limit=limit, quiet=True)
    assert "\x1b" not in str(caught.value)


HERE_ALONE = """
- name: Try it
  hosts: all
  connection: local
  gather_facts: false
  tasks:
    - name: Say {{ greeting }}
      ansible.builtin.debug: {msg: hello}
"""


def test_a_line_that_is_a_number_is_no_event():
    """Warnings of Ansible show lines of a playbook, each with its number."""
    following = Following("a playbook")
    with Board(quiet=True) as board:
        for line in ("Origin: a.yml:9:3", "", "7", "8 - name: Try it"):
            following.hear(line, board)
    assert following.said == ["Origin: a.yml:9:3", "", "7", "8 - name: Try it"]


def test_without_an_inventory_there_is_this_computer_alone(folder):
    path = playbook(folder, HERE_ALONE)
    run = provision.ansible(path, variables={"greeting": "hello you"}, quiet=True)
    assert [(task.host, task.name) for task in run.tasks] == [("localhost", "Say hello you")]


def test_a_playbook_that_is_not_there_names_those_that_are(folder):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yml; .*containers\.yml") as caught:
        provision.ansible("nowhere.yml", folder / "hosts")
    assert "secrets.yml" not in str(caught.value)


WAITING = """
- name: Try it
  hosts: all
  gather_facts: false
  tasks:
    - name: Wait for long
      ansible.builtin.command: touch FOLDER/waits
      changed_when: false
    - name: Wait for longer
      ansible.builtin.command: sleep 600
      changed_when: false
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_goes_on_after_an_interrupt_or_kill_9(folder, number):
    path = playbook(folder, WAITING)
    script = f"""
        from pathlib import Path
        from nochat.lab.machines import provision
        provision.ansible({str(path)!r}, Path({str(folder / "hosts")!r}))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert any("Wait for longer" in line for line in process.stdout)
        assert until(lambda: of_folder(folder), 15)
        os.kill(process.pid, number)
        process.wait(20)
    assert until(lambda: not of_folder(folder), 15)


def of_folder(folder: Path) -> list[psutil.Process]:
    """What works for a run of this folder's playbook."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in str(process.info["cmdline"])
    ]
