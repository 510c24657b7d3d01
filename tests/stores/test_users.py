"""Accounts and sessions, on SQLite and on a real MariaDB alike."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pymysql
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from nochat.domain import text as text_of
from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.local.processes import until
from nochat.protocol.envelope import new_id
from nochat.stores.tokens import MOST, Tokens
from nochat.stores.users import UserStore
from nochat.stores.users_database import MIGRATIONS, migrate, newest_revision
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


def test_names_log_in_whatever_their_case(store, name):
    store.create(name, "a good password")
    session = store.open_session(name.upper(), "a good password")
    assert session.user == name
    assert store.session(session.token).user == name


def test_two_users_register_at_once(mariadb_server):
    """Neither has written its session before the other is about to."""
    store = UserStore(mariadb_server.url)
    both_there = threading.Barrier(2)

    def wait(connection, cursor, statement, *_) -> None:
        if statement.startswith("INSERT INTO sessions"):
            both_there.wait(timeout=10)

    event.listen(store.database.engine, "before_cursor_execute", wait)
    names = ["Eva" + new_id()[:12], "Eli" + new_id()[:12]]
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: store.create(name, "a good password"), names)
        assert [session.user for session in made] == names
    store.close()


def test_an_account_whose_first_session_fails_is_not_stored(store, name, monkeypatch):
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


def test_an_unknown_user_can_not_log_in(store):
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
    assert until(lambda: not store.session(token).user, 5, pause=0.001)
    store.close()


def test_stored_digests_can_not_be_used_to_log_in(mariadb_server, name):
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
        tokens = {stored for (stored,) in rows.fetchall()}
    assert digest.startswith("$argon2id$")
    assert token not in tokens


def test_a_name_that_nobody_has_costs_a_check_like_any_other(store):
    hasher = PasswordHasher(time_cost=1, memory_cost=1024)
    assert not hasher.check_needs_rehash(store._nobody), "it has the costs of all others"
    with pytest.raises(VerifyMismatchError):
        hasher.verify(store._nobody, "a good password")
    other = UserStore("sqlite://")
    assert other._nobody != store._nobody
    other.close()


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


def test_banned_accounts_lose_their_sessions_and_can_not_log_in(store, name):
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


def test_an_unknown_user_can_not_be_changed(store):
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
def test_a_new_password_takes_the_present_one(store, name, password):
    store.create(name, "a good password")
    session = store.open_session(name, "a good password")
    with pytest.raises(RequestFailed, match="present password"):
        store.set_password(session.token, password, "a better one")
    with pytest.raises(RequestFailed, match="present password"):
        store.set_password("no token", "a good password", "a better one")
    assert store.open_session(name, "a good password").user == name


def test_accounts_are_listed_by_their_beginning_page_by_page(store, name):
    names = [f"{name}.{letter}" for letter in "abc"]
    for user in names:
        store.create(user, "a good password")
    accounts, more = store.accounts(name.lower(), "", 2)
    assert ([account.name for account in accounts], more) == (names[:2], True)
    accounts, more = store.accounts(name, names[1], 2)
    assert ([account.name for account in accounts], more) == (names[2:], False)
    assert store.accounts("%", "", 5) == ([], False)


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_the_limit(
    mariadb_server, monkeypatch, name
):
    monkeypatch.setattr("nochat.stores.users_database.ANSWER_SECONDS", 0.5)
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
    monkeypatch.setattr("nochat.stores.users_database.ANSWER_SECONDS", 30)
    real = make_url(mariadb_server.url)
    with proxy(real.port) as way:
        way.silent = True
        url = real.set(port=way.port).update_query_dict({"read_timeout": "1"})
        with pytest.raises(Unavailable, match="NOCHAT_USERS_URL"):
            UserStore(url.render_as_string(hide_password=False))


# ---- while a password is being hashed -----------------------------------------------------------


@pytest.fixture
def meanwhile(store, url, monkeypatch):
    """Let another process act between the check of a password and what comes of it."""
    other = UserStore(url)

    def once(act):
        matches, left = store._matches, [act]

        def checked(*given):
            outcome = matches(*given)
            while left:
                left.pop()(other)
            return outcome

        monkeypatch.setattr(store, "_matches", checked)

    yield once
    other.close()


def test_a_log_in_under_way_does_not_survive_a_ban(store, name, meanwhile):
    store.create(name, "a good password")
    meanwhile(lambda other: other.change(name, banned=True))
    refused = store.open_session(name, "a good password")
    assert (refused.token, refused.reason) == ("", "this account is banned")


def test_a_log_in_under_way_does_not_survive_another_password(store, name, meanwhile):
    mine = store.create(name, "a good password")
    meanwhile(lambda other: other.set_password(mine.token, "a good password", "a better one"))
    refused = store.open_session(name, "a good password")
    assert (refused.token, refused.reason) == ("", "wrong name or password")


@pytest.mark.parametrize(
    "act",
    [
        lambda other, mine: other.set_password(mine.token, "a good password", "a better one"),
        lambda other, mine: other.close_session(mine.token),
        lambda other, mine: other.change(mine.user, banned=True),
    ],
    ids=["another password", "log-out", "ban"],
)
def test_a_change_of_password_under_way_does_not_survive_what_ends_its_session(
    store, url, name, meanwhile, act
):
    mine = store.create(name, "a good password")
    meanwhile(lambda other: act(other, mine))
    with pytest.raises(RequestFailed, match="present password"):
        store.set_password(mine.token, "a good password", "the thief's own")
    store.change(name, banned=False)
    assert store.open_session(name, "the thief's own").token == ""


def test_a_session_opened_while_a_ban_is_written_ends_with_it_by_name(store, url, name):
    """Its socket is closed by what the ban says has ended: none may be left out."""
    store.create(name, "a good password")
    opened, other = [], UserStore(url)

    def log_in(connection, cursor, statement, *_) -> None:
        if statement.startswith("UPDATE users") and not opened:
            opened.append(other.open_session(name, "a good password"))

    event.listen(store.database.engine, "before_cursor_execute", log_in)
    _, ended = store.change(name, banned=True)
    assert opened[0].digest in ended
    assert store.session(opened[0].token).user == ""
    other.close()


def test_a_session_of_a_banned_account_is_none(store, url, name):
    session = store.create(name, "a good password")
    with store._transaction() as connection:
        connection.execute(text("UPDATE users SET banned = 1 WHERE name = :name"), {"name": name})
    assert store.session(session.token).user == ""
    assert store.keep([session.digest]) == [session.digest]


def test_of_two_registrations_of_a_name_at_once_one_is_refused(store, name, monkeypatch):
    store.create(name, "a good password")
    monkeypatch.setattr(store, "find", lambda _: None)  # it is not there yet when one looks
    with pytest.raises(RequestFailed, match="taken"):
        store.create(name, "another password")


def test_a_name_that_is_taken_costs_no_hash(store, name, monkeypatch):
    store.create(name, "a good password")
    hashed = []
    monkeypatch.setattr(store, "_hasher", SimpleNamespace(hash=hashed.append))
    with pytest.raises(RequestFailed, match="taken"):
        store.create(name, "another password")
    assert hashed == []


# ---- sessions that nobody uses ------------------------------------------------------------------

HOUR = 3600


@pytest.fixture
def later(monkeypatch):
    """Let time pass, for stores."""
    passed = [0.0]
    real = time.time
    clock = SimpleNamespace(time=lambda: real() + passed[0])
    monkeypatch.setattr("nochat.stores.users.time", clock)

    def move(seconds):
        passed[0] += seconds

    return move


def test_a_session_that_nobody_uses_ends(url, name, later):
    store = UserStore(url, session_hours=24, idle_hours=2)
    used, idle = store.create(name, "a good password"), store.open_session(name, "a good password")
    for _ in range(3):
        later(1.5 * HOUR)
        assert store.session(used.token).user == name
    assert store.session(idle.token).user == ""
    assert store.keep([used.digest, idle.digest]) == [idle.digest]
    store.close()


def test_an_open_socket_keeps_its_session_but_not_for_ever(url, name, later):
    store = UserStore(url, session_hours=6, idle_hours=2)
    session = store.create(name, "a good password")
    for _ in range(3):
        later(1.5 * HOUR)
        assert store.keep([session.digest]) == []
    later(1.6 * HOUR)
    assert store.keep([session.digest]) == [session.digest]
    assert store.session(session.token).user == ""
    store.close()


def test_sessions_that_nobody_uses_are_forgotten(url, name, later):
    store = UserStore(url, session_hours=24, idle_hours=2)
    old = store.create(name, "a good password")
    later(3 * HOUR)
    new = store.open_session(name, "a good password")
    with store._transaction() as connection:
        there = set(connection.execute(text("SELECT token FROM sessions")).scalars())
    assert new.digest in there
    assert old.digest not in there
    store.close()


def test_use_is_noted_now_and_then_not_each_time(url, name, later):
    store = UserStore(url, session_hours=24, idle_hours=8)
    session = store.create(name, "a good password")
    written = []
    event.listen(
        store.database.engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: statement.startswith("UPDATE") and written.append(statement),
    )
    for _ in range(10):
        later(31)
        store.session(session.token)
        store.keep([session.digest])
    assert len(written) == 1
    store.close()


def test_a_read_only_database_knows_its_sessions(tmp_path, name, later, caplog):
    store = UserStore(f"sqlite:///{tmp_path / 'users.db'}")
    session = store.create(name, "a good password")
    later(HOUR)

    def read_only(connection, *_) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    event.listen(store.database.engine, "begin", read_only)
    assert store.session(session.token).user == name
    assert "is read-only now" in caplog.text
    store.close()


# ---- who may read SQLite's file -----------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
def test_nobody_else_may_read_sqlites_file(tmp_path, there, name):
    file = tmp_path / "users.db"
    before = os.umask(0)
    try:
        if there:
            UserStore(f"sqlite:///{file}").close()
            file.chmod(0o644)
        store = UserStore(f"sqlite:///{file}")
        store.create(name, "a good password")
        files = list(tmp_path.glob("users.db*"))
        assert len(files) == 3  # with what SQLite writes first, and its index
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        store.close()
    finally:
        os.umask(before)


# ---- who somebody is ----------------------------------------------------------------------------


def test_an_accent_makes_another_person(store, name):
    for user in (f"josé{name}", f"jose{name}"):
        store.create(user, f"the password of {user}")
    session = store.open_session(f"josé{name}", f"the password of josé{name}")
    assert session.user == f"josé{name}"
    assert store.open_session(f"josé{name}", f"the password of jose{name}").user == ""
    assert store.open_session(f"jòse{name}", f"the password of jose{name}").user == ""
    assert store.find(f"jòse{name}") is None


def test_how_a_name_is_written_makes_no_other_person(store, name):
    store.create(f"José{name}", "a good password")
    for written in (f"Jose\u0301{name}", f"JOSÉ{name.upper()}", f"Ｊosé{name}"):
        assert store.open_session(written, "a good password").user == f"José{name}"
        with pytest.raises(RequestFailed, match="taken"):
            store.create(written, "a good password")
        [account], _ = store.accounts(written, "", 5)
        assert account.name == f"José{name}"


@pytest.mark.parametrize("begin", ["हिन्दी", "தமிழ்", "محمّد", "Jose\u0301", "李雷", "ΐ" * 12])
def test_a_name_may_be_of_any_script(store, name, begin):
    made = store.create(begin + name, "a good password").user
    assert store.open_session(made, "a good password").user == made


def test_a_name_may_be_longer_when_it_is_folded(store):
    store.create("ΐ" * 24, "a good password")
    assert store.open_session("ΐ" * 24, "a good password").user == "ΐ" * 24
    with pytest.raises(RequestFailed, match="2 to 32 characters"):
        store.create("\ufdfa" * 30, "a good password")


@pytest.mark.parametrize("half", ["ana\ud83d", "\udc00"])
def test_half_a_character_is_nobody_s_name(store, half):
    with pytest.raises(RequestFailed):
        store.create(half, "a good password")
    with pytest.raises(RequestFailed):
        store.find(half)


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.slow)])
def old_url(request, tmp_path):
    """A database as the version before left it."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if request.param == "mariadb":
        url = request.getfixturevalue("database").url
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("tokens", "sessions", "users", "alembic_version"):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
        migrate(connection, "0002")
        if request.param == "mariadb":  # as those had it: 11.8 takes wide letters for others
            collation = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
            connection.execute(text(f"ALTER TABLE users CONVERT TO {collation}"))
        for number, (name, password) in enumerate(OLD.items(), 1):
            row = {"id": number, "name": name, "folded": name.casefold(), "password": password}
            row |= {"created": float(number), "role": "user", "banned": False}
            columns = ", ".join(row)
            values = ", ".join(f":{column}" for column in row)
            connection.execute(text(f"INSERT INTO users ({columns}) VALUES ({values})"), row)
    engine.dispose()
    return url


