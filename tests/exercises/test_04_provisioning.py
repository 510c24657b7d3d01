"""The exercises of notebook 04 on a real machine: right answers pass, each mistake is named.

The machine is a container without the chat, with units and files by the names of the chat's.
"""

import re
import textwrap
from collections.abc import Iterator

import pytest

from nochat.lab import exercise, machines
from nochat.lab.exercise import faults
from nochat.lab.exercise.catalogue import find
from nochat.lab.machines import Farm, provision
from tests.conftest import ROOT
from tests.exercises import machine
from tests.exercises.machine import BY_HAND, HOST
from tests.exercises.solutions import cell, solution, solved

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def farm(image, mitogen) -> Iterator[Farm]:
    with machines.up(HOST, provision=False, quiet=True) as farm:
        machine.install(farm)
        yield farm


@pytest.fixture
def playbook(tmp_path):
    """Writes what a cell with `%%writefile` has, or tasks alone."""

    def write(text):
        path = tmp_path / "mine.yml"
        if text.startswith("%%writefile"):
            path.write_text(text.partition("\n")[2])
        else:
            path.write_text(machine.PLAY + textwrap.indent(textwrap.dedent(text), "    "))
        return path

    return write


def untouched(key):
    return cell("exercise", key).source


# ---- 04a ----------------------------------------------------------------------------------------

TEXT = "{{ inventory_hostname }} belongs to {{ greeting_owner | default('NoChat') }}"


def copied(text, more=""):
    return f"""
        - name: Say whose machine this is
          ansible.builtin.copy:
            content: "{text}\\n"
            dest: /etc/motd
            mode: "0644"
""" + textwrap.indent(more, " " * 10)


def shell(command, more=""):
    return f"""
        - name: Say whose machine this is
          ansible.builtin.shell: "{command}"
""" + textwrap.indent(more, " " * 10)


BY_SHELL = (
    f"grep -qx '{TEXT}' /etc/motd && test $(wc -l </etc/motd) = 1 || "
    f"{{ echo '{TEXT}' >/etc/motd; echo written; }}"
)
BY_LINES = f"""
- name: Read it
  ansible.builtin.command: cat /etc/motd
  register: there
  changed_when: false
  check_mode: false
- name: Say whose machine this is
  ansible.builtin.copy:
    content: "{TEXT}"
    dest: /etc/motd
    mode: "0600"
    owner: vagrant
  when: there.stdout != "{TEXT}"
"""
WRONG_04A = {
    "untouched": lambda: untouched("04a"),
    "failed": lambda: copied("{{ inventory_hostname }} belongs to {{ owner_of_it }}"),
    "appended": lambda: (
        f"""
        - name: Say whose machine this is
          ansible.builtin.lineinfile:
            path: /etc/motd
            line: "{TEXT}"
            regexp: " belongs to "
        """
    ),
    "nameless": lambda: copied("This machine belongs to {{ greeting_owner | default('NoChat') }}"),
    "other": lambda: copied(TEXT.replace("belongs", "belong")),
    "ignored": lambda: copied("{{ inventory_hostname }} belongs to NoChat"),
    "acts": lambda: copied(TEXT, "check_mode: false"),
    "silent": lambda: shell(BY_SHELL, "register: ran\nchanged_when: \"'written' in ran.stdout\""),
    "repeats": lambda: copied(TEXT) + shell("true"),
}


@pytest.mark.parametrize("text", [lambda: solution("04a"), lambda: BY_LINES], ids=["ours", "lines"])
async def test_a_greeting_that_is_as_asked_passes(farm, playbook, text):
    verdict = await exercise.check("04a", playbook(text()), farm=farm)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_04A)
async def test_a_mistake_of_a_greeting_is_named(farm, playbook, mistake):
    verdict = await exercise.check("04a", playbook(WRONG_04A[mistake]()), farm=farm)
    assert verdict.mistake == mistake, verdict


# ---- 04b ----------------------------------------------------------------------------------------

