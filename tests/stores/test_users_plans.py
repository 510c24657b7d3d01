"""What it costs to find out whose a session is: each socket and each request asks."""

import pytest
from sqlalchemy import event

from nochat.stores.users import WHOSE, UserStore

pytestmark = pytest.mark.usefixtures("_quick_passwords")


def test_whose_a_session_is_takes_one_search_by_indexes(tmp_path):
    store = UserStore(f"sqlite:///{tmp_path / 'users.db'}")
    token = store.create("ana", "a good password").token
    assert store.session(token).user == "ana"
    asked = []

    def note(connection, cursor, statement, parameters, context, many):
        asked.append((statement, parameters, context.cache_hit.name))

    event.listen(store.database.engine, "before_cursor_execute", note)
    assert store.session(token).user == "ana"
    assert store.session("another").user == ""
    assert [found for _, _, found in asked] == ["CACHE_HIT"] * 2
    (statement, parameters, _), _ = asked
    assert statement == str(WHOSE.compile(store.database.engine))
    with store.database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    store.close()
    assert [step.detail.split()[0] for step in plan] == ["SEARCH", "SEARCH"]