OLD = {"ＢＯＴ": "", "bot": "", "Μαΐου": "", "José": "", "x²": "", "Ana": ""}


def folded(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, folded, banned FROM users")).all()
    engine.dispose()
    return {name: (folded, bool(banned)) for name, folded, banned in rows}


def test_older_tables_get_the_identity_and_collisions_are_named(old_url, caplog):
    store = UserStore(old_url)
    rows = folded(old_url)
    assert rows["bot"] == ("bot", False)  # written plainly, though the other is older
    assert rows["ＢＯＴ"] == ("ID 1", True)
    assert rows["x²"] == ("x2", False)
    assert [record.message for record in caplog.records if "'ＢＯＴ'" in record.message]
    assert "'bot'" in caplog.text
    assert store.find("ＢＯＴ").name == "bot"
    assert store.find("ID 1") is None
    assert store.find("ΜΑΪ\u0301ΟΥ").name == "Μαΐου"
    names = [account.name for account in store.accounts("", "", 50)[0]]
    assert set(names) == OLD.keys() - {"ＢＯＴ"}
    store.create("jose", "a good password")
    assert {store.find(spelling).name for spelling in ("JOSE", "JOSÉ")} == {"jose", "José"}
    store.close()


def test_a_migration_that_was_interrupted_ends_at_the_next_start(old_url):
    UserStore(old_url).close()
    before = folded(old_url)
    engine = create_engine(old_url)
    with engine.begin() as connection:  # MariaDB keeps what was changed of the tables before
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    engine.dispose()
    UserStore(old_url).close()
    assert folded(old_url) == before


def test_the_newest_revision_is_the_head_of_alembic():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()


OPEN = """
import sys
from nochat.stores.users import UserStore
UserStore(sys.argv[1]).close()
print("alembic" in sys.modules)
"""


@pytest.mark.slow
def test_alembic_is_imported_only_where_there_is_something_to_migrate(tmp_path):
    url = f"sqlite:///{tmp_path / 'users.db'}"

    def open_store() -> str:
        command = [sys.executable, "-c", OPEN, url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert (open_store(), open_store()) == ("True\n", "False\n")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
        connection.execute(text("DROP TABLE tokens"))
    engine.dispose()
    assert (open_store(), open_store()) == ("True\n", "False\n")


# ---- what a database says -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (1020, Unavailable, "is busy"),
        (1213, Unavailable, "is busy"),
        (1205, Unavailable, "is busy"),
        (1040, Unavailable, "is busy"),
        (1021, Unavailable, "no space left"),
        (1114, Unavailable, "no space left"),
        (1290, Unavailable, "read-only now"),
        (1053, Unavailable, "does not answer"),
        (1142, NochatError, "refuses the account"),
        (1406, RequestFailed, "too long"),
        (1366, RequestFailed, "odd characters"),
        (1146, NochatError, "refuses the request"),
    ],
)
def test_errors_of_mariadb_are_explained(mariadb_server, number, kind, said):
    store = UserStore(mariadb_server.url)
    with pytest.raises(NochatError, match=said) as caught, store._transaction() as connection:
        connection.exec_driver_sql(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {number}")
    assert type(caught.value) is kind
    store.close()


def test_values_that_do_not_fit_raise_an_error(mariadb_server, name):
    store = UserStore(mariadb_server.url)
    store.create(name, "a good password")
    with pytest.raises(RequestFailed, match="too long"), store._transaction() as connection:
        connection.execute(text("UPDATE users SET name = :name"), {"name": "x" * 40})
    assert store.open_session(name, "a good password").user == name
    store.close()


def test_a_refused_account_is_no_silence(mariadb_server):
    wrong = make_url(mariadb_server.url).set(password="wrong")
    other = make_url(mariadb_server.url).set(database="others")
    for url in (wrong, other):
        with pytest.raises(NochatError, match="refuses the account") as caught:
            UserStore(url.render_as_string(hide_password=False))
        assert not isinstance(caught.value, Unavailable)


def sqlite(tmp_path):
    return f"sqlite:///{tmp_path / 'users.db'}?timeout=0.1"


@pytest.mark.parametrize(
    ("pragma", "said"),
    [("query_only = ON", "read-only now"), ("max_page_count = 1", "no space left")],
)
def test_errors_of_sqlite_are_explained(tmp_path, pragma, said):
    store = UserStore(sqlite(tmp_path))
    event.listen(
        store.database.engine,
        "begin",
        lambda connection: connection.exec_driver_sql(f"PRAGMA {pragma}"),
    )
    with pytest.raises(Unavailable, match=said):
        fill(store)
    store.close()


def fill(store):
    for number in range(200):
        store.create(f"user{number}" + "x" * 20, "a good password")


def test_a_locked_file_is_busy(tmp_path):
    store = UserStore(sqlite(tmp_path))
    other = create_engine(sqlite(tmp_path))
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match="is busy"):
            store.create("ana", "a good password")
    other.dispose()
    assert store.create("ana", "a good password").user == "ana"
    store.close()


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "users.db").write_bytes(b"not a database" * 100)
    with pytest.raises(NochatError, match="damaged, or not a database"):
        UserStore(sqlite(tmp_path))
    with pytest.raises(NochatError, match="can't be opened"):
        UserStore(f"sqlite:///{tmp_path / 'nowhere' / 'users.db'}")


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(mariadb_server, name):
    """A server closes what was idle for its `wait_timeout`; here at once."""
    store = UserStore(mariadb_server.url)
    store.create(name, "a good password")
    with store._transaction() as connection:
        idle = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
    real = make_url(mariadb_server.url)
    who = {"host": real.host, "port": real.port, "user": real.username, "password": real.password}
    with pymysql.connect(**who) as other, other.cursor() as cursor:
        cursor.execute(f"KILL CONNECTION {idle}")
    assert store.open_session(name, "a good password").user == name
    store.close()


