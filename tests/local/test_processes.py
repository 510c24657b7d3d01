"""Child processes: they end with their parent, however it ends."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from nochat.local.processes import (
    ChildProcess,
    NotReady,
    free_port,
    listens,
    start_child,
    until,
    wait_until,
)

# A command with a child that daemonised: in a session of its own, its parent gone.
WITH_DAEMON = ["/bin/sh", "-c", "(setsid sleep 600 &); exec sleep 600"]


def lives(pid: int) -> bool:
    """A zombie is gone: in a container nobody may be there to reap it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def below(pid: int) -> set[int]:
    return {process.pid for process in psutil.Process(pid).children(recursive=True)}


def tree(child: ChildProcess, size: int = 2) -> set[int]:
    """The command and all that came of it, once there are so many."""
    keeper = psutil.Process(child.pid).ppid()
    assert until(lambda: len(below(keeper)) >= size, 5)
    return below(keeper)


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def test_stop_ends_even_what_daemonised_and_removes_the_folder(own):
    child = start_child(WITH_DAEMON, log=own / "log", remove=own)
    pids = tree(child)
    assert child.alive
    child.stop()
    child.stop()
    assert not any(map(lives, pids))
    assert not child.alive
    assert not own.exists()
    assert child.tail() == ""


def test_sigterm_comes_first_and_sigkill_after_the_grace(tmp_path):
    polite = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done"
    deaf = "trap 'echo heard' TERM; echo up; while :; do sleep 0.05; done"
    for script, grace, expected in ((polite, 5.0, "bye"), (deaf, 0.3, "heard")):
        with start_child(
            ["/bin/sh", "-c", script], log=tmp_path / grace.hex(), grace=grace
        ) as child:
            wait_until(lambda child=child: child.tail() == "up", 5, "the script", child)
            began = time.monotonic()
        assert expected in child.tail()
        assert time.monotonic() - began < 2
        assert not lives(child.pid)


def test_the_command_is_killed_and_started_again_in_the_same_folder(own):
    with start_child(
        ["/bin/sh", "-c", "echo up; exec sleep 600"], log=own / "log", remove=own
    ) as child:
        first = child.pid
        child.kill()
        assert not child.alive
        assert own.exists()
        child.restart()
        assert child.alive
        assert child.pid != first
        assert until(lambda: child.tail() == "up\nup", 5)


def test_killing_the_keeper_takes_the_command_down_and_stop_still_cleans_up(own):
    child = start_child(["sleep", "600"], log=own / "log", remove=own)
    psutil.Process(child.pid).parent().kill()
    assert until(lambda: not lives(child.pid), 5)
    assert not child.alive
    with pytest.raises(NotReady, match="supervisor is gone"):
        child.restart()
    assert not own.exists()


def test_sigterm_to_the_keeper_ends_all(own):
    child = start_child(WITH_DAEMON, log=own / "log", remove=own)
    pids = tree(child)
    psutil.Process(child.pid).parent().terminate()
    assert until(lambda: not any(map(lives, pids)) and not own.exists(), 5)
    child.stop()


PARENT = """
    import os, signal, sys, time
    from pathlib import Path
    from nochat.local.processes import start_child
    own = Path(sys.argv[1])
    command = ["/bin/sh", "-c", "(setsid sleep 600 &); exec sleep 600"]
    child = start_child(command, log=own / "log", remove=own)
    # Not `print`: the signal may come while the line below is being printed.
    signal.signal(signal.SIGINT, lambda *_: worker and os.write(1, b"interrupted\\n"))
    worker = None
    worker = os.fork()  # Like multiprocessing's: it holds the pipe to the keeper, too.
    if worker:
        print(child.pid, worker, flush=True)
    while True:
        time.sleep(0.05)
"""


def test_interrupt_leaves_it_alone_and_kill_9_of_its_parent_ends_it(own):
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), own],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    pid, worker = map(int, parent.stdout.readline().split())
    try:
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout.readline() == "interrupted\n"
        assert lives(pid)
        assert until(lambda: len(below(parent.pid)) >= 4, 5)
        pids = below(parent.pid) - {worker}
        parent.kill()
        assert until(lambda: not any(map(lives, pids)) and not own.exists(), 5)
    finally:
        os.kill(worker, signal.SIGKILL)
        parent.kill()
        parent.stdout.close()
        parent.wait()


