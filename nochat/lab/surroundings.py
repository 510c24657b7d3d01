"""The environment variables of everything that the course starts.

A shell's variables are often meant for other programs: a locale that is not installed, another
project's Vagrantfile, settings of Ansible, a proxy. `import nochat.lab` settles the environment of
its process, once, and all that the process starts inherits it: servers, machines, playbooks, `!`
cells. Variables that are set afterwards, as by `os.environ` in a cell, stay.

A shell script gets the same by `eval "$(python3 -I nochat/lab/surroundings.py)"`; so this module
needs nothing but the standard library.
"""

import functools
import importlib.util
import locale
import os
import pwd
import re
import shlex
import socket
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":  # for a shell script, before there is an environment
    sys.path.insert(0, str(HERE.parents[1]))

from nochat.runtime import proxies  # noqa: E402

ROOT = HERE.parents[1]
# Settings of Ansible: the project's, and plain defaults if the project's folder is not there.
ANSIBLE, PLAIN_ANSIBLE = ROOT / "playbooks" / "ansible.cfg", HERE / "ansible.cfg"
# The addresses of machines of the Vagrantfile and nochat.lab.openstack: reserved for benchmarks.
MACHINES = "198.18.0.0/15"
ELSEWHERE = "203.0.113.1"  # reserved for documentation: only the route to it is looked up
# Prefixes of variables that would change how programs behave. One of them, which many container
# images set, would make each Python process compile all its imports.
OF_OTHERS = ("ANSIBLE_", "BUNDLE_", "ERL_", "GEM_", "LC_", "PERL", "PYTHON", "RUBY")
# Further ones. Variables for folders, credentials or a proxy are the user's, and stay.
FURTHER = {
    *("BASH_ENV", "CDPATH", "ENV"),  # of shells
    *("IPYTHONDIR", "JUPYTERLAB_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_NO_CONFIG", "JUPYTER_PATH"),
    *("LANG", "LANGUAGE"),  # the lab reads programs' output, in English
    *("MATPLOTLIBRC", "MPLBACKEND"),  # plots belong in the notebook
    *("NODE_OPTIONS", "NODE_PATH", "PWDEBUG"),
    *("VAGRANT_CWD", "VAGRANT_VAGRANTFILE"),  # another project's machines
}
KEPT = {
    "ANSIBLE_HOSTS",  # of playbooks/inventory.py
    *("PYTHONFAULTHANDLER", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"),
}
# With NOCHAT_OFFLINE, no image and no box is downloaded: `make box`, `make base-image`, `make
# course` and the notebooks build these from Debian's packages. Each can be set by itself, too.
OFFLINE = {
    "BASE_IMAGE": "nochat/python",
    "COMPOSE_FILE": "docker/compose.yaml:docker/compose.offline.yaml",
    "NOCHAT_MACHINE_BASE": "nochat/debian",
    "NOCHAT_MACHINE_BOX": "nochat/debian",
}
# With NOCHAT_MITOGEN, Ansible keeps a process on each machine that runs its modules, by the package
# mitogen: a task takes a fifth of the processor time. Ansible warns of strategies of others.
MITOGEN = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_DEPRECATION_WARNINGS": "0"}
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # of this computer; Debian's, and its own
OF_TLS = {"DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8")  # the last one for macOS

# Temporary folders hold sockets, whose paths have at most 107 bytes, and paths that other
# programs' shell scripts do not quote.
SHORT, PLAIN = 60, re.compile(r"/[\w./-]*")
FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108


def settle(environ: MutableMapping[str, str] = os.environ) -> None:
    """Turn an environment into that of the course; a second call changes nothing."""
    for name in [*environ]:
        if (name.startswith(OF_OTHERS) or name in FURTHER) and name not in KEPT:
            del environ[name]
    environ.update({"LC_ALL": utf8(), "PYTHONUTF8": "1", "JUPYTER_PREFER_ENV_PATH": "1"})
    environ["ANSIBLE_CONFIG"] = str(ANSIBLE if ANSIBLE.exists() else PLAIN_ANSIBLE)
    if environ.get("NOCHAT_MITOGEN"):
        environ.update(mitogen())
    environ.update(_place(environ))
    environ.update(_user(environ))
    proxies.exempt(environ, MACHINES, own_address())
    _spare_other_containers(environ)
    if is_offline(environ):
        _name_what_is_made_here(environ)
    forget_tls(environ)
    if environ is os.environ:
        tempfile.tempdir = None  # it is determined again


def settled(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a settled copy of an environment."""
    settle(copy := dict(environ))
    return copy


def of_vagrant(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return an environment in which Vagrant uses this folder's Vagrantfile, and no other."""
    ours = {name: value for name, value in environ.items() if name != "VAGRANT_VAGRANTFILE"}
    return ours | {"VAGRANT_CWD": str(root)}


def with_programs(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment with the programs of the virtual environment, such as Ansible.

    On the path of a notebook's kernel they may be missing.
    """
    path = os.pathsep.join([sysconfig.get_path("scripts"), environ.get("PATH", os.defpath)])
    return {**environ, "PATH": path}


def mitogen() -> dict[str, str]:
    """Return variables with which Ansible runs by Mitogen; where it is missing, Ansible says so."""
    package = importlib.util.find_spec("ansible_mitogen")
    folders = package.submodule_search_locations if package else None
    plugins = [str(Path(folder, "plugins", "strategy")) for folder in folders or ()]
    return MITOGEN | {"ANSIBLE_STRATEGY_PLUGINS": os.pathsep.join(plugins)}


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether `NOCHAT_OFFLINE` is set: images and boxes are built from Debian's packages."""
    return bool(environ.get("NOCHAT_OFFLINE"))


def forget_tls(environ: MutableMapping[str, str]) -> None:
    """Remove the variables of Docker's TLS, unless DOCKER_HOST is a TCP address."""
    if not environ.get("DOCKER_HOST", "").startswith("tcp://"):
        for name in OF_TLS & environ.keys():
            del environ[name]


def of_jupyter(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return variables that make Jupyter and its kernels independent of the user's settings.

    The appearance of JupyterLab and the user's trusted notebooks are kept, if their folders are
    writable.

    Args:
        folder: the folder for files that they write while they run.
        environ: the user's environment.
    """
    home = Path(environ.get("HOME", "/"))
    look = Path(environ.get("JUPYTER_CONFIG_DIR") or home / ".jupyter") / "lab"
    mac = home / "Library" if sys.platform == "darwin" else None
    usual = mac / "Jupyter" if mac else home / ".local" / "share" / "jupyter"
    data = Path(environ.get("JUPYTER_DATA_DIR") or usual)
    kept = {
        "JUPYTERLAB_SETTINGS_DIR": look / "user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": look / "workspaces",
        "JUPYTER_DATA_DIR": data,
    }
    places = {
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "IPYTHONDIR": folder / "ipython",
        **{name: path if _can_write(path) else folder / path.name for name, path in kept.items()},
    }
    return {name: str(place) for name, place in places.items()}


@functools.cache
def utf8() -> str:
    """Return a UTF-8 locale of this computer, or the first candidate if it has none."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        return next(filter(_has_locale, LOCALES), LOCALES[0])
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _has_locale(name: str) -> bool:
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    return True


def own_address() -> str:
    """Return this computer's address in its network, which its machines can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE, 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def temporary(asked: str) -> str:
    """Return the requested folder if it is suitable for temporary files, else another one."""
    return next(filter(is_suitable, (asked, *FOLDERS)), asked)


def is_suitable(folder: str) -> bool:
    """Return whether the course's programs can work in a temporary folder.

    It must exist and be writable, its name must be short and need no quotes, and programs in it
    must be executable.
    """
    if len(os.fsencode(folder)) >= SHORT or not PLAIN.fullmatch(folder) or not _can_write(folder):
        return False
    return Path(folder).is_dir() and not os.statvfs(folder).f_flag & os.ST_NOEXEC


def _place(environ: Mapping[str, str]) -> dict[str, str]:
    named = (environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))  # in Python's order
    asked = next(filter(None, named), FOLDERS[0])
    folder = temporary(asked)
    return {} if folder == asked else {"TMPDIR": folder}


def _user(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a name and a home for a user without them, as in containers with any user id."""
    variables = {}
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = ""
        if not {"LOGNAME", "USER", "LNAME", "USERNAME"} & environ.keys():
            variables = dict.fromkeys(("LOGNAME", "USER"), f"user-{os.getuid()}")
    if not Path(environ.get("HOME") or home or "/nowhere").is_dir():
        return variables | {"HOME": str(_home_of_our_own(environ))}
    return variables if environ.get("HOME") else variables | {"HOME": home}


def _home_of_our_own(environ: Mapping[str, str]) -> Path:
    """Return a private home, the same each time; a new one if another user owns that folder."""
    folder = environ.get("TMPDIR") or FOLDERS[0]
    home = Path(folder) / f"nochat-home-{os.getuid()}"
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        status = home.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return Path(tempfile.mkdtemp(prefix="nochat-home-", dir=folder))
    return home


def _spare_other_containers(environ: MutableMapping[str, str]) -> None:
    """Remove COMPOSE_* variables of another project, whose containers the lab would stop."""
    files = environ.get("COMPOSE_FILE", "").split(environ.get("COMPOSE_PATH_SEPARATOR", ":"))
    if not all((ROOT / file).resolve().is_relative_to(ROOT / "docker") for file in files if file):
        for name in [variable for variable in environ if variable.startswith("COMPOSE_")]:
            del environ[name]


def _name_what_is_made_here(environ: MutableMapping[str, str]) -> None:
    release = "-12" if environ.get("NOCHAT_DEBIAN") == "12" else ""  # as tools/box names them
    made = OFFLINE | ({"BUILD_CA": str(AUTHORITIES)} if AUTHORITIES.exists() else {})
    for name, value in made.items():
        ending = release if value.startswith("nochat/") else ""
        environ[name] = environ.get(name) or value + ending


def _can_write(path: str | Path) -> bool:
    """Return whether a folder is writable or can be created."""
    path = Path(path)
    nearest = next((folder for folder in (path, *path.parents) if folder.exists()), path)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def main() -> None:
    """Print the shell commands that settle the environment."""
    before, after = dict(os.environ), settled(os.environ)
    for name in before.keys() - after.keys():
        print(f"unset {name}")
    for name, value in after.items():
        if before.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
