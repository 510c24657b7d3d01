"""The exercises of notebook 06, proved both ways with images and containers of some MB."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from nochat.lab import exercise
from nochat.lab.exercise import own_image, own_part
from nochat.lab.exercise.catalogue import find
from tests.exercises import solutions
from tests.exercises.mini_stack import mini_stack
from tests.images import chat_image, python_image, remove_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BASE, CHAT, STAND = "nochat-test/python", "nochat-test/chat", "nochat-test/stand-in"


@pytest.fixture(scope="module")
def base(docker_engine):
    yield python_image(BASE)
    remove_image(BASE)


@pytest.fixture(scope="module")
def chat(docker_engine):
    yield chat_image(CHAT)
    remove_image(CHAT)


# ---- 06a ----------------------------------------------------------------------------------------

HEAD = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
SECRET = "RUN --mount=type=secret,id=token {install} /run/secrets/token --no-cache\n"
INSTALL = "COPY install .\n" + SECRET.format(install="python3 install")
SERVE = "COPY serve .\nENV PORT=8080\n"
USER = "USER 10001\n"
RUN = 'CMD ["python3", "serve"]\n'
RIGHT = HEAD + INSTALL + SERVE + USER + RUN

# Another stage installs, with the token as a file: it stays behind, and the cache with it.
STAGES = f"""\
ARG BASE_IMAGE
FROM ${{BASE_IMAGE}} AS tools
COPY install token /
RUN python3 /install /token
FROM ${{BASE_IMAGE}}
COPY --from=tools /opt/page /opt/page
COPY serve /srv/
{USER}ENTRYPOINT ["/bin/sh", "-c", "exec env PORT=8080 python3 /srv/serve"]
""".replace("exec env PORT=8080", "PORT=8080 exec")
WRONG_IMAGES = {
    "build": RIGHT.replace("/run/secrets/token", "/run/secrets/tokens"),
    "layer": RIGHT.replace(
        INSTALL, "COPY install token /\nRUN python3 install token --no-cache\nRUN rm token\n"
    ),
    "history": RIGHT.replace(
        INSTALL,
        "ARG TOKEN\nCOPY install .\n"
        "RUN echo $TOKEN >t && python3 install t --no-cache && rm t install\n",
    ),
    "big": RIGHT.replace(" --no-cache", ""),
    "ended": RIGHT.replace("COPY serve", "COPY serve serve.py\n#"),
    "port": RIGHT.replace("ENV PORT=8080\n", ""),
    "root": RIGHT.replace(USER, ""),
    "answer": HEAD + INSTALL + USER + 'CMD ["python3", "-m", "http.server", "8080"]\n',
    "again": HEAD + "COPY serve .\nENV PORT=8080\n" + INSTALL + USER + RUN,
}


@pytest.fixture
def judged(base, tmp_path, monkeypatch):
    """Judges a Dockerfile with a text."""
    monkeypatch.setattr(own_image, "SECONDS", 5.0)

    async def judge(text):
        (tmp_path / "Dockerfile").write_text(text)
        return await exercise.check("06a", tmp_path, base=base)

    return judge


def given_image():
    """The notebook's solution, without the line that writes it to a file."""
    return solutions.solution("06a").partition("\n")[2]


async def test_the_untouched_recipe_makes_its_base(judged):
    stub = solutions.cell("exercise", "06a").source.partition("\n")[2]
    verdict = await judged(stub)
    assert verdict.mistake == "untouched", verdict


@pytest.mark.parametrize("recipe", [given_image, lambda: STAGES], ids=["given", "stages"])
async def test_a_small_image_without_the_secret_passes(recipe, judged):
    verdict = await judged(recipe())
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_IMAGES)
async def test_a_mistake_in_an_image_is_named(mistake, judged):
    verdict = await judged(WRONG_IMAGES[mistake])
    assert verdict.mistake == mistake, verdict


