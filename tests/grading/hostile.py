"""Answers to the exercises 99a and 99b that harm whoever runs them, or would like to."""

from tests.grading.right import DOUBLE, WORDS

LOOPS = {"99a": "while True: pass", "99b": WORDS}

STUBBORN = {
    "99a": """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True: pass
"""
}

NEVER_RETURNS = {"99a": "def double(number):\n    while True: pass", "99b": WORDS}

GREEDY = {
    "99a": f"""
import os
try:
    with open("/tmp/full", "wb") as file:
        while True: file.write(b"x" * 1_000_000)
except OSError:
    os.unlink("/tmp/full")
try:
    hoard = []
    while True: hoard.append(bytearray(50_000_000))
except MemoryError:
    hoard = []
{DOUBLE}
""",
    "99b": WORDS,
}

FORKS = {
    "99a": """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
}

PRINTS = {"99a": "for _ in range(1000): print('x' * 1_000_000)", "99b": WORDS}


def curious(port: int, *folders: str) -> dict[str, str]:
    """Fill the list of words with all that should be out of reach.

    The installed project may lie in one of the folders; then it is seen, and nothing beside it.
    """
    return {
        "99b": f"""
import glob, os, socket, sys
words = []
own = {{os.path.dirname(__import__("nochat").__file__), sys.prefix, sys.base_prefix}}
for start in {folders!r}:
    for place, inner, files in os.walk(start):
        inner[:] = [name for name in inner if f"{{place}}/{{name}}" not in own]
        leads = any(path.startswith(f"{{place}}/") for path in own)
        words += [f"{{place}}/{{name}}" for name in files] + ([] if leads else [place])
for process in glob.glob("/proc/[0-9]*"):
    if process == f"/proc/{{os.getpid()}}":
        continue
    for name in ("mem", "environ", "fd/0", "fd/1", "fd/3"):
        try: os.close(os.open(f"{{process}}/{{name}}", os.O_RDWR if name == "mem" else os.O_RDONLY))
        except OSError: continue
        words.append(f"{{process}}/{{name}}: " + open(f"{{process}}/cmdline").read())
for address in (("127.0.0.1", {port}), ("192.0.2.1", 80), ("1.1.1.1", 53)):
    try:
        socket.create_connection(address, 1)
        words.append(address)
    except OSError: pass
for path in ("/", "/usr", "/etc", "/dev", __import__("nochat").__path__[0]):
    try: open(f"{{path}}/mine", "w")
    except OSError: continue
    words.append(path)
"""
    }


FORGES = {
    "99a": """
from nochat.lab import exercise
from nochat.lab.exercise import catalogue, checking, elsewhere
async def right(key, answer=None, **settings):
    found = checking.find(key)
    return checking.Verdict(found, True, "", "", 0.0)
async def nothing(*given, **settings): pass
exercise.check = right
double = None
""",
    "99b": """
import json, os
exercise.check = checking.check
catalogue._EXERCISES["99b"] = catalogue.Exercise("99b", "", nothing, {})
async def judged(found, answer, settings): return await right("99b")
checking.judged = judged
elsewhere.packed = lambda *given: None
words = []
""",
}

KILLS = {"99a": "import os\nos.kill(-1, 9)", "99b": WORDS}