# ---- one's own sessions and account -------------------------------------------------------------

PASSWORD = "a good password"


def test_a_session_is_listed_and_ended_by_a_name_that_is_no_token(store, name):
    first = store.create(name, PASSWORD, "Firefox on Linux")
    second = store.open_session(name, PASSWORD, "Chrome on Android")
    listed = store.sessions(first.token)
    browsers = {entry.browser: entry for entry in listed}
    assert {entry.current: entry.browser for entry in listed} == {
        True: "Firefox on Linux",
        False: "Chrome on Android",
    }
    public = browsers["Chrome on Android"].session
    assert public not in second.token + second.digest
    assert store.session(public).user == ""
    assert store.close_sessions(first.token, public).ended == [second.digest]
    assert (store.session(second.token).user, store.session(first.token).user) == ("", name)


def test_nobody_ends_or_lists_the_sessions_of_others(store, name):
    ana, eve = store.create(name, PASSWORD), store.create(f"{name}e", PASSWORD)
    (hers,) = store.sessions(ana.token)
    for asked in (hers.session, ana.digest, ana.token, "0" * 32, "%"):
        with pytest.raises(RequestFailed, match="no such session"):
            store.close_sessions(eve.token, asked)
    assert store.close_sessions(eve.token).ended == []
    assert store.close_sessions("no token at all").ended == []
    assert store.sessions("no token at all") == []
    assert [entry.session for entry in store.sessions(eve.token)] != [hers.session]
    assert store.session(ana.token).user == name


