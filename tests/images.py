"""Images that are made in a moment."""

import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from tests.conftest import ROOT

PACK = 'tar -C / -ch --files-from=- | docker import "$@" - "$0"'
LEFT_OUT = {"test", "tests", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "tkinter"}


def small_image(name: str, *programs: str) -> str:
    """An image with a few of this system's programs and their libraries: some MB."""
    return _pack(name, {*programs, *_libraries(programs)})


def remove_image(name: str) -> None:
    """Remove an image of a test, if it is there."""
    subprocess.run(["docker", "rmi", "--force", name], check=True, capture_output=True)


def _libraries(programs: Iterable[str]) -> list[str]:
    ran = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True)
    return re.findall(r"(?<=\s)/lib\S+(?<!:)", ran.stdout)


def _pack(name: str, files: Iterable[str], *lines: str) -> str:
    """Make an image of files, with what lines of a Dockerfile say of it."""
    listed = "\n".join(sorted({path.lstrip("/") for path in files}))
    pack = ["/bin/bash", "-o", "pipefail", "-c", PACK, name]
    pack += [f"--change={line}" for line in lines]
    subprocess.run(pack, input=listed, text=True, check=True, capture_output=True)
    return name


MODULES = """
import encodings.ascii, encodings.idna, encodings.latin_1, importlib.util, runpy, signal, threading
import argparse, hashlib, http.server, json, locale, os, secrets, socketserver, sys, time
import urllib.request
files = {module.__spec__.origin for module in sys.modules.values() if module.__spec__}
for name in ("__file__", "__cached__"):
    files |= {getattr(module, name, None) for module in sys.modules.values()}
print(*sorted(file for file in files if file and os.path.isabs(file)), sep="\\n")
"""


def python_image(name: str) -> str:
    """An image with this system's Python and the modules of a small web server: some MB."""
    python = "/usr/bin/python3"
    listed = subprocess.run([python, "-ISc", MODULES], capture_output=True, text=True, check=True)
    modules = [file for file in listed.stdout.split() if os.path.exists(file)]
    programs = [python, "/bin/sh", "/bin/rm", *(file for file in modules if file.endswith(".so"))]
    return _pack(name, {*programs, *_libraries(programs), *modules})


def _modules(library: Path) -> Iterator[Path]:
    """List the modules of the standard library that a program may need."""
    for folder, folders, files in os.walk(library):
        folders[:] = [it for it in folders if it not in LEFT_OUT and not it.startswith("config-")]
        yield from (Path(folder, file) for file in files)


def chat_image(name: str) -> str:
    """An image of the chat as it is in this environment: in place of a build of half a minute."""
    python, site = "/usr/bin/python3", Path(sysconfig.get_path("purelib"))
    lock = (ROOT / "docker" / "chat.lock").read_text()
    needed = re.findall(r"^([\w.-]+)==", lock, flags=re.M)
    files = {
        str(path.resolve())
        for package in needed
        for file in metadata.files(package) or ()
        if (path := Path(file.locate())).is_file() and path.is_relative_to(site)
    }
    files |= {str(path) for path in _modules(Path(os.__file__).parent)}
    files |= {str(path) for path in (ROOT / "nochat").rglob("*") if path.is_file()}
    programs = [python, "/bin/sh", "/bin/cat", *(f for f in files if f.endswith(".so"))]
    files |= {*programs, *_libraries(programs), str(ROOT / "docker" / "healthy")}
    files |= {str(file) for file in Path("/lib").glob("*/libgcc_s.so.1")}  # for threads that end
    return _pack(
        name,
        files,
        f"ENV PYTHONPATH={ROOT}:{site} NOCHAT_HOST=0.0.0.0 NOCHAT_OPERATION_PORT=9100",
        "ENV HOME=/tmp NOCHAT_DATA_DIR=/tmp/data PYTHONUNBUFFERED=1",
        f"HEALTHCHECK --interval=2s --retries=60 CMD {python} -IS {ROOT}/docker/healthy",
        "WORKDIR /tmp",
        f'ENTRYPOINT ["{python}", "-m", "nochat"]',
        'CMD ["up"]',
    )
