"""The judge's process, beside the notebook's kernel in a sandbox: `python -m … SOCKET`.

Its modules are as they were installed, whatever the notebook's code has changed in its own process.
Orders come by standard input, one line of JSON each:

- `{"declare": [source, …]}`: run code that declares exercises;
- `{"expect": key}`: judge the next answer with that key, and no other;
- `{"hidden": key, "source": source}`: run a further check of the answer that was judged.

Reports go to standard output, which nothing else writes to.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import pickle
import selectors
import signal
import socket
import sys
from typing import Any

from nochat.lab.exercise import elsewhere
from nochat.lab.exercise.catalogue import find
from nochat.lab.exercise.checking import Verdict, judged

PARENTS_DEATH, DUMPABLE = 1, 4  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE
MOST_SAID = 2000


def close_memory() -> None:
    """Keep other processes of this user from reading or changing this one's memory and files."""
    ctypes.CDLL(None).prctl(DUMPABLE, 0, 0, 0, 0)


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; a change of the user undoes that."""
    ctypes.CDLL(None).prctl(PARENTS_DEATH, signal.SIGKILL, 0, 0, 0)


class Judge:
    """A judge that waits for orders and answers."""

    def __init__(self, listener: socket.socket, reports: int) -> None:
        self._listener, self._reports = listener, reports
        self._expected = ""
        self._answers: dict[str, Any] = {}
        self._orders = b""

    def work(self) -> None:
        """Follow orders until there are no more."""
        with selectors.DefaultSelector() as both:
            both.register(0, selectors.EVENT_READ)
            both.register(self._listener, selectors.EVENT_READ)
            self._report(ready=True)
            while True:
                ready = {key.fileobj for key, _ in both.select()}
                if 0 in ready and not self._obey(os.read(0, 1_000_000)):
                    return
                if self._listener in ready and 0 not in ready:
                    self._hear()

    def _obey(self, read: bytes) -> bool:
        *lines, self._orders = (self._orders + read).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "declare" in order:
                for source in order["declare"]:
                    # The teacher's own code, from the master.
                    exec(source, {"__name__": "__judge__"})  # noqa: S102
            elif "hidden" in order:
                self._look_again(order["hidden"], order["source"])
                continue
            else:
                self._expected = order["expect"]
            self._report(ready=True)
        return bool(read)

    def _hear(self) -> None:
        line, _ = self._listener.accept()
        line.settimeout(5.0)
        with line, contextlib.suppress(OSError):
            message = elsewhere.receive(line)
            reply = self._judge(message[:1], message[1:])
            elsewhere.send(line, json.dumps(reply).encode())

    def _judge(self, kind: bytes, message: bytes) -> dict[str, Any]:
        beside = kind == b"v"
        try:
            if beside:
                key, passed, said = json.loads(message)
                verdict = Verdict(find(str(key)), bool(passed), "", str(said), 0.0)
            else:
                key, verdict = self._judge_answer(message)
        except BaseException as error:  # the answer is not ours: whatever it does is its mistake
            key = self._expected
            said = f"The answer could not be judged: {type(error).__name__}: {error}"
            return self._say(key, False, "failed", said, 0.0, beside)
        said = verdict.said[:MOST_SAID]
        return self._say(key, verdict.passed, verdict.mistake, said, verdict.seconds, beside)

    def _judge_answer(self, message: bytes) -> tuple[str, Verdict]:
        # Code of the student, in a sandbox that holds nothing but the student's own run.
        key, files, answer, settings = pickle.loads(message)  # noqa: S301
        if key == self._expected:
            if files:
                from nochat.lab import program

                program.files.update(files)
            self._answers[key] = answer
        return key, asyncio.run(judged(find(key), answer, settings))

    def _say(
        self, key: str, passed: bool, mistake: str, said: str, seconds: float, beside: bool
    ) -> dict[str, Any]:
        verdict = {"passed": passed, "mistake": mistake, "said": said, "seconds": seconds}
        if key == self._expected:
            self._expected = ""
            self._report(verdict=key, beside=beside, **verdict)
        return verdict

    def _look_again(self, key: str, source: str) -> None:
        said = "There is no answer." if key not in self._answers else ""
        try:
            if not said:
                check = compile(source, "hidden", "exec")
                exec(check, {"answer": self._answers[key]})  # noqa: S102
        except BaseException as error:
            said = (
                f"{error}" if type(error) is AssertionError else f"{type(error).__name__}: {error}"
            )
            said = said or "A hidden check fails."
        self._report(hidden=key, passed=not said, said=said[:MOST_SAID])

    def _report(self, **content: Any) -> None:
        os.write(self._reports, json.dumps(content).encode() + b"\n")


def main(path: str) -> None:
    """Judge what comes to a socket."""
    close_memory()
    reports = os.dup(1)  # not inherited: no process that an answer starts has it
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        Judge(listener, reports).work()


if __name__ == "__main__":
    main(sys.argv[1])