@pytest.mark.parametrize("end", [ChildProcess.stop, ChildProcess.kill])
def test_a_keeper_among_the_descendants_cleans_up_after_itself(end, own, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(PARENT), own]
    child = start_child(command, log=tmp_path / "log", grace=0)
    wait_until(lambda: bool(child.tail()), 10, "the parent", child)
    pids = tree(child, size=5)
    end(child)
    assert not any(map(lives, pids))
    assert not own.exists()
    child.stop()


# Keeps another, as a chat keeps its store, and says at its own end whether that was still there.
KEEPS_ANOTHER = """
import pathlib, signal, sys
from nochat.local.processes import start_child

other = start_child(["sleep", "600"], log=pathlib.Path(sys.argv[1]), grace=0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
signal.sigtimedwait([signal.SIGUSR1], 0.3)
print("alive" if other.alive else "gone", flush=True)
other.stop()
"""


def test_processes_that_a_command_keeps_live_until_it_has_ended(tmp_path):
    command = [sys.executable, "-c", KEEPS_ANOTHER, tmp_path / "other"]
    child = start_child(command, log=tmp_path / "log")
    wait_until(lambda: bool(child.tail()), 10, "the command", child)
    child.stop()
    assert child.tail() == "ready\nalive"


def test_a_command_that_is_not_there_is_named(own):
    with pytest.raises(NotReady, match="can't run no-such-command: No such file"):
        start_child(["no-such-command"], log=own / "log", remove=own)
    assert not own.exists()


def test_environment_and_folder_are_the_command_s(tmp_path):
    with start_child(
        ["/bin/sh", "-c", "echo $GREETING in $(pwd); sleep 600"],
        env={"GREETING": "hello", "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        log=tmp_path / "log",
    ) as child:
        assert until(lambda: child.tail() == f"hello in {tmp_path}", 5)


def test_nothing_of_it_holds_our_output(tmp_path):
    script = f"""
        from pathlib import Path
        from nochat.local.processes import start_child
        start_child(["sleep", "600"], log=Path({str(tmp_path / "log")!r}))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=10
    )
    assert ran.returncode == 0, ran.stderr


CLEAN = "sleep 0.2; ls {own} >{note}; sleep 600 & echo cleaned"


@pytest.mark.parametrize("how", ["stop", "kill -9"])
def test_the_cleanup_runs_when_the_command_has_ended(own, tmp_path, how):
    note = tmp_path / "note"
    script = f"""
        import os
        from pathlib import Path
        from nochat.local.processes import start_child

        own = Path({str(own)!r})
        child = start_child(["sleep", "600"], log=own / "log", remove=own, after={CLEAN!r}.format(
            own=own, note={str(note)!r}))
        if {how!r} == "stop":
            child.stop()
            assert not own.exists()
        os.kill(os.getpid(), 9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=10, check=False)
    assert until(lambda: not own.exists(), 5)
    assert note.read_text() == "log\n"  # the folder was still there

    def named():
        processes = psutil.process_iter(["cmdline"])
        return [process for process in processes if str(own) in str(process.info)]

    assert until(lambda: not named(), 5)


def test_waiting_says_how_the_log_ends(tmp_path):
    with (
        start_child(["/bin/sh", "-c", "echo no disk; exit 1"], log=tmp_path / "log") as child,
        pytest.raises(NotReady, match=r"the store ended before it was ready.*\nno disk"),
    ):
        wait_until(lambda: False, 5, "the store", child)
    with (
        start_child(["/bin/sh", "-c", "echo hm; sleep 600"], log=tmp_path / "other") as child,
        pytest.raises(NotReady, match=r"the store is not ready after 0\.2 s.*\nhm"),
    ):
        wait_until(lambda: False, 0.2, "the store", child)


def test_a_free_port_is_free_and_not_one_for_outgoing_connections():
    port = free_port()
    assert not listens(port)
    assert port < 32_768
    with socket.create_server(("127.0.0.1", port)):
        assert listens(port)


def test_the_supervisor_needs_nothing_of_the_package():
    source = Path("nochat/local/supervisor.py").resolve().read_text()
    assert "import nochat" not in source
    assert "from nochat" not in source