def test_an_account_is_removed_with_its_sessions_and_its_name_stays_taken(store, name):
    token = store.create(name, PASSWORD).token
    other = store.open_session(name, PASSWORD)
    for wrong in ("", "a wrong password"):
        with pytest.raises(RequestFailed, match="not your present password"):
            store.remove(token, wrong)
    with pytest.raises(RequestFailed, match="not your present password"):
        store.remove("no token", PASSWORD)
    removal = store.remove(token, PASSWORD)
    assert (removal.user, len(removal.ended), other.digest in removal.ended) == (name, 2, True)
    assert text_of.is_deleted(removal.deleted_as)
    assert store.find(name) is None
    assert store.session(other.token).user == ""
    assert store.open_session(name, PASSWORD).user == ""
    for taken in (name, name.upper()):
        with pytest.raises(RequestFailed, match="taken"):
            store.create(taken, PASSWORD)
    (deletion,) = [pending for pending in store.unfinished() if pending.name == name]
    assert deletion.deleted_as == removal.deleted_as
    store.finish(deletion)
    assert not [pending for pending in store.unfinished() if pending.name == name]
    with pytest.raises(RequestFailed, match="taken"):
        store.create(name, PASSWORD)


def test_nobody_is_called_as_deleted_accounts_are(store):
    with pytest.raises(RequestFailed, match="begins with"):
        store.create(f"{text_of.DELETED}0123456789abcdef", PASSWORD)


