"""The real servers: they answer, keep their secrets and data, and never stay behind."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pika
import psutil
import pymongo
import pytest
import sqlalchemy
from sqlalchemy import text

from nochat.lab import servers
from nochat.lab.servers.server import without_password
from nochat.local import doctor
from nochat.local.processes import free_port, listens, until
from nochat.stores import privileges

pytestmark = pytest.mark.slow

VARIABLES = ("NOCHAT_BUS_URL", "NOCHAT_USERS_URL", "NOCHAT_ACTIVITY_URL")


@pytest.fixture(params=["rabbitmq_server", "mariadb_server", "mongodb_server", "azurite_server"])
def server(request):
    return request.getfixturevalue(request.param)


def execute(url: str, statement: str) -> list[tuple]:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


# Private servers, together in one process and one by one.


def test_a_server_says_what_it_is_and_keeps_its_password(server):
    assert server.origin == "private"
    assert server.version in repr(server)
    assert server.version[0].isdigit()
    password = urlsplit(server.url).password
    for shown in (repr(server), server._repr_html_(), str([server]), server.shown_url):
        assert f"127.0.0.1:{urlsplit(server.url).port}" in shown
        assert password is None or password not in shown
        assert "sig=" not in shown


def test_the_stand_in_for_mongodb_is_named_as_one(mongodb_server):
    if not shutil.which("mongod"):
        assert "nx-27017, a stand-in for mongod" in repr(mongodb_server)


def listeners(kept_pid: int) -> set[str]:
    """Addresses that a server and its descendants listen at."""
    top = psutil.Process(kept_pid)
    processes = [top, *top.children(recursive=True)]
    return {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_server_listens_on_loopback_only(server):
    assert listeners(server.child.pid) == {"127.0.0.1"}


def test_the_account_of_the_users_database_reaches_no_other(mariadb_server):
    anywhere, here = [row[0] for row in execute(mariadb_server.url, "SHOW GRANTS")]
    assert anywhere.startswith("GRANT USAGE ON *.*")  # to log in, and nothing else
    rights = here.removeprefix("GRANT ").partition(" ON `nochat`.* ")[0]
    assert set(rights.split(", ")) == set(privileges.MARIADB.split(", "))
    with pytest.raises(sqlalchemy.exc.OperationalError, match="denied"):
        execute(mariadb_server.url, "SELECT user FROM mysql.user")
    root = mariadb_server.url.replace("nochat:", "root:", 1)
    with pytest.raises(sqlalchemy.exc.OperationalError, match="Access denied"):
        execute(root, "SELECT 1")


def test_the_users_database_takes_every_script(mariadb_server):
    [(stored,)] = execute(mariadb_server.url, "SELECT '¡Olé! 😀'")
    assert stored == "¡Olé! 😀"


def test_rabbitmq_has_no_guest(rabbitmq_server):
    parameters = pika.URLParameters(rabbitmq_server.url)
    parameters.credentials = pika.PlainCredentials("guest", "guest")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(parameters)


def test_a_confirmed_message_survives_kill_9(broker):
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True)
        # RabbitMQ answers up to two seconds before its Mnesia has noted that this is decided. A
        # kill until then takes the queue with all that is in it.
        (noted,) = broker.child.log.parent.glob("mnesia/*/LATEST.LOG")
        assert until(lambda: b"committed" in noted.read_bytes().rpartition(b"kept")[2], 20)
        channel.basic_publish("", "kept", b"still here", persistent)
    broker.kill()
    # All its threads are told to end; the last of them takes the port along.
    assert until(lambda: not listens(urlsplit(broker.url).port), 20)
    broker.restart()
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        assert channel.basic_get("kept", auto_ack=True)[2] == b"still here"


def test_a_committed_row_survives_kill_9(database):
    execute(database.url, "CREATE TABLE kept (word VARCHAR(20))")
    execute(database.url, "INSERT INTO kept VALUES ('still here')")
    database.kill()
    database.restart()
    assert execute(database.url, "SELECT word FROM kept") == [("still here",)]


def test_an_inserted_document_survives_kill_9():
    with servers.mongodb(quiet=True) as server:
        with pymongo.MongoClient(server.url) as client:
            client.nochat.child.insert_one({"word": "still here"})
        server.kill()
        server.restart()
        with pymongo.MongoClient(server.url) as client:
            assert client.nochat.child.find_one()["word"] == "still here"


def test_documents_stay_in_a_folder_of_one_s_own(tmp_path, capsys):
    for _ in range(2):
        with (
            servers.mongodb(data_dir=tmp_path / "data") as server,
            pymongo.MongoClient(server.url) as client,
        ):
            client.nochat.visits.insert_one({})
            count = client.nochat.visits.count_documents({})
    assert count == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(" … ready in " in line for line in lines)


def test_a_missing_server_is_named_with_its_command(monkeypatch):
    absent = [replace(component, ways=()) for component in doctor.COMPONENTS]
    monkeypatch.setattr(doctor, "COMPONENTS", absent)
    for start in (servers.rabbitmq, servers.mariadb, servers.mongodb):
        with pytest.raises(doctor.Missing, match=r"To do: (sudo apt-get|pip) install"):
            start()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://me:s3cr3t@host:1/v", "amqp://me:***@host:1/v"),
        ("amqp://me:s3/cr@3?t@host/v?x=1", "amqp://me:***@host/v"),
        ("mongodb://me:s3cr3t@a:1,b:2/v?password=x", "mongodb://me:***@a:1,b:2/v"),
        ("mongodb://a:1/v", "mongodb://a:1/v"),
    ],
)
def test_a_password_is_masked_however_it_is_written(url, shown):
    assert without_password(url) == shown


# Servers named by URL.

START = {
    "NOCHAT_BUS_URL": servers.rabbitmq,
    "NOCHAT_USERS_URL": servers.mariadb,
    "NOCHAT_ACTIVITY_URL": servers.mongodb,
}


def test_a_named_server_is_used_and_left_running(
    monkeypatch, capsys, rabbitmq_server, mariadb_server, mongodb_server
):
    for (variable, start), private in zip(
        START.items(), (rabbitmq_server, mariadb_server, mongodb_server), strict=True
    ):
        monkeypatch.setenv(variable, private.url)
        with start() as server:
            assert server.url == private.url
            assert server.origin == f"named by {variable}"
            with pytest.raises(RuntimeError, match="only a private server can be killed"):
                server.kill()
        assert listens(urlsplit(private.url).port)
    assert capsys.readouterr().out == ""


def refusal(monkeypatch, variable: str, url: str) -> str:
    monkeypatch.setenv(variable, url)
    with pytest.raises(servers.NotAnswering) as caught:
        START[variable]()
    return str(caught.value)


def test_a_wrong_password_is_refused_quietly(monkeypatch, caplog, rabbitmq_server, mariadb_server):
    for variable, server in (
        ("NOCHAT_BUS_URL", rabbitmq_server),
        ("NOCHAT_USERS_URL", mariadb_server),
    ):
        url = server.url.replace(urlsplit(server.url).password, "wr0ngw0rd")
        message = refusal(monkeypatch, variable, url)
        assert "refuses the user, password" in message
        assert f"Correct {variable}, or unset it" in message
        assert "wr0ngw0rd" not in message
    assert caplog.text == ""


def test_another_virtual_host_or_database_is_refused(monkeypatch, rabbitmq_server, mariadb_server):
    for variable, server in (
        ("NOCHAT_BUS_URL", rabbitmq_server),
        ("NOCHAT_USERS_URL", mariadb_server),
    ):
        url = server.url.removesuffix("/nochat") + "/other"
        assert "refuses" in refusal(monkeypatch, variable, url)


def test_a_server_that_is_not_there_is_said_to_be_unreachable(monkeypatch, caplog):
    port = free_port()
    for variable, scheme in zip(VARIABLES, ("amqp", "mysql+pymysql", "mongodb"), strict=True):
        message = refusal(monkeypatch, variable, f"{scheme}://me:s3cr3t@127.0.0.1:{port}/nochat")
        assert "can't be reached" in message
        assert f"127.0.0.1:{port}" in message
        assert f"Correct {variable}, or unset it" in message
        assert "s3cr3t" not in message
    assert caplog.text == ""


def test_another_scheme_or_no_url_is_refused(monkeypatch):
    for variable, expected in zip(VARIABLES, ("amqp", "mysql+pymysql", "mongodb"), strict=True):
        message = refusal(monkeypatch, variable, "http://me:s3cr3t@localhost/")
        assert f"{variable} is http://me:***@localhost/; expected {expected}://" in message
        message = refusal(monkeypatch, variable, f"{expected}://me:s3cr3t@localhost:port/x")
        assert "s3cr3t" not in message


# A student's process: a normal user's, interrupted and killed.

STUDENT = """
    import json, signal, time
    from concurrent.futures import ThreadPoolExecutor
    from nochat.lab import servers

    with ThreadPoolExecutor() as pool:
        broker = pool.submit(servers.rabbitmq, management=True, quiet=True)
        others = [pool.submit(start, quiet=True) for start in (servers.mariadb, servers.mongodb)]
        started = [future.result() for future in (broker, *others)]
    signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
    urls = [started[0].management_url, *(server.url for server in started)]
    print(json.dumps(urls), flush=True)
    while True:
        time.sleep(0.05)
