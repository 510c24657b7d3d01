"""The bot, a microservice in Node.js: it answers real people through a real RabbitMQ."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import jsonschema
import msgspec
import pika
import psutil
import pytest

from nochat.bus import Queue, connect
from nochat.bus.amqp import arguments
from nochat.bus.routing import COMMANDS, EVENTS, REQUESTS, shard_of
from nochat.cli import main
from nochat.cli.asyncapi import document
from nochat.errors import NochatError
from nochat.lab import chat as lab
from nochat.lab import checks
from nochat.lab.people import Person, Refused
from nochat.lab.visitors import NotConnected
from nochat.local import components, doctor
from nochat.local.processes import until
from nochat.protocol.envelope import new_id
from nochat.protocol.events import UserNotified
from nochat.services import bots
from nochat.settings import Settings

HERE = Path(__file__).parent
WIRE = bots.PROGRAM.with_name("wire.mjs")


def node(*arguments: str, **options) -> str:
    """What a Node.js program prints."""
    command = [doctor.require("node"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, **options)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def from_wire(expression: str, given=None):
    """An expression's value, with what wire.mjs exports as `wire` and `given`."""
    code = f"const wire = await import({json.dumps(WIRE.as_uri())});"
    code += f"const given = {json.dumps(given)};"
    code += f"console.log(JSON.stringify({expression}))"
    return json.loads(node("--input-type=module", "-e", code))


def test_the_bot_answers():
    node("--test", str(HERE / "answers.test.mjs"))


def test_it_finds_the_shard_of_every_room_as_the_others_do():
    rooms = ["lobby", "a", "dm-" + "0" * 30, *(new_id() for _ in range(200))]
    shards = from_wire("given.map((room) => wire.shardOf(room, 7))", rooms)
    assert shards == [f"controller.{shard_of(room, 7)}" for room in rooms]


def test_its_queue_is_shaped_as_all_others():
    assert from_wire("wire.DURABLE") == arguments(Queue("bot"))


# ---- what can't be started -----------------------------------------------------------------------


def test_on_memory_it_needs_rabbitmq(monkeypatch, capsys):
    monkeypatch.setenv("NOCHAT_BUS_URL", "memory://")
    assert main(["run", "bot"]) == 2
    assert "set NOCHAT_BUS_URL=amqp://" in capsys.readouterr().err
    assert main(["run", "bot", "web"]) == 2
    assert "`nochat run bot` alone" in capsys.readouterr().err


def test_without_amqplib_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(components, "PACKAGE", tmp_path)
    with pytest.raises(NochatError, match=r"amqplib is not on this machine.*npm ci"):
        bots.run(Settings(bus_url="amqp://nobody"))


def run_bot(**settings) -> subprocess.Popen:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("NOCHAT_")}
    env = ours | {f"NOCHAT_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "nochat", "run", "bot"]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_broker_that_is_not_there_is_waited_for_then_said(unused_tcp_port):
    url = f"amqp://nochat:hunter2@127.0.0.1:{unused_tcp_port}/nochat"
    with run_bot(bus_url=url, patience="0.3") as process:
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 2
    assert "the bot can't start" in said
    assert "NOCHAT_BUS_URL" in said
    assert "hunter2" not in said


@pytest.mark.slow
def test_it_says_whether_it_is_ready_as_the_others_do(broker, unused_tcp_port_factory):
    port, nobody = unused_tcp_port_factory(), unused_tcp_port_factory()

    def health(path: str) -> int:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}{path}").status_code
        return 0

    with run_bot(bus_url=f"amqp://127.0.0.1:{nobody}", operation_port=str(port)) as process:
        assert until(lambda: health("/healthz") == 200, 20)
        assert (health("/readyz"), health("/")) == (503, 404)
        with run_bot(bus_url=broker.url, operation_port=str(port)) as second:
            assert "NOCHAT_OPERATION_PORT" in second.communicate(timeout=20)[1]
        assert second.returncode == 2
        process.terminate()
    with run_bot(bus_url=broker.url, operation_port=str(port)) as process:
        assert until(lambda: health("/healthz") == 200, 20)
        assert health("/readyz") == 503  # There is no controller that lets it in.
        process.terminate()


# ---- in the chat ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chat(broker, mongodb_server):
    activity = f"{mongodb_server.url}/bot{new_id()[:8]}"
    with lab.start(apart=True, bus=broker.url, activity=activity) as chat:
        assert chat.add("bot", "bot") == ""
        yield chat


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The bot in Go, by Debian's compiler and library."""
    library = doctor.require("amqp091-go")
    program = tmp_path_factory.mktemp("go") / "gopher"
    source = bots.PROGRAM.with_name("gopher.go")
    debian = {"GO111MODULE": "off", "GOPATH": str(library.parents[3]), "GOFLAGS": "-p=2"}
    debian |= {"GOCACHE": str(program.with_name("cache")), "HOME": str(program.parent)}
    command = [doctor.require("go"), "build", "-o", program, source]
    subprocess.run(command, env=os.environ | debian, check=True, timeout=170)
    return program