def test_of_two_managers_who_leave_at_once_one_stays(tmp_path):
    store = UserStore(f"sqlite:///{tmp_path / 'managers.db'}")
    tokens = [store.create(person, PASSWORD).token for person in ("one", "two")]
    for user in ("one", "two"):
        store.change(user, role="manager")

    def leave(token):
        try:
            return store.remove(token, PASSWORD).user
        except (RequestFailed, Unavailable) as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        left = [*pool.map(leave, tokens)]
    managers = [account for account in store.accounts("", "", 10)[0] if account.role == "manager"]
    assert len(managers) >= 1
    assert len({*left} & {"one", "two"}) == 2 - len(managers)
    store.close()


def test_two_deletions_of_an_account_at_once_delete_it_once(store, name, monkeypatch):
    """Each has proven who it is before the other has deleted it."""
    token, both = store.create(name, PASSWORD).token, threading.Barrier(2)
    proven = store._proven

    def together(*given):
        outcome = proven(*given)
        both.wait(10)
        return outcome

    monkeypatch.setattr(store, "_proven", together)

    def leave(_):
        try:
            return store.remove(token, PASSWORD).user
        except (RequestFailed, Unavailable) as error:  # of a deadlock, MariaDB ends one
            return type(error)

    with ThreadPoolExecutor(2) as pool:
        left = {*pool.map(leave, range(2))}
    assert name in left
    assert left & {RequestFailed, Unavailable}
    assert len([pending for pending in store.unfinished() if pending.name == name]) == 1


