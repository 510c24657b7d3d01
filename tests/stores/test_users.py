"""Accounts and sessions, on SQLite and on a real MariaDB alike."""

import time

import pymysql
import pytest
from sqlalchemy import make_url

from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.events import new_id
from nochat.stores.users import UserStore


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'users.db'}"
    return request.getfixturevalue("mariadb_server").url


@pytest.fixture
def store(url):
    store = UserStore(url)
    yield store
    store.close()


@pytest.fixture
def name():
    """A name that no other test has."""
    return f"Ana{new_id()[:12]}"


def test_who_registers_can_log_in_whatever_the_case(store, name):
    store.create(name, "a good password")
    user, token = store.open_session(name.upper(), "a good password")
    assert user == name
    assert store.user_of(token) == name


def test_a_name_is_taken_once_whatever_the_case(store, name):
    store.create(name, "a good password")
    with pytest.raises(RequestFailed, match="taken"):
        store.create(name.lower(), "another password")


@pytest.mark.parametrize("password", ["", "a good password ", "A good password", "x" * 5000])
def test_a_wrong_password_opens_nothing(store, name, password):
    store.create(name, "a good password")
    assert store.open_session(name, password) == ("", "")


def test_nobody_can_log_in_who_is_not_there(store):
    assert store.open_session("nobody", "whatever it is") == ("", "")


def test_two_sessions_are_two_tokens_and_end_alone(store, name):
    store.create(name, "a good password")
    _, one = store.open_session(name, "a good password")
    _, two = store.open_session(name, "a good password")
    assert one != two
    assert store.close_session(one) == name
    assert store.user_of(one) == ""
    assert store.user_of(two) == name


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1 --", "\0", "x" * 10_000])
def test_a_token_that_is_none(store, token):
    assert store.user_of(token) == ""
    assert store.close_session(token) == ""


def test_a_session_ends_by_itself(url, name):
    store = UserStore(url, session_hours=0.000001)
    store.create(name, "a good password")
    _, token = store.open_session(name, "a good password")
    until = time.monotonic() + 5
    while store.user_of(token) and time.monotonic() < until:
        time.sleep(0.001)
    assert store.user_of(token) == ""
    store.close()


def test_what_is_kept_can_not_be_used(mariadb_server, name):
    store = UserStore(mariadb_server.url)
    store.create(name, "a good password")
    _, token = store.open_session(name, "a good password")
    store.close()
    url = make_url(mariadb_server.url)
    place = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    with pymysql.connect(**place, database=url.database) as connection, connection.cursor() as rows:
        rows.execute("SELECT password FROM users WHERE name = %s", [name])
        ((digest,),) = rows.fetchall()
        rows.execute("SELECT token FROM sessions")
        tokens = {each for (each,) in rows.fetchall()}
    assert digest.startswith("$argon2id$")
    assert token not in tokens


def test_a_store_opened_twice_keeps_what_it_has(url, name):
    first = UserStore(url)
    first.create(name, "a good password")
    first.close()
    second = UserStore(url)
    assert second.open_session(name, "a good password")[0] == name
    second.close()


def test_a_database_that_is_not_there(unused_tcp_port):
    url = f"mysql+pymysql://nochat:hunter2@127.0.0.1:{unused_tcp_port}/nochat"
    with pytest.raises(Unavailable, match="NOCHAT_USERS_URL") as caught:
        UserStore(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "mysql", "nosuch://x/y", "mysql+nosuch://a:b@c/d"])
def test_a_url_that_is_none(url):
    with pytest.raises(NochatError, match="mysql\\+pymysql://"):
        UserStore(url)