AT_HOME = ["/home:", "vagrant"]
RESTART = "/usr/bin/systemctl restart nochat.target"
BY_FILES = """
- name: Make the account
  ansible.builtin.user:
    name: deploy
    shell: /bin/bash
- name: Make the folder for its key
  ansible.builtin.file:
    path: /home/deploy/.ssh
    state: directory
    owner: deploy
    mode: "0700"
- name: Let it in
  ansible.builtin.copy:
    content: "{{ deploy_key }}\\n"
    dest: /home/deploy/.ssh/authorized_keys
    owner: deploy
    mode: "0600"
- name: Let it restart the chat
  ansible.builtin.lineinfile:
    path: /etc/sudoers
    line: "deploy ALL = NOPASSWD: /bin/systemctl restart nochat.target"
    validate: /usr/sbin/visudo -cf %s
"""


def by_script(*lines):
    """A playbook with one task, as those of mistakes need not be good ones."""
    script = textwrap.indent("\n".join(lines), " " * 12)
    return f"""
        - name: Make the account
          ansible.builtin.shell: |
{script}
        """


def ruled(text):
    return by_script(MADE, KEYED, f"echo '{text}' >/etc/sudoers.d/restarts")


RULE = f"deploy ALL=(root) NOPASSWD: {RESTART}"
MADE = "useradd --create-home --shell /bin/bash deploy"
KEYED = "install -d -o deploy ~deploy/.ssh; echo '{{ deploy_key }}' >~deploy/.ssh/authorized_keys"
WRONG_04B = {
    "untouched": lambda: untouched("04b"),
    "failed": lambda: by_script("useradd --like-root deploy"),
    "no_key": lambda: by_script(MADE),
    "unlocked": lambda: by_script(MADE, KEYED, "echo deploy:deploy | chpasswd"),
    "broken": lambda: ruled(f"deploy ALL=(root) NOPASSWORD: {RESTART}"),
    "refused": lambda: by_script(MADE, KEYED),
    "skipped": lambda: by_script(MADE, KEYED, f"echo '{RULE}' >/etc/sudoers.d/deploy.conf"),
    "shut": lambda: by_script(MADE.replace("/bin/bash", "/usr/sbin/nologin"), KEYED),
    "asks": lambda: ruled(f"deploy ALL=(root) {RESTART}"),
    "everything": lambda: ruled("deploy ALL=(ALL) NOPASSWD: ALL"),
    "wildcard": lambda: ruled(f"deploy ALL=(root) NOPASSWD: {RESTART[:-7]}*"),
    "verbs": lambda: ruled("deploy ALL=(root) NOPASSWD: /usr/bin/systemctl * nochat.target"),
    "repeats": lambda: by_script(
        f"id deploy && exit; {MADE}",
        KEYED,
        f"echo 'deploy ALL=NOPASSWD: {RESTART}' >/etc/sudoers.d/it",
    ),
}


@pytest.mark.parametrize("text", [lambda: solution("04b"), lambda: BY_FILES], ids=["ours", "files"])
async def test_an_account_that_may_restart_the_chat_alone_passes(farm, playbook, text):
    verdict = await exercise.check("04b", playbook(text()), farm=farm, host=HOST)
    assert verdict.passed, verdict
    left = "getent passwd deploy; ls /home /etc/sudoers.d; sudo grep deploy /etc/sudoers; true"
    assert farm.ssh(HOST, left).split() == ["/etc/sudoers.d:", "README", "vagrant", *AT_HOME]


@pytest.mark.parametrize("mistake", WRONG_04B)
async def test_a_mistake_of_an_account_is_named(farm, playbook, mistake):
    verdict = await exercise.check("04b", playbook(WRONG_04B[mistake]()), farm=farm, host=HOST)
    assert verdict.mistake == mistake, verdict
    assert ".. " not in verdict.said
    assert "'1 sudo" not in verdict.said


