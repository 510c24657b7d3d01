"""The one place that makes the environment of everything that the course starts.

What a shell brings along is meant for other programs: a language that is not installed, another
project's Vagrantfile, settings of Ansible, a proxy. `import nochat.lab` settles the environment of
its process, once, and whatever that process starts inherits it: servers, machines, playbooks, `!`
cells. What is set afterwards, as by `os.environ` in a cell, stays.

A shell script takes the same by `eval "$(python3 -I nochat/lab/surroundings.py)"`; so this needs
nothing but the standard library.
"""

import functools
import locale
import os
import pwd
import re
import shlex
import socket
import stat
import sys
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":  # for a shell script, before there is an environment
    sys.path.insert(0, str(HERE.parents[1]))

from nochat.runtime import proxies  # noqa: E402

ROOT = HERE.parents[1]
# Of Ansible: the project's, and its defaults for what has no settings of its own.
ANSIBLE, PLAIN_ANSIBLE = ROOT / "playbooks" / "ansible.cfg", HERE / "ansible.cfg"
# Where the Vagrantfile and nochat.lab.openstack put machines: set apart for benchmarks, nobody's.
MACHINES = "198.18.0.0/15"
ELSEWHERE = "203.0.113.1"  # nobody's: only the way to it is looked up

# Settings of what we start, which would change what it does: all with these beginnings. With one of
# them, which many images for containers set, each process would compile all that it imports.
OF_OTHERS = ("ANSIBLE_", "BUNDLE_", "ERL_", "GEM_", "LC_", "PERL", "PYTHON", "RUBY")
# and these. What names folders, credentials or a proxy is the user's to choose, and stays.
FURTHER = {
    *("BASH_ENV", "CDPATH", "ENV"),  # of shells
    *("IPYTHONDIR", "JUPYTERLAB_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_NO_CONFIG", "JUPYTER_PATH"),
    *("LANG", "LANGUAGE"),  # what programs say is read here, in English
    *("MATPLOTLIBRC", "MPLBACKEND"),  # plots belong in the notebook
    *("NODE_OPTIONS", "NODE_PATH", "PWDEBUG"),
    *("VAGRANT_CWD", "VAGRANT_VAGRANTFILE"),  # another project's machines
}
KEPT = {
    "ANSIBLE_HOSTS",  # of playbooks/inventory.py
    *("PYTHONFAULTHANDLER", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"),
}
# With NOCHAT_OFFLINE, no image and no box is fetched: `make box`, `make base-image` and `make
# course` make these of Debian's packages. Each can be set by itself, too.
OFFLINE = {
    "BASE_IMAGE": "nochat/python",
    "COMPOSE_FILE": "docker/compose.yaml:docker/compose.offline.yaml",
    "NOCHAT_MACHINE_BASE": "nochat/debian",
    "NOCHAT_MACHINE_BOX": "nochat/debian",
}
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # of this computer; Debian's, and its own
OF_TLS = {"DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8")  # the last one for macOS

# In a temporary folder go sockets, whose paths have 107 bytes, and what shell scripts of others
# do not quote.
SHORT, PLAIN = 60, re.compile(r"/[\w./-]*")
FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108


def settle(environ: MutableMapping[str, str] = os.environ) -> None:
    """Make an environment that of the course; doing it again changes nothing."""
    for name in [*environ]:
        if (name.startswith(OF_OTHERS) or name in FURTHER) and name not in KEPT:
            del environ[name]
    environ.update({"LC_ALL": utf8(), "PYTHONUTF8": "1", "JUPYTER_PREFER_ENV_PATH": "1"})
    environ["ANSIBLE_CONFIG"] = str(ANSIBLE if ANSIBLE.exists() else PLAIN_ANSIBLE)
    environ.update(_place(environ))
    environ.update(_user(environ))
    proxies.exempt(environ, MACHINES, own_address())
    _spare_other_containers(environ)
    if is_offline(environ):
        _name_what_is_made_here(environ)
    forget_tls(environ)
    if environ is os.environ:
        tempfile.tempdir = None  # it is asked for again


def settled(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a settled copy of an environment."""
    settle(copy := dict(environ))
    return copy


def of_vagrant(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return an environment in which Vagrant takes the Vagrantfile of this folder, and no other."""
    ours = {name: value for name, value in environ.items() if name != "VAGRANT_VAGRANTFILE"}
    return ours | {"VAGRANT_CWD": str(root)}


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether images and boxes are made of Debian's packages, as `NOCHAT_OFFLINE` says."""
    return bool(environ.get("NOCHAT_OFFLINE"))


def forget_tls(environ: MutableMapping[str, str]) -> None:
    """Remove what makes Docker's command ask for TLS where its engine is not reached by TCP."""
    if not environ.get("DOCKER_HOST", "").startswith("tcp://"):
        for name in OF_TLS & environ.keys():
            del environ[name]


def of_jupyter(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that make Jupyter and its kernels ours, whatever the user's settings.

    What JupyterLab looks like, and which notebooks the user trusts, stays the user's own, where
    that can be written.

    Args:
        folder: for what they write while they run.
        environ: of the user.
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
    """Return the name of a locale with UTF-8 on this computer; the first of all if none is."""
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
    """Return the address of this computer in its network, which what runs on it can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ELSEWHERE, 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def temporary(asked: str) -> str:
    """Return the folder that is asked for, if temporary files can be in it; else another one."""
    return next(filter(is_suitable, (asked, *FOLDERS)), asked)


def is_suitable(folder: str) -> bool:
    """Tell whether all that the course starts can work in a temporary folder.

    It is there and can be written to, its name is short and needs no quotes, and programs in it can
    be run.
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
    """Return a name and a home for a user who has none, as in containers that run as any number."""
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
    """Return the same home each time, for us alone; another one where somebody came first."""
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
    """Forget a COMPOSE_FILE of another project, which we would stop, and how it is called."""
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
    """Tell whether a folder can be written to, or made."""
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
