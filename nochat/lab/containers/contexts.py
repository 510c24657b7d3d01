"""A `docker context` for another computer, by SSH: in every terminal, until it is removed.

For example::

    contexts.create("attic", "192.0.2.7", key="~/.ssh/nochat", user="lia")
    contexts.remove("attic")

In between, `docker --context attic ps` works, even after the kernel has ended. Docker's command
reaches the engine by the command `ssh`, which reads `~/.ssh/config`: so the settings for the
computer are in a file of `~/.ssh/nochat`, a folder that this config includes.
"""

import os
import pwd
import re
import subprocess
from pathlib import Path

from nochat.lab import surroundings
from nochat.lab.advice import explain
from nochat.lab.errors import ContextError
from nochat.lab.waiting import blocking
from nochat.local import doctor

# This user's folder as ssh finds it, without HOME.
SSH = Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".ssh"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")  # a context's, and a host's in a file of ssh
WORD = re.compile(r"[^\s\"-][^\s\"]*")
HOST = """\
# Made by nochat.lab.containers.contexts for `docker --context {name}`.
Host nochat-{name}
    HostName {address}
    User {user}
    Port {port}
    IdentityFile "{key}"
    IdentitiesOnly yes
    StrictHostKeyChecking accept-new
    BatchMode yes
"""
ADVICE = (
    (
        "REMOTE HOST IDENTIFICATION",
        "it is another computer than last time, or was made anew: if you know why, `ssh-keygen -R` "
        "with the name that it says, and try again",
    ),
    ("Permission denied", "put the public half of the key into ~/.ssh/authorized_keys there"),
    ("permission denied|docker.sock", "there: sudo usermod -aG docker $USER"),
    ("not found|No such file", "install Docker there, as playbooks/docker.yml does"),
    (
        "Connection (closed|reset)|kex_exchange_identification",
        "after log-ins that failed, its ssh lets nobody in for some seconds: try again in a minute",
    ),
    ("timed out|refused|resolve|unreachable|No route", "is the address right, and is it on?"),
)


def create(name: str, address: str, *, key: str | Path, user: str = "root", port: int = 22) -> str:
    """Create or change a context for the engine of a computer; return the engine's version.

    The computer's host key is trusted on first use; later, a different key is refused.

    Args:
        name: the context's name, for `docker --context`.
        address: the computer's address.
        key: file of the private key for the log-in.
        user: the user for the log-in, who may use Docker there.
        port: the port of its SSH server.

    Raises:
        ValueError: a name, address or user is invalid, or Docker has a context of that name for
            another engine.
        FileNotFoundError: there is no such key.
        Missing: Docker's command or ssh is not installed.
        ContextError: the engine does not answer, or refuses; nothing has changed then.
    """
    _check(name, address, user)
    key = Path(key).expanduser().absolute()
    if not key.is_file():
        raise FileNotFoundError(f"there is no key {key}; deploy.key_pair({str(key)!r}) makes one")
    doctor.require("ssh")
    theirs = _docker("context", "inspect", name, "--format", "{{.Endpoints.docker.Host}}")
    if theirs not in ("", _host(name)):
        raise ValueError(f"Docker has a context {name} for {theirs}; choose another name")
    file = _file(name)
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    _include()
    text = HOST.format(name=name, address=address, user=user, port=int(port), key=key)
    _write(file, text)
    try:
        with blocking(f"Docker at {address}"):
            version = _version(name)
    except BaseException:
        _write(file, before) if before else _forget(file)
        raise
    if not theirs:
        _docker("context", "create", name, "--docker", f"host={_host(name)}", must=True)
    return version


def remove(name: str) -> None:
    """Remove a context of `create`; the computer itself does not change. It may be called again.

    Raises:
        ValueError: Docker has a context of that name for another engine.
        Missing: Docker's command is not installed.
    """
    _check(name)
    theirs = _docker("context", "inspect", name, "--format", "{{.Endpoints.docker.Host}}")
    if theirs not in ("", _host(name)):
        raise ValueError(f"{name} is a context for {theirs}, which was not made here")
    if theirs:
        _docker("context", "rm", "--force", name, must=True)
    _forget(_file(name))


def _check(name: str, *words: str) -> None:
    """Check that a name and words are valid in a file of ssh.

    Raises:
        ValueError: one is invalid.
    """
    if not NAME.fullmatch(name) or name == "default":
        raise ValueError(f"{name!r} can't be a context's name: two letters or digits, or more")
    for word in words:
        if not WORD.fullmatch(word):
            raise ValueError(f"{word!r} can't be an address or a user")


def _host(name: str) -> str:
    return f"ssh://nochat-{name}"


def _file(name: str) -> Path:
    return SSH / "nochat" / name


def _line() -> str:
    return f'Include "{SSH / "nochat"}/*"\n'


def _include() -> None:
    """Include our files at the top of ssh's config: below a `Host`, they would be for it alone."""
    (SSH / "nochat").mkdir(mode=0o700, parents=True, exist_ok=True)
    config = SSH / "config"
    text = config.read_text(encoding="utf-8") if config.exists() else ""
    if _line() not in text.splitlines(keepends=True):
        _write(config, _line() + text)


def _forget(file: Path) -> None:
    """Remove a file of ours; after the last one, remove the folder and the include as well."""
    file.unlink(missing_ok=True)
    if not file.parent.exists() or any(file.parent.iterdir()):
        return
    file.parent.rmdir()
    config = SSH / "config"
    left = config.read_text(encoding="utf-8").replace(_line(), "")
    _write(config, left) if left else config.unlink()


def _write(path: Path, text: str) -> None:
    """Write a private file atomically; a symbolic link to it stays one."""
    path = path.resolve()
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _version(name: str) -> str:
    """Ask an engine for its version.

    Raises:
        ContextError: it does not answer.
    """
    # By ssh alone first: Docker's command logs in several times, and after some failures OpenSSH
    # 9.8 refuses all log-ins for a while, without a reason.
    entered = ["ssh", f"nochat-{name}", "true"]
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    env = {**os.environ, "DOCKER_HOST": _host(name)}
    surroundings.forget_tls(env)
    for attempt in (entered, [str(doctor.require(command[0])), *command[1:]]):
        ran = subprocess.run(attempt, env=env, capture_output=True, text=True, check=False)
        if ran.returncode:
            tried = attempt if attempt is entered else ["docker", "--context", name, *command[1:]]
            raise ContextError(explain(tried, ran.stderr, ADVICE))
    return ran.stdout.strip()


def _docker(*arguments: str, must: bool = False) -> str:
    """Return the output of Docker's command, or an empty string if it fails."""
    argv = [str(doctor.require("docker")), *arguments]
    ran = subprocess.run(argv, capture_output=True, text=True, check=must)
    return "" if ran.returncode else ran.stdout.strip()