"""


def lives(process: psutil.Process) -> bool:
    """A zombie is gone: in a container nobody may be there to reap it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def home():
    """Home and temporary folder of a normal user, who may not enter pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="student-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    yield folder
    shutil.rmtree(folder)


# A normal user, but for one right: to read a checkout that is in root's home.
AS_NOBODY = [
    *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]


@pytest.fixture
def student(home):
    process = subprocess.Popen(
        [
            *(AS_NOBODY if os.geteuid() == 0 else []),
            *(sys.executable, "-c", textwrap.dedent(STUDENT)),
        ],
        env={"HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_as_a_normal_user_they_survive_interrupt_and_nothing_survives_kill_9(student, home):
    ports = [urlsplit(url).port for url in json.loads(student.stdout.readline())]
    assert b"RabbitMQ Management" in read_page(ports[0])
    assert listeners(student.pid) == {"127.0.0.1"}
    descendants = psutil.Process(student.pid).children(recursive=True)
    assert {process.username() for process in descendants} == {
        "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    }
    assert len([path for path in home.iterdir() if path.name.startswith("nochat-")]) == 3

    os.killpg(student.pid, signal.SIGINT)
    assert student.stdout.readline() == "interrupted\n"
    assert all(map(lives, descendants))
    assert all(map(listens, ports))

    student.kill()
    assert until(lambda: not any(map(lives, descendants)), 5)
    assert not any(map(listens, ports))
    assert until(lambda: not list(home.glob("nochat-*")), 1)
    # And what is no descendant: Erlang's port mapper daemonises where it is started.
    assert not [process for process in psutil.process_iter(["environ"]) if of_home(process, home)]


def read_page(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read()


def of_home(process: psutil.Process, home: Path) -> bool:
    environ = process.info["environ"] or {}
    return lives(process) and environ.get("TMPDIR") == str(home)
