"""The chat's image and the whole chat in containers, for real.

Both are made once and shared, so the order of the tests counts.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import docker.errors
import httpx
import pytest
from playwright.async_api import async_playwright

import nochat
from nochat.lab import containers, verify
from nochat.lab.containers import commands, lxc
from nochat.lab.errors import LxcError
from nochat.lab.people import Person
from nochat.local.processes import until
from tests.cgroups import mount_controllers
from tests.clients.conftest import ARGUMENTS
from tests.clients.visitor import Visitor
from tests.conftest import CHROMIUM, ROOT
from tests.machines.conftest import needs_root

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OURS = {"web", "gateway", "controller", "users", "activity", "notifications", "replica"}
SERVERS = {"rabbitmq", "mariadb", "mongodb"}


def inspect(name: str) -> dict:
    return containers.client().api.inspect_image(name)


def layers(name: str) -> list[str]:
    return inspect(name)["RootFS"]["Layers"]


def service(container) -> str:
    return container.labels["com.docker.compose.service"]


def run(container, *command: str) -> str:
    code, said = container.exec_run(list(command))
    assert code == 0, said
    return said.decode()


def secrets() -> list[str]:
    """What must be seen nowhere: every password, whichever file it is in."""
    files = [
        path for path in (ROOT / "docker" / ".secrets").iterdir() if "stand_in" not in path.name
    ]
    text = "\n".join(path.read_text() for path in files)
    return re.findall(r"(?<![\w-])[\w-]{32}(?![\w-])", text)


# ---- The image ----------------------------------------------------------------------------------


def test_a_change_of_the_code_leaves_the_layers_below_it(chat_image, tmp_path):
    before = layers(chat_image)
    module = ROOT / "nochat" / "domain" / "room.py"
    was = module.stat()
    os.utime(module)  # Its time is no part of an image.
    try:
        containers.build("nochat-touched", quiet=True)
    finally:
        os.utime(module, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert layers("nochat-touched") == before

    extra = ROOT / "nochat" / "extra_of_a_test.py"
    extra.write_text("ANSWER = 42\n")
    try:
        containers.build("nochat-changed", quiet=True)
    finally:
        extra.unlink()
    after = layers("nochat-changed")
    assert [mine == theirs for mine, theirs in zip(before, after, strict=True)].count(False) == 1
    assert before[:2] == after[:2]


def test_the_image_says_what_it_is_and_is_nobody_special(chat_image):
    config = inspect(chat_image)["Config"]
    assert config["Labels"]["org.opencontainers.image.title"] == "NoChat"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert config["Labels"]["org.opencontainers.image.version"] == nochat.__version__
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert "healthy" in " ".join(config["Healthcheck"]["Test"])


def test_nothing_of_the_build_is_in_the_image(chat_image):
    look = (
        "ls -d /build /root/.cache /root/.npm /run/secrets/ca 2>/dev/null; command -v npm || true"
    )
    said = containers.client().containers.run(
        chat_image, ["-c", look], entrypoint="sh", remove=True, user="root"
    )
    assert said == b""


async def test_alone_it_is_the_whole_chat_and_stops_when_told(chat_image):
    container = containers.client().containers.run(
        chat_image,
        detach=True,
        init=True,
        read_only=True,
        tmpfs={"/tmp": ""},
        cap_drop=["ALL"],
        ports={"8000/tcp": ("127.0.0.1", None)},
    )
    try:
        container.reload()
        [port] = container.ports["8000/tcp"]
        await verify.chat(f"http://127.0.0.1:{port['HostPort']}")
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True, v=True)


def test_a_base_that_can_not_be_fetched_is_said_with_what_to_do(images_of_debian, monkeypatch):
    monkeypatch.setenv("BASE_IMAGE", "localhost:9/none")
    with pytest.raises(containers.ContainersError, match="make base-image"):
        containers.build("nochat-none", quiet=True)


# ---- The whole chat -----------------------------------------------------------------------------


async def test_people_chat_through_the_proxy_in_a_browser(stack):
    await verify.chat(stack.url)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        pages = [await (await browser.new_context()).new_page() for _ in range(2)]
        ada = await Visitor("ada", stack.url, pages[0]).arrive()
        bob = await Visitor("bob", stack.url, pages[1]).arrive()
        await ada.says("hello, containers")
        await bob.line("hello, containers").wait_for()
        assert "websocket" in ada.transports
        assert ada.complaints == bob.complaints == []
        await browser.close()


def test_nobody_is_root_or_may_become_it(stack):
    for container in stack.containers():
        host = container.attrs["HostConfig"]
        assert run(container, "id", "-u").strip() != "0", service(container)
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert not host["Privileged"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        status = run(container, "cat", "/proc/1/status")
        assert re.search(r"^CapEff:\s+0+$", status, flags=re.M)
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        if service(container) in OURS | {"proxy"}:
            assert host["ReadonlyRootfs"]


def test_no_password_is_where_the_engine_shows_it(stack):
    engine, hidden = containers.client(), secrets()
    assert len(set(hidden)) == 5
    shown = json.dumps([container.attrs for container in stack.containers()])
    images = {container.image.id for container in stack.containers()}
    shown += json.dumps([engine.images.get(image).history() for image in images])
    shown += "".join(stack.logs(name, 1000) for name in OURS | SERVERS)
    assert [secret for secret in hidden if secret in shown] == []


def test_the_servers_are_reached_from_the_chat_alone(stack):
    published = {
        service(container): container.attrs["HostConfig"]["PortBindings"]
        for container in stack.containers()
        if container.attrs["HostConfig"]["PortBindings"]
    }
    assert set(published) == {"proxy"}
    assert {place["HostIp"] for ports in published.values() for [place] in ports.values()} == {
        "127.0.0.1"
    }
    [proxy] = stack.containers("proxy")
    for name, port in (("rabbitmq", 5672), ("mariadb", 3306), ("mongodb", 27017)):
        reach = f"exec 3<>/dev/tcp/{stack.addresses('back')[name]}/{port}"
        assert proxy.exec_run(["timeout", "2", "bash", "-c", reach]).exit_code != 0, name
        [activity] = stack.containers("activity")
        assert activity.exec_run(["timeout", "2", "bash", "-c", reach]).exit_code == 0, name


def test_its_commands_can_be_typed_and_change_nothing(stack):
    before = {container.id for container in stack.containers()}
    for typed, said in (("up --detach", ""), ("ps --services", "gateway\n")):
        command = f"{stack.command} {typed}"
        ran = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert said in ran.stdout
    assert {container.id for container in stack.containers()} == before


async def test_messages_cross_three_gateways(stack):
    stack.up(scale={"gateway": 3})
    count = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9100/metrics').read())"
    people = [Person(f"visitor-{number}", stack.url) for number in range(9)]
    try:
        for person in people:
            await person.arrive()
        gateways = stack.containers("gateway")
        metrics = [run(gateway, "python3", "-c", count) for gateway in gateways]
        sockets = [float(re.search(r"nochat_sockets{[^}]*} ([\d.]+)", text)[1]) for text in metrics]
        assert len(sockets) == 3
        assert min(sockets) > 0
        texts = {f"from {person.name}" for person in people}
        for person in people:
            await person.says(f"from {person.name}")
        for person in people:
            await person.until(lambda person=person: texts <= set(person.texts()))
    finally:
        for person in people:
            await person.leave()


@pytest.mark.parametrize("victim", ["activity", "controller", "rabbitmq"])
async def test_a_container_that_is_killed_comes_back_and_nothing_is_lost(stack, victim):
    [container] = stack.containers(victim)
    before = container.attrs["RestartCount"]
    async with Person(f"writer-{victim}", stack.url) as writer:
        await writer.says(f"before {victim} died")
        container.exec_run(["sh", "-c", "kill -9 -1"])
        sent = [f"message {number} without {victim}" for number in range(5)]
        for text in sent:
            await asyncio.wait_for(_insist(writer, text), 60)

    def is_back() -> bool:
        container.reload()
        state = container.attrs
        return state["RestartCount"] > before and state["State"]["Health"]["Status"] == "healthy"

    assert await asyncio.to_thread(until, is_back, 60)
    async with Person(f"reader-{victim}", stack.url) as reader:
        page = await reader.call("history", {"room": "lobby"})
        texts = [entry.get("text") for entry in page["entries"]]
    wanted = [f"before {victim} died", *sent]
    assert [text for text in texts if text in wanted] == wanted


async def _insist(writer: Person, text: str) -> None:
    """Send a message until it is acknowledged: once in the room, however often it was sent."""
    identity = f"{writer.name}:{text}"
    while True:
        try:
            await writer.says(text, client_id=identity)
            return
        except (RuntimeError, TimeoutError):
            await asyncio.sleep(0.5)


@needs_root
async def test_a_container_of_lxc_takes_part(stack):
    """From the same image, on the same network: a gateway, and the page with it."""
    mount_controllers()
    os.umask(0o077)  # the program is another user
    made = lxc.create(
        "gateway",
        "nochat",
        *("run", "web", "gateway"),
        network=stack.network("back"),
        hosts={"rabbitmq": stack.addresses("back")["rabbitmq"]},
        files={"/run/secrets/bus_url": ROOT / "docker" / ".secrets" / "bus_url"},
        environment={"NOCHAT_BUS_URL_FILE": "/run/secrets/bus_url", "NOCHAT_PATIENCE": "60"},
    )
    with made:
        made.start()
        made.until("web, gateway: ")
        await verify.chat(f"http://{made.address}:8000")
        async with (
            Person("ludo", f"http://{made.address}:8000") as ludo,
            Person("dora", stack.url) as dora,
        ):
            await ludo.says("here is LXC")
            await dora.until(lambda: "here is LXC" in dora.texts())
        inside = made.run("cat", "/proc/1/status", "/proc/1/cmdline").replace("\0", " ")
        assert "nochat run web gateway" in inside
        assert re.search(r"^Uid:\s+10001\s", inside, flags=re.M)
        assert re.search(r"^CapEff:\s+0+$", inside, flags=re.M)
        with pytest.raises(LxcError, match="status 3"):
            made.run("sh", "-c", "exit 3")
    assert not made.root.parent.exists()
    with pytest.raises(LxcError):
        made.start()


async def test_the_bot_comes_when_it_is_asked_for(stack):
    containers.build("nochat-bot", target="bot")
    stack.up("bot")
    async with Person("asker", stack.url) as asker:
        await asker.says("@bot ping")
        await asker.until(lambda: any("pong" in text for text in asker.texts()))


def test_people_who_write_tell_how_long_it_takes(stack):
    stack.up("load")
    wanted = "2 people: 20 messages, 40 of 40 delivered"
    assert until(lambda: wanted in stack.logs("load"), 30), stack.logs("load")


def test_prometheus_hears_of_every_service(stack):
    stack.up("prometheus")
    query = f"http://127.0.0.1:{os.environ['PROMETHEUS_PORT']}/api/v1/query?query=nochat_up"

    def heard() -> set[str]:
        try:
            series = httpx.get(query).json()["data"]["result"]
        except httpx.TransportError:  # Docker listens before Prometheus does
            return set()
        return {sample["metric"]["service"] for sample in series if sample["value"][1] == "1"}

    assert until(lambda: heard() == OURS, 60), heard()


async def test_stored_messages_survive_down_and_up(stack):
    async with Person("keeper", stack.url) as keeper:
        await keeper.says("still here tomorrow")
    stack.down(volumes=False)
    assert stack.containers() == []
    stack.up()
    async with Person("keeper", stack.url) as keeper:  # the account is there too
        page = await keeper.call("history", {"room": "lobby"})
    assert "still here tomorrow" in [entry.get("text") for entry in page["entries"]]


# ---- What goes wrong ----------------------------------------------------------------------------


def test_a_port_that_is_taken_is_said_with_what_to_do(stack, monkeypatch):
    monkeypatch.setenv("CHAT_PORT", stack.url.rpartition(":")[2])
    with pytest.raises(containers.ContainersError, match="set CHAT_PORT"):
        containers.up(quiet=True)


def test_of_a_service_that_does_not_come_up_the_log_is_shown(stack, monkeypatch):
    monkeypatch.setenv("NOCHAT_LOG_LEVEL", "loud")
    monkeypatch.setattr("nochat.lab.containers.stack._project", lambda: "nochat-ill")
    with pytest.raises(containers.ContainersError, match=r"NOCHAT_LOG_LEVEL=loud can't be used"):
        containers.up(quiet=True)
    assert traces("nochat-ill") == []


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("failed to register layer: write /x: no space left on device", "docker system prune"),
        ("Got permission denied while trying to connect to the Docker daemon", "usermod"),
        ("Bind for 127.0.0.1:8000 failed: port is already allocated", "CHAT_PORT"),
        ("invalid mount config: bind source path does not exist: /x/.secrets/a", "docker/secrets"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "BUILD_CA"),
    ],
)
def test_failures_come_with_advice(said, advice):
    assert advice in commands.failure(["docker", "build"], said).rpartition("To do: ")[2]


# ---- The end ------------------------------------------------------------------------------------


def test_after_it_nothing_is_left_not_even_after_a_kill(stack):
    stack.down()
    before = folders()
    script = """
        from nochat.lab import containers

        stack = containers.up(quiet=True)
        print(stack.project, flush=True)
        input()
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        project = process.stdout.readline().strip()
        assert traces(project)
        process.kill()
        assert folders() - before
    assert until(lambda: traces(project) == [] and folders() == before, 60), traces(project)


def folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("nochat-stack-*")}


def traces(project: str) -> list[str]:
    engine = containers.client()
    filters = {"label": f"com.docker.compose.project={project}"}
    try:
        return [
            *(container.name for container in engine.containers.list(all=True, filters=filters)),
            *(network.name for network in engine.networks.list(filters=filters)),
            *(volume.name for volume in engine.volumes.list(filters=filters)),
        ]
    except docker.errors.NotFound:  # It went while we looked.
        return ["something"]
