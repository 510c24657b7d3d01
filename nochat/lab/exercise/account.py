"""Exercise 04b: an account that logs in by a key, and may restart the chat and nothing else."""

import asyncio
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from nochat.lab.exercise.catalogue import Mistake, exercise
from nochat.lab.exercise.plays import as_root, play
from nochat.lab.inventory import SSH_OPTIONS
from nochat.lab.machines import Farm

NAME, CHAT, OTHER = "deploy", "nochat.target", "mariadb.service"
RESTART = f"sudo -n systemctl restart {CHAT}"
# What must be refused, by the mistake where it is not.
REFUSED = {
    "sudo -n id": "everything",
    "sudo -n cat /etc/shadow": "everything",
    "cat /etc/shadow": "everything",
    f"sudo -n systemctl restart {CHAT} {OTHER}": "wildcard",
    f"sudo -n systemctl restart {OTHER}": "wildcard",
    f"sudo -n systemctl stop {OTHER}": "verbs",
    f"sudo -n systemctl stop {CHAT}": "verbs",
}
NO = re.compile(r"password is required|not allowed to|may not run|not in the sudoers|denied")
# A machine that has never heard of the account, as each attempt finds it.
FORGET = f"""
userdel --force --remove {NAME} 2>/dev/null
grep -rlw {NAME} /etc/sudoers.d | xargs -r rm -f
sed -i '/\\b{NAME}\\b/d' /etc/sudoers
true
"""
# The files with a rule for it that sudo does not read, as sudoers(5) has it.
SKIPPED = f"find /etc/sudoers.d -type f -name '*[.~]*' -exec grep -lw {NAME} {{}} + || true"
AGAIN = f"systemctl start {OTHER} {CHAT}"


@dataclass(frozen=True)
class Said:
    """The answer to a command of the account's.

    Attributes:
        status: the command's exit status.
        output: what it wrote.
    """

    status: int
    output: str


@exercise(
    "04b",
    "an account logs in by its key, and may restart the chat and nothing else",
    untouched="After a run of your playbook, {host} has no account named deploy. Which of your "
    "tasks makes it?",
    failed="Ansible ended with an error: {error}",
    no_key="deploy can't log in to {host} by the key of `deploy_key`. SSH says: {error}. Which "
    "file, in whose home, does SSH look into?",
    shut="{host} lets deploy in by its key, and ends the session at once. SSH says: {error}. The "
    "account's shell is {shell}. Can that one run a command?",
    unlocked="The account on {host} has a password ({state}). Whoever guesses it needs no key. "
    "What does an account have that was never given one?",
    broken="A file of sudo's has an error, and sudo passes it by: {error}. Some versions then let "
    "nobody in. Which program tries such a file before it is put in its place?",
    refused="deploy may not restart the chat: `sudo systemctl restart nochat.target` ended with "
    "{error!r}. No rule of sudo's names this user and exactly this command, with its full path.",
    skipped="The rule for deploy is in {file}, and sudo reads no file of that folder whose name "
    "has a dot in it, or ends with ~. What else could it be called?",
    asks="`sudo systemctl restart nochat.target` asks deploy for a password, and there is none. "
    "Which word in a rule of sudo's does without?",
    everything="deploy may do more than restart the chat: `{command}` was carried out, and the "
    "machine is theirs. Which commands does your rule name?",
    wildcard="`{command}` was carried out, too. What is a star, or a name without arguments, in a "
    "rule of sudo's ready to stand for? It may be a space and one more name.",
    verbs="`{command}` was carried out, too: systemctl does more than restart. Which part of the "
    "command does your rule leave open?",
    repeats="Nothing was different, and a second run changed {host} again: {tasks}. Does that "
    "task look before it acts?",
)
async def account(answer: str | Path, *, farm: Farm, host: str) -> None:
    """Judge a playbook on one machine, by a key pair of the judge's."""
    await asyncio.to_thread(_judge, answer, farm, host)