# ---- 04c ----------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The folder with small playbooks, where their names are looked for first."""
    machine.write_playbooks(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def broken(farm):
    """The machine with three faults; all are gone at the end."""
    yield faults.draw(farm, HOST, among=[*BY_HAND])
    machine.repair(farm, *BY_HAND)


@pytest.fixture(scope="module")
def repaired(farm):
    """Return what was drawn for a machine, which was put right by hand since."""
    broken = faults.draw(farm, HOST, among=[*BY_HAND])
    machine.repair(farm, *broken.causes)
    return broken


async def judge(broken, farm, causes, **settings):
    return await exercise.check("04c", causes, broken=broken, farm=farm, **settings)


async def test_the_words_of_the_notebook_find_all_faults(farm, small):
    broken = faults.draw(farm, HOST, among=[*BY_HAND], count=len(BY_HAND))
    given = {"farm": farm, "host": HOST, "provision": provision}
    verdict = await judge(broken, farm, solved("04c", **given)["causes"])
    assert verdict.passed, verdict


async def test_a_repair_by_hand_to_the_same_state_passes(farm, small, repaired):
    verdict = await judge(repaired, farm, [*repaired.causes])
    assert verdict.passed, verdict


async def test_faults_that_are_left_are_counted(farm, broken):
    first, *others = sorted(broken.causes)
    machine.repair(farm, *others)
    verdict = await judge(broken, farm, broken.causes)
    assert verdict.mistake == "left", verdict
    assert "Of the 3 faults, 1 can still be seen" in verdict.said
    machine.repair(farm, first)
    assert faults.draw(farm, HOST, seed=broken.seed, among=[*BY_HAND]) == broken


async def test_the_untouched_cell_names_no_cause(farm, repaired):
    names = {}
    exec(untouched("04c"), names)
    assert (await judge(repaired, farm, names["causes"])).mistake == "untouched"


async def test_causes_that_there_are_not_are_unknown(farm, repaired):
    assert (await judge(repaired, farm, "gremlins")).mistake == "unknown"


async def test_causes_in_one_text_are_as_good_as_a_set(farm, repaired):
    verdict = await judge(repaired, farm, ", ".join(repaired.causes), playbooks=())
    assert verdict.passed, verdict


async def test_a_cause_too_few_or_too_many_is_told(farm, repaired):
    (one, *_), (other, *_) = repaired.causes, {*BY_HAND} - repaired.causes
    assert (await judge(repaired, farm, repaired.causes - {one})).mistake == "missing"
    assert (await judge(repaired, farm, repaired.causes | {other})).mistake == "invented"


async def test_a_chat_that_nobody_reaches_is_dead(farm, repaired):
    away = {"url": "http://127.0.0.1:9", "patience": 0.1}
    verdict = await judge(repaired, farm, repaired.causes, **away)
    assert verdict.mistake == "dead", verdict


async def test_a_door_that_was_opened_meanwhile_is_told(farm, repaired):
    unit = "sudo systemd-run --quiet --collect --unit=door --property=Type=exec"
    farm.ssh(HOST, f"{unit} python3 -m http.server 3306 >/dev/null 2>&1")
    farm.ssh(HOST, "until ss -ltnH | grep -q :3306; do :; done")
    verdict = await judge(repaired, farm, repaired.causes)
    farm.ssh(HOST, "sudo systemctl stop door")
    assert verdict.mistake == "open", verdict


async def test_a_repair_to_another_state_is_drift(farm, small, repaired):
    farm.ssh(HOST, "sudo chmod 600 /etc/default/nochat")
    verdict = await judge(repaired, farm, repaired.causes, playbooks=["app.yml"])
    assert verdict.mistake == "drift", verdict
    assert "Set the chat's settings" in verdict.said


async def test_a_playbook_that_ends_with_an_error_is_told(farm, repaired, tmp_path):
    verdict = await judge(repaired, farm, repaired.causes, playbooks=[tmp_path / "none.yml"])
    assert verdict.mistake == "failed", verdict


def test_the_signs_of_the_solution_are_tasks_of_the_roles():
    roles = (ROOT / "playbooks" / "roles").glob("*/tasks/*.yml")
    tasks = "".join(path.read_text() for path in roles)
    signs = re.findall(r'^    "(.+)": "(\w+)",$', solution("04c"), re.MULTILINE)
    assert {cause for _, cause in signs} == {*faults.FAULTS}
    assert [sign for sign, _ in signs if f"- name: {sign}" not in tasks] == []


NAMED = {"untouched", "unknown", "left", "dead", "open", "missing", "invented", "drift", "failed"}


@pytest.mark.parametrize(
    ("key", "named"), [("04a", {*WRONG_04A}), ("04b", {*WRONG_04B}), ("04c", NAMED)]
)
def test_every_known_mistake_has_an_answer_that_makes_it(key, named):
    assert named == {*find(key).mistakes}
