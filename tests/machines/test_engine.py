"""A private Docker Engine and a private bridge: they work beside others, and leave nothing."""

import os
import re
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import psutil
import pytest

from nochat.lab import servers
from nochat.local.processes import free_port, until

from .conftest import needs_root

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), needs_root]

BRIDGE = re.compile(r"nochat-[0-9a-f]{8}")
USED = re.compile(rf"--bridge ({BRIDGE.pattern})\b")


def rules() -> list[str]:
    return subprocess.run(
        ["iptables-save"], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def bridge_of(engine: str) -> str:
    """The bridge of an engine, which its folder names: others come and go beside it."""
    lines = (
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    )
    [bridge] = {name for line in lines if engine in line for name in USED.findall(line)}
    return bridge


def traces(marks: list[str]) -> list[str]:
    """Where the marks of an engine or bridge are found: names, addresses, folders."""
    left = [f"rule {rule}" for rule in rules()]
    left += [f"interface {path.name}" for path in Path("/sys/class/net").iterdir()]
    left += Path("/proc/mounts").read_text().splitlines()
    left += [str(path) for path in Path("/sys/fs/cgroup").glob("*/nochat-*")]
    left += [str(path) for path in Path("/tmp").glob("nochat-*")]
    left += [f"process {process.info['cmdline']}" for process in psutil.process_iter(["cmdline"])]
    return [trace for trace in left if any(mark in trace for mark in marks)]


ENGINE = """
    import os, subprocess, sys
    from nochat.lab import servers

    engine = servers.docker(alone=True, quiet=True)
    again = servers.docker(quiet=True)
    assert (again.url, again.origin) == (engine.url, "named by DOCKER_HOST")
    print(engine.url, flush=True)
    sys.stdin.readline()
    {end}
"""


@pytest.mark.parametrize("end", ["engine.stop()", "os.kill(os.getpid(), 9)"])
def test_a_private_engine_works_beside_another_and_leaves_nothing(
    docker_engine, monkeypatch, tmp_path, end
):
    here = tmp_path / "here"
    (here / "a folder").mkdir(parents=True)
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ENGINE.format(end=end))],
        cwd=here,
        # As some users have them: nothing of it is for an engine of ours.
        env=os.environ | {"TMPDIR": str(here / "a folder"), "DOCKER_TLS_VERIFY": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        url = child.stdout.readline().strip()
        folder = Path(url.removeprefix("unix://")).parent
        monkeypatch.setenv("DOCKER_HOST", url)
        image = tiny_image()
        port, server = free_port(), "python3 -m http.server 8000"
        docker("network", "create", "private")
        docker("run", "--detach", "--publish", f"127.0.0.1:{port}:8000", image, *server.split())
        name = docker("run", "--detach", "--network=private", image, *server.split())
        assert until(lambda: answers(port), 20)
        # Networks of their own are there, with names.
        ask = f"import urllib.request as r; print(r.urlopen('http://{name[:12]}:8000').status)"
        assert docker("run", "--rm", "--network=private", image, "python3", "-c", ask) == "200"
        monkeypatch.setenv("DOCKER_HOST", docker_engine.url)
        assert name not in docker("ps", "--all", "--quiet", "--no-trunc")

        marks = [folder.name, f"br-{network_of(url)}", bridge_of(folder.name)]
        assert len(traces(marks)) > 5
        child.stdin.write("\n")
        child.stdin.close()
    assert until(lambda: traces(marks) == [], 60), traces(marks)
    assert [*here.rglob("*")] == [here / "a folder"]


def docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def tiny_image() -> str:
    """An image with this system's Python and nothing else."""
    python = os.path.realpath("/usr/bin/python3")
    needs = subprocess.run(["ldd", python], capture_output=True, text=True, check=True).stdout
    files = ["usr/bin/python3", f"usr/lib/{Path(python).name}", *re.findall(r"/(lib\S+)", needs)]
    pack = 'tar -C / -ch --exclude=test --exclude=__pycache__ "$@" | docker import - tiny'
    subprocess.run(["/bin/sh", "-c", pack, "sh", *files], check=True, capture_output=True)
    return "tiny"


def network_of(url: str) -> str:
    return docker("--host", url, "network", "ls", "--quiet", "--filter", "name=private")


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as page:
            return page.status == 200
    except OSError:
        return False


def test_a_private_bridge_is_gone_with_the_process():
    script = """
        import os
        from nochat.lab import servers

        bridge = servers.lxc_bridge(alone=True, quiet=True)
        assert os.environ["NOCHAT_MACHINE_BRIDGE"] == bridge.url
        assert servers.lxc_bridge(quiet=True).url == bridge.url
        print(bridge.url, flush=True)
        os.kill(os.getpid(), 9)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    name = ran.stdout.strip()
    assert BRIDGE.fullmatch(name)
    assert until(lambda: traces([name]) == [], 20), traces([name])


def test_a_stopped_bridge_is_not_named_any_more():
    with servers.lxc_bridge(alone=True, quiet=True) as bridge:
        assert bridge.url in repr(bridge)
        assert len(traces([bridge.url])) > 2
    assert traces([bridge.url]) == []
    assert "NOCHAT_MACHINE_BRIDGE" not in os.environ


def test_a_bridge_that_gives_no_addresses_is_not_used(tmp_path):
    """As lxc-net leaves it when it is killed."""
    with (
        servers.lxc_bridge(alone=True, quiet=True) as bridge,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("nochat.lab.servers.lxc_network.USUAL", bridge.url)
        patch.delenv("NOCHAT_MACHINE_BRIDGE")
        patch.setattr("nochat.lab.servers.lxc_network.DNSMASQ", noted := tmp_path / "dnsmasq.pid")
        noted.write_text(f"{os.getpid()}\n")
        with servers.lxc_bridge(quiet=True) as other:
            assert other.url != bridge.url
        [dnsmasq] = (
            process.pid
            for process in psutil.process_iter(["name", "cmdline"])
            if process.info["name"] == "dnsmasq"
            and f"--interface={bridge.url}" in process.info["cmdline"]
        )
        noted.write_text(f"{dnsmasq}\n")
        assert servers.lxc_bridge(quiet=True).url == bridge.url


def test_a_named_engine_that_does_not_answer_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(servers.NotAnswering, match=r"can't be reached(?s:.*)Correct DOCKER_HOST"):
        servers.docker()


def test_without_rights_it_says_what_helps(docker_engine, monkeypatch):
    refused = servers.NotAnswering("refuses us: we have no rights on its socket")
    monkeypatch.setattr(
        "nochat.lab.servers.docker_engine.look", lambda _: (_ for _ in ()).throw(refused)
    )
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with pytest.raises(servers.NotAnswering, match="usermod -aG docker"):
        servers.docker()
    with pytest.raises(servers.NotAnswering, match="only root"):
        servers.docker(alone=True)