def _judge(playbook: str | Path, farm: Farm, host: str) -> None:
    if not isinstance(playbook, str | Path):
        raise Mistake("untouched", host=host)
    as_root(farm, host, FORGET)
    try:
        with tempfile.TemporaryDirectory(prefix="nochat-judge-") as folder:
            _try(playbook, farm, host, _make_key(Path(folder)))
    finally:
        as_root(farm, host, f"{FORGET}\n{AGAIN}")


def _make_key(folder: Path) -> Path:
    key = folder / "key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{NAME}@judge", "-f", str(key)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return key


def _try(playbook: str | Path, farm: Farm, host: str, key: Path) -> None:
    public = key.with_suffix(".pub").read_text(encoding="utf-8").strip()
    play(playbook, farm.inventory, limit=host, deploy_key=public)
    _look_from_inside(farm, host)
    _look_from_outside(farm, host, key)
    changed = play(playbook, farm.inventory, limit=host, deploy_key=public).get(host)
    if changed:
        raise Mistake("repeats", host=host, tasks=", ".join(changed))


def _look_from_inside(farm: Farm, host: str) -> None:
    script = f"passwd --status {NAME} 2>&1; echo; visudo --check 2>&1 | grep 'syntax error'; true"
    status, _, rules = as_root(farm, host, script).partition("\n\n")
    _, state, *_ = f"{status} ? ?".split()
    if not status.startswith(f"{NAME} "):
        raise Mistake("untouched", host=host)
    if state != "L":  # locked, as passwd(1) has it
        meaning = {"P": "one that can be used", "NP": "an empty one"}
        raise Mistake("unlocked", host=host, state=meaning.get(state, state))
    if rules.strip():
        raise Mistake("broken", error=rules.strip())


def _look_from_outside(farm: Farm, host: str, key: Path) -> None:
    restart, *others = _say(farm, host, key, [RESTART, *REFUSED])
    if restart.status:
        rules = as_root(farm, host, f"sudo -l -U {NAME} 2>&1; true")
        asks = "may run" in rules and "NOPASSWD" not in rules
        if skipped := as_root(farm, host, SKIPPED).split():
            raise Mistake("skipped", file=skipped[0])
        raise Mistake("asks" if asks else "refused", error=restart.output)
    for said, (command, mistake) in zip(others, REFUSED.items(), strict=True):
        if not (said.status and NO.search(said.output)):
            raise Mistake(mistake, command=command.replace("sudo -n", "sudo"))


def _say(farm: Farm, host: str, key: Path, commands: list[str]) -> list[Said]:
    """Log in as the account, in one session, and try commands.

    Raises:
        Mistake: `no_key`: there is no way in; `shut`: there is one, and it leads to no shell.
    """
    tries = "".join(
        f"said=$({each} </dev/null 2>&1); status=$?; echo; echo $status $said\n"
        for each in commands
    )
    options = farm.hosts[host]
    argv = ["ssh", "-F", "none", "-i", str(key), "-p", options.get("port", "22")]
    argv += [*shlex.split(SSH_OPTIONS), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    argv += ["-o", "PreferredAuthentications=publickey", f"{NAME}@{options['hostname']}"]
    ran = subprocess.run(
        [*argv, "sh -s"],
        input=f"set -f\necho in\n{tries}",
        capture_output=True,
        text=True,
        check=False,
    )
    first, *lines = ran.stdout.split("\n\n") if ran.stdout else [""]
    if first.strip() != "in":
        error = (ran.stderr or ran.stdout).strip().rstrip(".") or "nothing"
        if "denied" in error:
            raise Mistake("no_key", host=host, error=error)
        shell = as_root(farm, host, f"getent passwd {NAME}").strip().rpartition(":")[2]
        raise Mistake("shut", host=host, error=error, shell=shell)
    told = (line.strip().partition(" ") for line in lines)
    return [Said(int(status), output) for status, _, output in told]
