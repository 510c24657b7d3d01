"""What a kept command outlives, and what it does not."""

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

from nochat.local.processes import Kept, NotReady, free_port, keep, listens, wait_until
from tests.waiting import wait_for

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


def tree(kept: Kept, size: int = 2) -> set[int]:
    """The command and all that came of it, once there are so many."""
    keeper = psutil.Process(kept.pid).ppid()
    assert wait_for(lambda: len(below(keeper)) >= size, 5)
    return below(keeper)


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def test_stop_ends_even_what_daemonised_and_removes_the_folder(own):
    kept = keep(WITH_DAEMON, log=own / "log", remove=own)
    pids = tree(kept)
    assert kept.alive
    kept.stop()
    kept.stop()
    assert not any(map(lives, pids))
    assert not kept.alive
    assert not own.exists()
    assert kept.tail() == ""


def test_sigterm_comes_first_and_sigkill_after_the_grace(tmp_path):
    polite = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done"
    deaf = "trap 'echo heard' TERM; echo up; while :; do sleep 0.05; done"
    for script, grace, expected in ((polite, 5.0, "bye"), (deaf, 0.3, "heard")):
        with keep(["/bin/sh", "-c", script], log=tmp_path / grace.hex(), grace=grace) as kept:
            wait_until(lambda kept=kept: kept.tail() == "up", 5, "the script", kept)
            began = time.monotonic()
        assert expected in kept.tail()
        assert time.monotonic() - began < 2
        assert not lives(kept.pid)


def test_the_command_is_killed_and_started_again_in_the_same_folder(own):
    with keep(["/bin/sh", "-c", "echo up; exec sleep 600"], log=own / "log", remove=own) as kept:
        first = kept.pid
        kept.kill()
        assert not kept.alive
        assert own.exists()
        kept.restart()
        assert kept.alive
        assert kept.pid != first
        assert wait_for(lambda: kept.tail() == "up\nup", 5)


def test_killing_the_keeper_takes_the_command_down_and_stop_still_cleans_up(own):
    kept = keep(["sleep", "600"], log=own / "log", remove=own)
    psutil.Process(kept.pid).parent().kill()
    assert wait_for(lambda: not lives(kept.pid), 5)
    assert not kept.alive
    with pytest.raises(NotReady, match="supervisor is gone"):
        kept.restart()
    assert not own.exists()


def test_sigterm_to_the_keeper_ends_all(own):
    kept = keep(WITH_DAEMON, log=own / "log", remove=own)
    pids = tree(kept)
    psutil.Process(kept.pid).parent().terminate()
    assert wait_for(lambda: not any(map(lives, pids)) and not own.exists(), 5)
    kept.stop()


PARENT = """
    import os, signal, sys, time
    from pathlib import Path
    from nochat.local.processes import keep
    own = Path(sys.argv[1])
    command = ["/bin/sh", "-c", "(setsid sleep 600 &); exec sleep 600"]
    kept = keep(command, log=own / "log", remove=own)
    # Not `print`: the signal may come while the line below is being printed.
    signal.signal(signal.SIGINT, lambda *_: worker and os.write(1, b"interrupted\\n"))
    worker = None
    worker = os.fork()  # Like multiprocessing's: it holds the pipe to the keeper, too.
    if worker:
        print(kept.pid, worker, flush=True)
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
        assert wait_for(lambda: len(below(parent.pid)) >= 4, 5)
        pids = below(parent.pid) - {worker}
        parent.kill()
        assert wait_for(lambda: not any(map(lives, pids)) and not own.exists(), 5)
    finally:
        os.kill(worker, signal.SIGKILL)
        parent.kill()
        parent.stdout.close()
        parent.wait()


@pytest.mark.parametrize("end", [Kept.stop, Kept.kill])
def test_a_keeper_among_the_descendants_cleans_up_after_itself(end, own, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(PARENT), own]
    kept = keep(command, log=tmp_path / "log", grace=0)
    wait_until(lambda: bool(kept.tail()), 10, "the parent", kept)
    pids = tree(kept, size=5)
    end(kept)
    assert not any(map(lives, pids))
    assert not own.exists()
    kept.stop()


# Keeps another, as a chat keeps its store, and says at its own end whether that was still there.
KEEPS_ANOTHER = """
import pathlib, signal, sys
from nochat.local.processes import keep

other = keep(["sleep", "600"], log=pathlib.Path(sys.argv[1]), grace=0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
signal.sigtimedwait([signal.SIGUSR1], 0.3)
print("alive" if other.alive else "gone", flush=True)
other.stop()
"""


def test_what_a_command_keeps_is_still_there_while_it_ends(tmp_path):
    command = [sys.executable, "-c", KEEPS_ANOTHER, tmp_path / "other"]
    kept = keep(command, log=tmp_path / "log")
    wait_until(lambda: bool(kept.tail()), 10, "the command", kept)
    kept.stop()
    assert kept.tail() == "ready\nalive"


def test_a_command_that_is_not_there_is_named(own):
    with pytest.raises(NotReady, match="can't run no-such-command: No such file"):
        keep(["no-such-command"], log=own / "log", remove=own)
    assert not own.exists()


def test_environment_and_folder_are_the_command_s(tmp_path):
    with keep(
        ["/bin/sh", "-c", "echo $GREETING in $(pwd); sleep 600"],
        env={"GREETING": "hello", "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        log=tmp_path / "log",
    ) as kept:
        assert wait_for(lambda: kept.tail() == f"hello in {tmp_path}", 5)


def test_nothing_of_it_holds_our_output(tmp_path):
    script = f"""
        from pathlib import Path
        from nochat.local.processes import keep
        keep(["sleep", "600"], log=Path({str(tmp_path / "log")!r}))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=10
    )
    assert ran.returncode == 0, ran.stderr


CLEAN = "sleep 0.2; ls {own} >{note}; sleep 600 & echo cleaned"


@pytest.mark.parametrize("how", ["stop", "kill -9"])
def test_what_is_to_be_cleaned_is_when_the_command_has_ended(own, tmp_path, how):
    note = tmp_path / "note"
    script = f"""
        import os
        from pathlib import Path
        from nochat.local.processes import keep

        own = Path({str(own)!r})
        kept = keep(["sleep", "600"], log=own / "log", remove=own, after={CLEAN!r}.format(
            own=own, note={str(note)!r}))
        if {how!r} == "stop":
            kept.stop()
            assert not own.exists()
        os.kill(os.getpid(), 9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=10, check=False)
    assert wait_for(lambda: not own.exists(), 5)
    assert note.read_text() == "log\n"  # the folder was still there
    named = lambda: [it for it in psutil.process_iter(["cmdline"]) if str(own) in str(it.info)]  # noqa: E731
    assert wait_for(lambda: not named(), 5)


def test_waiting_says_how_the_log_ends(tmp_path):
    with (
        keep(["/bin/sh", "-c", "echo no disk; exit 1"], log=tmp_path / "log") as kept,
        pytest.raises(NotReady, match=r"the store ended before it was ready.*\nno disk"),
    ):
        wait_until(lambda: False, 5, "the store", kept)
    with (
        keep(["/bin/sh", "-c", "echo hm; sleep 600"], log=tmp_path / "other") as kept,
        pytest.raises(NotReady, match=r"the store is not ready after 0\.2 s.*\nhm"),
    ):
        wait_until(lambda: False, 0.2, "the store", kept)


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