def test_no_value_is_in_what_an_error_of_the_database_says(store, name):
    with pytest.raises(SQLAlchemyError) as caught, store.database.engine.begin() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": name})
    assert name not in str(caught.value)
    assert "hide" in str(caught.value)


def test_sessions_of_an_older_version_have_names_and_go_on(old_url):
    """They are upgraded where they are."""
    engine = create_engine(old_url)
    digests = [hashlib.sha256(token.encode()).hexdigest() for token in ("s1", "s2")]
    with engine.begin() as connection:
        (user,) = connection.execute(text("SELECT MAX(id) FROM users")).one()
        for digest in digests:
            given = {"token": digest, "user": user, "expires": time.time() + 99}
            insert = (
                "INSERT INTO sessions (token, user_id, expires) VALUES (:token, :user, :expires)"
            )
            connection.execute(text(insert), given)
    engine.dispose()
    store = UserStore(old_url)
    listed = store.sessions("s1")
    assert len({entry.session for entry in listed}) == 2
    assert {(entry.browser, entry.created) for entry in listed} == {("", 0.0)}
    store.close()


# ---- tokens -------------------------------------------------------------------------------------


PASSWORD = "a good password"


@pytest.fixture
def tokens(store):
    return Tokens(store)


@pytest.fixture
def session(store, name):
    return store.create(name, PASSWORD).token


def test_a_token_is_its_user_s_until_it_is_revoked_and_what_is_kept_is_none(
    store, tokens, session, name
):
    token, info, user = tokens.make(session, PASSWORD, "the 站 station", 90)
    assert (user, info.name) == (name, "the 站 station")
    assert tokens.whose(token).user == name
    assert tokens.whose(info.token).user == tokens.whose(token[:-1]).user == ""
    assert store.session(token).user == tokens.whose(session).user == ""
    with store.database.engine.connect() as connection:
        kept = repr(connection.execute(text("SELECT * FROM tokens")).all())
    assert token not in kept
    (listed,) = tokens.all(session)
    assert (listed.token, listed.name) == (info.token, info.name)
    assert listed.used > 0
    assert tokens.revoke(session, info.token) == (name, info.name)
    assert tokens.whose(token).user == ""
    with pytest.raises(RequestFailed, match="no such token"):
        tokens.revoke(session, info.token)


def test_a_token_needs_the_password_and_there_are_only_so_many(tokens, session):
    with pytest.raises(RequestFailed, match="not your present password"):
        tokens.make(session, "a guess", "for later", 1)
    for number in range(MOST):
        tokens.make(session, PASSWORD, f"number {number}", 1)
    with pytest.raises(RequestFailed, match="revoke one first"):
        tokens.make(session, PASSWORD, "one more", 1)


@pytest.mark.parametrize("end", ["password", "ban", "time", "account"])
def test_a_token_ends_with_what_it_rests_on(store, tokens, session, name, end, monkeypatch):
    if end == "account":  # the only manager stays, and this is none
        store.create(f"{name}x", PASSWORD)
    token, *_ = tokens.make(session, PASSWORD, "a program", 1)
    assert tokens.whose(token).user == name
    match end:
        case "password":
            store.set_password(session, PASSWORD, "another good password")
        case "ban":
            store.change(name, banned=True)
            store.change(name, banned=False)
        case "time":
            later = time.time() + 86_401
            monkeypatch.setattr("nochat.stores.tokens.time.time", lambda: later)
        case "account":
            store.remove(session, PASSWORD)
    assert tokens.whose(token).user == ""
