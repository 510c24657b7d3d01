"""Accounts and sessions, on SQLite and on a real MariaDB alike."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pymysql
import pytest
from sqlalchemy import event, make_url

from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.events import new_id
from nochat.stores.users import UserStore
from tests.proxies import proxy

pytestmark = pytest.mark.usefixtures("_quick_passwords")


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
    session = store.open_session(name.upper(), "a good password")
    assert session.user == name
    assert store.session(session.token).user == name


def test_two_who_come_at_once_both_come_in(mariadb_server):
    """Neither has written its session before the other is about to."""
    store = UserStore(mariadb_server.url)
    both_there = threading.Barrier(2)

    def wait(connection, cursor, statement, *_) -> None:
        if statement.startswith("INSERT INTO sessions"):
            both_there.wait(timeout=10)

    event.listen(store._engine, "before_cursor_execute", wait)
    names = ["Eva" + new_id()[:12], "Eli" + new_id()[:12]]
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: store.create(name, "a good password"), names)
        assert [session.user for session in made] == names
    store.close()


def test_who_could_not_be_given_a_session_has_no_account(store, name, monkeypatch):
    def fail(*_):
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_new_session", fail)
        with pytest.raises(Unavailable):
            store.create(name, "a good password")
    assert store.create(name, "a good password").user == name


def test_a_name_is_taken_once_whatever_the_case(store, name):
    store.create(name, "a good password")
    with pytest.raises(RequestFailed, match="taken"):
        store.create(name.lower(), "another password")


@pytest.mark.parametrize("password", ["", "a good password ", "A good password", "x" * 5000])
def test_a_wrong_password_opens_nothing(store, name, password):
    store.create(name, "a good password")
    session = store.open_session(name, password)
    assert (session.user, session.token) == ("", "")


def test_nobody_can_log_in_who_is_not_there(store):
    assert store.open_session("nobody", "whatever it is").token == ""


def test_two_sessions_are_two_tokens_and_end_alone(store, name):
    store.create(name, "a good password")
    one, two = (store.open_session(name, "a good password").token for _ in range(2))
    assert one != two
    assert store.close_session(one).user == name
    assert store.session(one).user == ""
    assert store.session(two).user == name


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1 --", "\0", "x" * 10_000])
def test_a_token_that_is_none(store, token):
    assert store.session(token).user == ""
    assert store.close_session(token).ended == []


def test_a_session_ends_by_itself(url, name):
    store = UserStore(url, session_hours=0.000001)
    store.create(name, "a good password")
    token = store.open_session(name, "a good password").token
    until = time.monotonic() + 5
    while store.session(token).user and time.monotonic() < until:
        time.sleep(0.001)
    assert store.session(token).user == ""
    store.close()


def test_what_is_kept_can_not_be_used(mariadb_server, name):
    store = UserStore(mariadb_server.url)
    store.create(name, "a good password")
    token = store.open_session(name, "a good password").token
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
    assert second.open_session(name, "a good password").user == name
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


def test_who_is_banned_is_out_at_once_and_can_not_come_in(store, name):
    session = store.create(name, "a good password")
    account, ended = store.change(name, banned=True)
    assert (account.banned, ended) == (True, [session.digest])
    assert store.session(session.token).user == ""
    refused = store.open_session(name, "a good password")
    assert (refused.token, refused.reason) == ("", "this account is banned")
    assert store.open_session(name, "a wrong one").reason == "wrong name or password"
    store.change(name, banned=False)
    assert store.open_session(name, "a good password").user == name


def test_a_role_comes_with_the_session(store, name):
    store.create(name, "a good password")
    session = store.open_session(name, "a good password")
    assert session.role == "user"
    store.change(name.upper(), role="manager")
    assert store.session(session.token).role == "manager"


def test_nobody_is_changed_who_is_not_there(store):
    with pytest.raises(RequestFailed, match="no such user"):
        store.change("nobody", role="manager")


def test_another_password_ends_the_other_sessions(store, name):
    mine = store.create(name, "a good password")
    other = store.open_session(name, "a good password")
    assert store.set_password(mine.token, "a good password", "a better one") == (
        name,
        [other.digest],
    )
    assert store.session(mine.token).user == name
    assert store.session(other.token).user == ""
    assert store.open_session(name, "a good password").token == ""
    assert store.open_session(name, "a better one").user == name


@pytest.mark.parametrize("password", ["a wrong one", ""])
def test_a_password_is_changed_by_who_knows_it(store, name, password):
    store.create(name, "a good password")
    session = store.open_session(name, "a good password")
    with pytest.raises(RequestFailed, match="present password"):
        store.set_password(session.token, password, "a better one")
    with pytest.raises(RequestFailed, match="present password"):
        store.set_password("no token", "a good password", "a better one")
    assert store.open_session(name, "a good password").user == name


def test_accounts_are_listed_by_their_beginning_page_by_page(store, name):
    names = [f"{name}.{letter}" for letter in "abc"]
    for each in names:
        store.create(each, "a good password")
    found, more = store.accounts(name.lower(), "", 2)
    assert ([each.name for each in found], more) == (names[:2], True)
    found, more = store.accounts(name, names[1], 2)
    assert ([each.name for each in found], more) == (names[2:], False)
    assert store.accounts("%", "", 5) == ([], False)


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_limit(
    mariadb_server, monkeypatch, name
):
    monkeypatch.setattr("nochat.stores.users.ANSWER_SECONDS", 0.5)
    real = make_url(mariadb_server.url)
    with proxy(real.port) as way:
        url = real.set(port=way.port).render_as_string(hide_password=False)
        store = UserStore(url)
        token = store.create(name, "a good password").token
        way.silent = True
        for _ in range(2):  # on the connection that there is, and on a new one
            with pytest.raises(Unavailable, match="NOCHAT_USERS_URL"):
                store.session(token)
        with pytest.raises(Unavailable, match="NOCHAT_USERS_URL"):
            UserStore(url)
        way.silent = False
        assert store.session(token).user == name
        store.close()


def test_the_url_may_set_the_limit(mariadb_server, monkeypatch):
    monkeypatch.setattr("nochat.stores.users.ANSWER_SECONDS", 30)
    real = make_url(mariadb_server.url)
    with proxy(real.port) as way:
        way.silent = True
        url = real.set(port=way.port).update_query_dict({"read_timeout": "1"})
        with pytest.raises(Unavailable, match="NOCHAT_USERS_URL"):
            UserStore(url.render_as_string(hide_password=False))
