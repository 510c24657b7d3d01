"""How long an answer takes does not tell who has an account."""

import time

import pytest

from nochat.stores.users import UserStore

pytestmark = pytest.mark.slow


def test_an_unknown_name_takes_as_long_as_a_wrong_password(tmp_path):
    """As the work is the same: a hash is checked in both cases, which takes nearly all the time."""
    store = UserStore(f"sqlite:///{tmp_path / 'users.db'}")
    store.create("ana", "a good password")

    def best(user):
        times = []
        for _ in range(5):
            began = time.process_time()
            store.open_session(user, "a wrong one")
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = best("ana"), best("nobody-at-all")
    store.close()
    assert 0.5 < unknown / known < 2