async def test_a_failed_build_is_told_with_what_the_program_said(judged):
    verdict = await judged(RIGHT.replace(" /run/secrets/token", ""))
    assert verdict.mistake == "build", verdict
    assert "No such file or directory: '--no-cache'" in verdict.said


@pytest.mark.parametrize("answer", [..., "/nowhere/Dockerfile"])
async def test_what_is_no_recipe_is_said(answer):
    verdict = await exercise.check("06a", answer)
    assert verdict.mistake == "failed", verdict


def test_every_known_mistake_in_an_image_has_a_recipe_that_makes_it():
    assert {*WRONG_IMAGES} | {"untouched", "failed"} == {*find("06a").mistakes}


# ---- 06b ----------------------------------------------------------------------------------------

# In place of the whole chat, which needs memory in the same way: while people register.
STAND_IN = """
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Chat(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        hash = b"x" * 50_000_000
        time.sleep(0.3)
        self.do_GET()

ThreadingHTTPServer(("", 8000), Chat).serve_forever()
"""
LIMITS = """
services:
  chat: {mem_limit: 512m}
  collector: {mem_limit: 64m, memswap_limit: 64m}
"""
RESTARTED = """
services:
  collector: {mem_limit: 90000000, memswap_limit: 90000000, mem_reservation: 30m, restart: always}
"""
WRONG_LIMITS = {
    "untouched": "services: {chat: {}, collector: {}}\n",
    "file": LIMITS.replace("services:", "services"),
    "wrong": "services: {chat: {mem_limit: 512m}}\n",
    "swap": LIMITS.replace(", memswap_limit: 64m", ""),
    "early": LIMITS.replace("64m", "8m"),
    "starved": LIMITS.replace("512m", "64m"),
    "loose": LIMITS.replace("64m", "900m"),
}


@pytest.fixture(scope="module")
def stand_in(base):
    command = json.dumps(["python3", "-c", STAND_IN])
    lines = f"FROM {base}\nENTRYPOINT {command}\n"
    build = ["docker", "build", "--tag", STAND, "-"]
    subprocess.run(build, input=lines, text=True, check=True, capture_output=True)
    yield STAND
    remove_image(STAND)


@pytest.fixture
def limited(tmp_path):
    """Judges limits with a text."""

    async def judge(text, image):
        (tmp_path / "limits.yaml").write_text(text)
        return await exercise.check("06b", tmp_path / "limits.yaml", image=image)

    return judge


async def test_the_given_limits_keep_the_whole_chat_alive(limited, chat):
    verdict = await limited(solutions.solution("06b").partition("\n")[2], chat)
    assert verdict.passed, verdict


async def test_other_limits_and_a_restart_pass(limited, stand_in):
    verdict = await limited(RESTARTED, stand_in)
    assert verdict.passed, verdict


async def test_the_untouched_limits_are_none(limited, stand_in):
    stub = solutions.cell("exercise", "06b").source.partition("\n")[2]
    verdict = await limited(stub, stand_in)
    assert verdict.mistake == "untouched", verdict


@pytest.mark.parametrize("mistake", [it for it in WRONG_LIMITS if it != "untouched"])
async def test_a_mistake_of_limits_is_named(mistake, limited, stand_in):
    verdict = await limited(WRONG_LIMITS[mistake], stand_in)
    assert verdict.mistake == mistake, verdict


async def test_a_limit_without_its_unit_is_told_with_the_reason(limited, stand_in):
    verdict = await limited(LIMITS.replace("64m", "64"), stand_in)
    assert verdict.mistake == "file", verdict
    assert "inimum memory" in verdict.said


async def test_a_file_of_limits_that_is_not_there_is_said():
    verdict = await exercise.check("06b", ...)
    assert verdict.mistake == "failed", verdict


def test_every_known_mistake_of_limits_has_a_file_that_makes_it():
    assert {*WRONG_LIMITS} | {"failed"} == {*find("06b").mistakes}


# ---- 06c ----------------------------------------------------------------------------------------

