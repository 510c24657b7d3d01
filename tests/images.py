"""Images that are made in a moment."""

import os
import re
import subprocess

PACK = 'tar -C / -ch "$@" | docker import - "$0"'


def small_image(name: str, *programs: str) -> str:
    """An image with a few of this system's programs and their libraries: some MB."""
    ran = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True)
    files = {path.lstrip("/") for path in (*programs, *re.findall(r"/lib\S+(?<!:)", ran.stdout))}
    subprocess.run(["/bin/sh", "-c", PACK, name, *sorted(files)], check=True, capture_output=True)
    return name

MODULES = """
import encodings.ascii, encodings.idna, encodings.latin_1, importlib.util, runpy, signal, threading
import hashlib, http.server, json, os, secrets, socket, socketserver, sys, time, urllib.request
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
    ran = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True)
    libraries = re.findall(r"/lib\S+(?<!:)", ran.stdout)
    files = {path.lstrip("/") for path in (*programs, *libraries, *modules)}
    subprocess.run(["/bin/sh", "-c", PACK, name, *sorted(files)], check=True, capture_output=True)
    return name
