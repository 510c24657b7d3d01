"""The Interrupt button, in a real kernel: it ends the cell that runs, and nothing else."""

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SETUP = """
import asyncio, sys
from nochat.local.processes import start_child
from nochat.lab import chat, checks, hints, people, program, visitors, waiting, wire
hints.on()
program.on()
running = chat.start()
"""
SERVER = """%%file server.py
import socketio
sio = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(sio)
"""
START = 'server = program.start("uvicorn server:app --port {port}")'
COME_IN = """
ana = await people.Person("ana", running.url).arrive()
bob = await visitors.new("bob")
await bob.connect(server.url)
"""
# What never comes, by what waits for it.
WAITS = {
    "a person": "await ana.until(lambda: False, timeout=600)",
    "a visitor": "await bob.call('no such event', timeout=600)",
    "a check": "await checks.until(lambda: False, 600)",
    "a process": "waiting.until_ready(lambda: False, 600, 'the oven', busy)",
    "a process, in a cell with await": (
        "await asyncio.sleep(0)\nwaiting.until_ready(lambda: False, 600, 'the oven', busy)"
    ),
    "the start of a program, in a cell with await": (
        "await asyncio.sleep(0)\n"
        "program.start('http.server --bind 127.0.0.2 {port}', name='second')"
    ),
    "a command, in a cell with await": (
        "import subprocess\nawait asyncio.sleep(0)\n"
        "with waiting.blocking('a nap'): subprocess.run(['sleep', '600'])"
    ),
}
BUSY = "busy = start_child([sys.executable, '-c', 'while True: pass'], log=running.folder / 'busy')"


class Kernel:
    def __init__(self):
        self.manager, self.client = start_new_kernel(extra_arguments=["--log-level=CRITICAL"])

    def run(self, code):
        """The answer: `ok`, or the error's name and text."""
        return self.answer(self.client.execute(code))

    def answer(self, request):
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"]["msg_id"] == request:
                break
        content = message["content"]
        return "ok" if content["status"] == "ok" else f"{content['ename']}: {content['evalue']}"

    def until_said(self, request, words):
        """Wait until a cell says something."""
        said = ""
        while words not in said:
            message = self.client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") == request:
                content = message["content"]
                said += content.get("text", "") + content.get("data", {}).get("text/plain", "")

    def interrupt(self, code):
        """Run a cell that waits, and interrupt it once it has said so; returns its answer.

        A kernel drops what is asked of it right after an error, unless it is told not to.
        """
        request = self.client.execute(code, stop_on_error=False)
        self.until_said(request, "(Interrupt ends it)")
        self.manager.interrupt_kernel()
        return self.answer(request)


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    for code in (SETUP, SERVER, START, COME_IN, BUSY):
        assert kernel.run(code) == "ok"
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("code", WAITS.values(), ids=[*WAITS])
def test_it_ends_the_wait_alone(code, kernel):
    answer = kernel.interrupt(code)
    assert answer.split(":")[0] in {"CancelledError", "KeyboardInterrupt"}
    if answer.startswith("CancelledError"):
        assert "this cell was interrupted; everything else continues" in answer
    assert kernel.manager.is_alive()
    assert kernel.run("assert await bob.emit('hello') is None and bob.connected") == "ok"
    assert kernel.run("await ana.says('I am here')") == "ok"


def test_between_two_cells_it_does_nothing(kernel):
    kernel.manager.interrupt_kernel()
    assert kernel.run("await ana.says('I am still here')") == "ok"


def test_the_start_of_a_chat_can_be_interrupted_and_leaves_none(kernel):
    # It never says that it is ready.
    never = "import re\nchat.READY_LINE = re.compile('never')\n"
    answer = kernel.interrupt(f"{never}await asyncio.sleep(0)\nchat.start()")
    assert "interrupted" in answer
    assert kernel.run("assert chat._running == [running]") == "ok"
    assert kernel.run("await ana.says('I am here again')") == "ok"