SERVICE = """
services:
  dice:
    image: nochat-test/chat
    command: [run, /own/dice.py]
    init: true
    volumes: ["OWN/dice.py:/own/dice.py:ro"]
    networks: [back]
    secrets: [bus_url]
    environment: {NOCHAT_BUS_URL_FILE: /run/secrets/bus_url}
    cap_drop: [ALL]
    mem_limit: 192m
"""
# An image of its own, with the file in it, and other words for the same.
BUILT = """
services:
  gambler:
    image: nochat-test/gambler
    build: OWN
    networks: {back: {aliases: [gambler]}, front: {}}
    secrets: [{source: bus_url, target: where}]
    environment: [NOCHAT_BUS_URL_FILE=/run/secrets/where]
    cap_drop: [all]
    mem_limit: 300000000
    memswap_limit: 300000000
    security_opt: ["no-new-privileges:true"]
"""
DOCKERFILE = 'FROM nochat-test/chat\nCOPY dice.py /own/\nCMD ["run", "/own/dice.py"]\n'
WRONG_PARTS = {
    "file": SERVICE.replace("services:", "services"),
    "network": SERVICE.replace("networks: [back]", "networks: [front]"),
    "path": SERVICE.replace("OWN/dice.py", "./dice.py"),
    "published": SERVICE.replace("init: true", 'ports: ["127.0.0.1::9100"]'),
    "limit": SERVICE.replace("mem_limit: 192m", ""),
    "ill": SERVICE.replace("secrets: [bus_url]", ""),
    "capabilities": SERVICE.replace("cap_drop: [ALL]", ""),
    "silent": SERVICE.replace("run, /own/dice.py", "run, notifications"),
}


@pytest.fixture(scope="module")
def folder():
    """A folder with a short path, as sockets need it, that containers may read."""
    with tempfile.TemporaryDirectory(prefix="nochat-mini-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def stack(chat, rabbitmq_server, folder):
    (folder / "stack").mkdir()
    with mini_stack(chat, rabbitmq_server.url, folder / "stack") as stack:
        known = stack.services()
        stack.services = lambda: known  # its files do not change, and Compose takes long to say
        yield stack


@pytest.fixture
def added(stack, folder, monkeypatch):
    """Judges a file of Compose with a text."""
    monkeypatch.setattr(own_part, "ANSWERING", 3.0)
    own = folder / "own"
    exercise.given(own, "dice.py")
    (own / "Dockerfile").write_text(DOCKERFILE)

    async def judge(text):
        (own / "more.yaml").write_text(text.replace("OWN", str(own)))
        return await exercise.check("06c", own / "more.yaml", stack=stack)

    yield judge
    shutil.rmtree(own)
    remove_image("nochat-test/gambler")


def given_part():
    """The notebook's solution, for a folder of its own."""
    text = solutions.solution("06c").partition("\n")[2].replace("../build/own", "OWN")
    return text.replace("image: nochat", f"image: {CHAT}")


async def test_the_untouched_file_adds_nothing(added):
    verdict = await added(solutions.cell("exercise", "06c").source.partition("\n")[2])
    assert verdict.mistake == "untouched", verdict


@pytest.mark.parametrize("part", [given_part, lambda: BUILT], ids=["given", "built"])
async def test_a_service_that_is_confined_and_answers_passes(part, added, stack):
    before = stack.containers()
    verdict = await added(part())
    assert verdict.passed, verdict
    assert stack.containers() == before


@pytest.mark.parametrize("mistake", WRONG_PARTS)
async def test_a_mistake_of_a_service_is_named(mistake, added):
    verdict = await added(WRONG_PARTS[mistake])
    assert verdict.mistake == mistake, verdict


async def test_a_mistake_of_a_file_that_is_not_there_is_named(stack):
    verdict = await exercise.check("06c", "/nowhere/more.yaml", stack=stack)
    assert verdict.mistake == "failed", verdict


def test_every_known_mistake_of_a_service_has_a_file_that_makes_it():
    assert {*WRONG_PARTS} | {"untouched", "failed"} == {*find("06c").mistakes}
