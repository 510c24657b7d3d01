"""The chat's own accounts can do nothing but their work; nobody comes in without a password."""

import pika
import pymysql
import pytest
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker
from sqlalchemy import make_url

pytestmark = pytest.mark.slow


@pytest.fixture
def rabbitmq_channel(rabbitmq_server):
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url))
    yield connection.channel()
    connection.close()


@pytest.mark.parametrize(
    "act",
    [
        lambda channel: channel.basic_publish("amq.direct", "x", b""),
        lambda channel: channel.exchange_declare("amq.mine", "direct"),
        lambda channel: channel.queue_bind("mine", "amq.topic", "#"),
    ],
    ids=["publish", "declare", "bind"],
)
def test_the_account_is_denied_rabbitmqs_own_names(rabbitmq_channel, act):
    rabbitmq_channel.confirm_delivery()
    rabbitmq_channel.queue_declare("mine", exclusive=True)
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        act(rabbitmq_channel)


@pytest.mark.parametrize(
    ("user", "password", "vhost"),
    [("guest", "guest", "nochat"), ("guest", "guest", "/"), ("nochat", "nochat", "nochat")],
)
def test_no_default_account_comes_into_rabbitmq(rabbitmq_server, user, password, vhost):
    parameters = pika.URLParameters(rabbitmq_server.url)
    parameters.credentials = pika.PlainCredentials(user, password)
    parameters.virtual_host = vhost
    with pytest.raises(AMQPConnectionError):
        pika.BlockingConnection(parameters)


def test_our_account_has_no_other_virtual_host(rabbitmq_server):
    parameters = pika.URLParameters(rabbitmq_server.url)
    parameters.virtual_host = "/"
    with pytest.raises(AMQPConnectionError):
        pika.BlockingConnection(parameters)


def connect(url, **changes):
    place = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    return pymysql.connect(**place | changes)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM mysql.user",
        "CREATE USER eve@localhost",
        "CREATE DATABASE other",
        "GRANT ALL ON *.* TO nochat@'127.0.0.1'",
        "SELECT 1 INTO OUTFILE '/tmp/nochat-outfile'",
        "SELECT LOAD_FILE('/etc/passwd') IS NOT NULL OR (SELECT 1 FROM mysql.db)",
        "SET GLOBAL general_log = 1",
        "SHUTDOWN",
    ],
)
def test_mariadb_refuses_what_is_not_the_chats(mariadb_server, statement):
    url = make_url(mariadb_server.url)
    with (
        connect(url, database="nochat") as connection,
        connection.cursor() as rows,
        pytest.raises(pymysql.err.OperationalError, match="denied"),
    ):
        rows.execute(statement)


@pytest.mark.parametrize("user", ["root", "nochat", ""])
def test_nobody_comes_into_mariadb_without_the_password(mariadb_server, user):
    with pytest.raises(pymysql.err.OperationalError, match=r"denied|not allowed"):
        connect(make_url(mariadb_server.url), user=user, password="")