@pytest.fixture
def gopher(chat, broker, compiled):
    """Starts the bot in Go, and ends it as a service manager would."""
    running = []

    def start():
        env = os.environ | {"NOCHAT_BUS_URL": broker.url}
        process = subprocess.Popen([compiled], env=env, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout.readline() == "gopher: running\n"
        return process

    yield start
    for process in running:
        process.terminate()
        assert process.wait(15) in (0, -signal.SIGKILL)
        process.stdout.close()


@pytest.fixture
async def ana(chat):
    async with Person(f"u{new_id()[:8]}", chat.url) as ana:
        yield ana


def answers(person, room="lobby", of="bot"):
    entries = [entry for _, entry in sorted(person.heard.get(room, {}).items())]
    return [entry["text"] for entry in entries if entry.get("sender") == of]


def joined(user, person, room):
    entries = person.heard.get(room, {}).values()
    return any((entry["type"], entry.get("user")) == ("room.joined", user) for entry in entries)


slow = pytest.mark.slow
pytestmark = pytest.mark.timeout(180)


@slow
async def test_it_answers_once_in_the_correlation_of_the_question(chat, ana):
    before = len(answers(ana))
    asked = await ana.says("@bot ping")
    await ana.until(lambda: len(answers(ana)) > before)
    await ana.says("@bot roll 2d6")
    await ana.until(lambda: len(answers(ana)) > before + 1)
    assert answers(ana)[before] == "pong"
    assert answers(ana)[before + 1].startswith(f"{ana.name} rolls 2d6: ")
    steps = [(step.service, step.step, step.type) for step in chat.trace(asked)]
    assert ("bot", "handled", "user.notified") in steps
    assert steps.index(("bot", "published", "message.send")) < steps.index(
        ("controller", "handled", "message.send"), steps.index(("bot", "handled", "user.notified"))
    )


@slow
async def test_a_message_without_a_mention_gets_no_answer(ana):
    before = len(answers(ana))
    for text in ("hello", "ping", "bot ping", "me@bot.example", "@bot ping"):
        await ana.says(text)
    await ana.until(lambda: len(answers(ana)) > before)
    assert answers(ana)[before:] == ["pong"]


@slow
async def test_it_comes_where_it_is_invited_and_answers_in_rooms_of_two(ana):
    room = f"den-{new_id()[:16]}"
    await ana.call("create", {"room": room, "title": "The den", "private": True})
    await ana.call("invite", {"room": room, "user": "bot"})
    await ana.until(lambda: joined("bot", ana, room))
    await ana.says("@bot ping", room)
    await ana.until(lambda: answers(ana, room) == ["pong"])
    direct = (await ana.call("direct", {"user": "bot"}))["room"]
    await ana.says("ping", direct)
    await ana.until(lambda: answers(ana, direct) == ["pong"])


@slow
async def test_a_question_that_is_delivered_again_is_answered_once(broker, ana):
    before = len(answers(ana))
    await ana.says("@bot ping")
    await ana.until(lambda: len(answers(ana)) > before)
    entries = ana.heard["lobby"].items()
    position = [n for n, entry in entries if entry.get("text") == "@bot ping"][-1]
    fields = {"user": "bot", "room": "lobby", "position": position, "sender": ana.name}
    same = UserNotified(**fields, text="@bot ping", reason="mention")
    async with connect(broker.url, "test") as bus:
        for again in (same, same, msgspec.structs.replace(same, id=new_id())):
            await bus.publish(again)
    await ana.says("@bot time")
    await ana.until(lambda: "UTC" in answers(ana)[-1])
    assert len(answers(ana)) == before + 2


KINDS = {"user.register", "room.join", "message.send", "service.reported"}


@slow
async def test_all_that_it_sends_is_as_the_asyncapi_document_says(broker, chat, ana):
    """Seen by a queue beside the controller's own."""
    with overhearing(broker, "bot") as all_there:
        chat.add("bot", "bot")  # a new one registers, and comes to the lobby
        before = len(answers(ana))
        await ana.says("@bot ping")
        await ana.until(lambda: len(answers(ana)) > before)
        assert await checks.until(all_there, 20)


@contextmanager
def overhearing(broker, bot):
    """Hear all that a bot sends; gives what tells whether all of it was sent, and checks it."""
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare(f"test-{new_id()}", exclusive=True).method.queue
        for shard in range(Settings().shards):
            channel.queue_bind(queue, COMMANDS, f"controller.{shard}")
        channel.queue_bind(queue, REQUESTS, "controller.passwords")
        channel.queue_bind(queue, EVENTS, "service.reported")
        sent = []

        def all_there():
            while (got := channel.basic_get(queue, auto_ack=True))[0]:
                if got[1].app_id == bot:
                    sent.append(got)
            return {taken[1].type for taken in sent} == KINDS

        yield all_there
    api = document()
    for method, properties, body in sent:
        check_against(api, method, properties, json.loads(body))


def check_against(api, method, properties, content):
    message = api["components"]["messages"][properties.type]
    schema = message["payload"] | {"components": api["components"]}
    jsonschema.Draft202012Validator(schema).validate(content)
    [only] = content
    channel = api["channels"][properties.type]
    assert method.exchange == channel["bindings"]["amqp"]["exchange"]["name"]
    known = {key: rule["enum"] for key, rule in channel.get("parameters", {}).items()}
    keys = [channel["address"].replace("{shard}", shard) for shard in known.get("shard", [""])]
    assert method.routing_key in keys
    assert properties.content_type == message["contentType"]
    assert properties.message_id == only["id"]
    assert properties.correlation_id == only["correlation_id"]
    operation = api["operations"][properties.type]["bindings"]["amqp"]
    assert (properties.delivery_mode or 1) == operation["deliveryMode"]
    assert bool(properties.reply_to) == ("reply" in api["operations"][properties.type])


@slow
async def test_malformed_messages_go_to_the_dead_letters_and_the_bot_goes_on(broker, ana):
    before = len(answers(ana))
    bodies = [b"not json", b"{}", b"[null]", b'[{"type":"user.notified","user":"bot"}]']
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", "bot", body)

        def dead():
            return channel.queue_declare("dead-letters", passive=True).method.message_count

        assert await checks.until(lambda: dead() == len(bodies), 20)
        channel.queue_purge("dead-letters")
    await ana.says("@bot ping")
    await ana.until(lambda: len(answers(ana)) > before)


@slow
async def test_a_bot_in_go_does_as_the_asyncapi_document_says(broker, gopher, ana):
    with overhearing(broker, "gopher") as all_there:
        gopher()
        await ana.says("@gopher count: two words")
        await ana.until(lambda: answers(ana, of="gopher") == ["Words: 2, letters: 8."])
        direct = (await ana.call("direct", {"user": "gopher"}))["room"]
        await ana.says("ping", direct)
        await ana.until(lambda: answers(ana, direct, of="gopher") == ["pong"])
        room = f"den-{new_id()[:16]}"
        await ana.call("create", {"room": room, "title": "The den", "private": True})
        await ana.call("invite", {"room": room, "user": "gopher"})
        await ana.until(lambda: joined("gopher", ana, room))
        await ana.says("Hello, @gopher!", room)
        await ana.until(lambda: "I know: help" in str(answers(ana, room, of="gopher")))
        assert await checks.until(all_there, 20)
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        # RabbitMQ refuses what is declared in another shape.
        connection.channel().queue_declare(
            "gopher", durable=True, arguments=arguments(Queue("gopher"))
        )


@slow
async def test_a_bot_in_go_that_was_away_answers_once_and_sets_aside_what_it_can_not_read(
    broker, gopher, ana
):
    gopher().kill()
    before = len(answers(ana, of="gopher"))
    await ana.says("@gopher ping")
    bodies = [b"not json", b"{}", b"[null]", b'[{"type":"user.notified","user":"gopher"}]']
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", "gopher", body)
        gopher()

        def dead():
            return channel.queue_declare("dead-letters", passive=True).method.message_count

        assert await checks.until(lambda: dead() == len(bodies), 20)
        channel.queue_purge("dead-letters")
    await ana.says("@gopher count")
    await ana.until(lambda: answers(ana, of="gopher")[before:] == ["pong", "Words: 0, letters: 0."])


@slow
async def test_questions_asked_while_the_bot_was_away_are_answered_later(chat, ana):
    before = len(answers(ana))
    chat.kill("bot")
    await ana.says("@bot ping")
    chat.restart("bot")
    await ana.until(lambda: len(answers(ana)) > before)


@slow
async def test_it_survives_that_the_broker_goes_and_comes_back(broker, chat, ana):
    pid = chat.processes["bot"].pid
    before = Counter(answers(ana))
    broker.kill()
    await asyncio.to_thread(broker.restart)
    client_id = new_id()

    async def says():
        try:
            return await ana.says("@bot ping", client_id=client_id)
        except NotConnected:  # the page would come back, too, and again if nobody answers yet
            with suppress(Refused):
                await ana.connect()
            return ""
        except (RuntimeError, TimeoutError):  # try again in a moment
            return ""

    assert await checks.until(says, 60)
    await ana.until(lambda: Counter(answers(ana))["pong"] > before["pong"], 60)
    assert chat.processes["bot"].pid == pid
    assert psutil.pid_exists(pid)


@slow
async def test_it_ends_when_it_is_told_to(broker, chat):
    with run_bot(bus_url=broker.url) as process:
        assert process.stdout.readline() == "bot: running\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


@slow
async def test_it_is_gone_with_the_chat(broker, mongodb_server):
    activity = f"{mongodb_server.url}/bot{new_id()[:8]}"
    with lab.start(bus=broker.url, activity=activity) as other:
        other.add("bot", "bot")
        process = psutil.Process(other.processes["bot"].pid)
        assert "bot.mjs" in " ".join(process.cmdline())
    assert not process.is_running()
