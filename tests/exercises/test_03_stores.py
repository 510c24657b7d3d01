"""The exercises of notebook 03 on stores, proved both ways."""

from contextlib import closing

import pymongo
import pytest

from nochat.lab import exercise
from nochat.lab.exercise.catalogue import find
from nochat.stores.users import UserStore
from tests.exercises.solutions import solved

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# ---- 03a ----------------------------------------------------------------------------------------

LIVE = {"$match": {"type": "message.sent", "deleted": {"$ne": True}}}
FIRST = {"$first": "$sender"}
COUNTED = {
    "$group": {
        "_id": {"$concat": ["$room", " ", "$sender"]},
        "room": {"$first": "$room"},
        "sender": FIRST,
        "count": {"$sum": 1},
    }
}
DOWN = {"$sort": {"count": -1}}
MOST = {"$group": {"_id": "$room", "sender": FIRST, "count": {"$first": "$count"}}}


def room_by_room(log):
    """Ask for each room alone, with the limit that one may set then."""
    for room in log.distinct("room"):
        of_it = {"$match": {"room": room, "type": "message.sent", "text": {"$ne": ""}}}
        count = {"$group": {"_id": "$sender", "count": {"$sum": 1}}}
        for row in log.aggregate([of_it, count, DOWN, {"$limit": 1}]):
            yield {"room": room, "sender": row["_id"], "count": row["count"]}


LAST = {
    "$group": {"_id": "$room", "sender": {"$last": "$sender"}, "count": {"$last": "$count"}},
}
RANKED = {
    "$setWindowFields": {
        "partitionBy": "$room",
        "sortBy": {"count": -1},
        "output": {"rank": {"$rank": {}}},
    }
}
RIGHT_03A = {
    "the first of each room": [LIVE, COUNTED, DOWN, MOST],
    "the last of each room": [LIVE, COUNTED, {"$sort": {"room": 1, "count": 1}}, LAST],
    "with the rank, and one field more": [LIVE, COUNTED, RANKED, {"$match": {"rank": 1}}],
    "room by room": room_by_room,
}
WRONG_03A = {
    "untouched": [...],
    "asked": [{"_id": "ana", "count": 7}, {"_id": "bob", "count": 3}],
    "constant": [
        LIVE,
        {"$group": {"_id": {"room": "$room", "sender": "$sender"}, "count": {"$sum": 1}}},
        DOWN,
    ],
    "mixed": [LIVE, {"$group": {"_id": "$sender", "count": {"$sum": 1}}}, DOWN],
    "several": [LIVE, COUNTED, DOWN],
    "missing": [LIVE, COUNTED, DOWN, MOST, {"$limit": 1}],
    "fields": [LIVE, COUNTED, {"$group": {"_id": "$room", "count": {"$max": "$count"}}}],
    "deleted": [{"$match": {"type": "message.sent"}}, COUNTED, DOWN, MOST],
    "kinds": [{"$match": {"type": {"$regex": "^message"}}}, COUNTED, DOWN, MOST],
    "wrong": [LIVE, COUNTED, {"$sort": {"count": 1}}, MOST],
    "failed": [LIVE, {"$groups": {}}],
}


@pytest.mark.parametrize("answer", RIGHT_03A.values(), ids=RIGHT_03A)
async def test_who_writes_most_in_each_room_is_found_in_any_way(answer, mongodb_server):
    verdict = await exercise.check("03a", answer, url=mongodb_server.url)
    assert verdict.passed, verdict


async def test_the_solution_of_03a_passes(mongodb_server):
    answer = solved("03a")["most"]
    verdict = await exercise.check("03a", answer, url=mongodb_server.url)
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_03A)
async def test_a_mistake_in_a_pipeline_is_named(mistake, mongodb_server):
    verdict = await exercise.check("03a", WRONG_03A[mistake], url=mongodb_server.url)
    assert verdict.mistake == mistake, verdict


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (
            [LIVE, {"$group": {"_id": {"$concat": ["$room", " ", "$sender"]}}}],
            "fields",  # both are there, in one text
        ),
        ([COUNTED, DOWN, MOST], "kinds"),  # entries without a sender are the most
        (lambda log: [{"_id": "lobby", "sender": ["ana"], "count": "7"}] * 2, "several"),
        (lambda log: [{"room": ["lobby"]}], "mixed"),
        (lambda log: [1], "failed"),
        (7, "untouched"),
    ],
)
async def test_other_wrong_answers_fail_as_well(answer, mistake, mongodb_server):
    verdict = await exercise.check("03a", answer, url=mongodb_server.url)
    assert verdict.mistake == mistake, verdict


# ---- 03c ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def users(mariadb_server):
    """The chat's tables, with an account whose session ends tomorrow."""
    with closing(UserStore(mariadb_server.url)) as store:
        if not store.find("ana"):
            store.create("ana", "the password of ana")
    return mariadb_server.url


def sql(condition, wanted="name"):
    return f"SELECT {wanted} FROM sessions JOIN users ON users.id = user_id WHERE {condition}"


NOW = "UNIX_TIMESTAMP()"


def in_python(ask):
    """Let Python compare, with the database's clock."""
    [[now]] = ask(f"SELECT {NOW}")
    rows = ask(sql("TRUE", "name, expires"))
    return [row for row in rows if now < row[1] < now + 3600]


RIGHT_03C = {
    "seconds": sql(f"expires BETWEEN {NOW} AND {NOW} + 3600"),
    "dates": sql(
        "FROM_UNIXTIME(expires) > NOW() AND FROM_UNIXTIME(expires) < NOW() + INTERVAL 1 HOUR",
        "users.*",
    ),
    "python": in_python,
}
WRONG_03C = {
    "untouched": " ",
    "asked": (("ana",), ("bob",)),
    "columns": sql(f"expires BETWEEN {NOW} AND {NOW} + 3600", "user_id, token"),
    "units": sql(f"expires BETWEEN {NOW} AND {NOW} + 3600 * 1000"),
    "zone": sql(
        "FROM_UNIXTIME(expires) BETWEEN UTC_TIMESTAMP() AND UTC_TIMESTAMP() + INTERVAL 1 HOUR"
    ),
    "expired": sql(f"expires < {NOW} + 3600"),
    "late": sql(f"expires > {NOW}"),
    "missing": sql(f"expires BETWEEN {NOW} + 60 AND {NOW} + 3600"),
    "failed": sql("expires <"),
}


@pytest.mark.parametrize("answer", RIGHT_03C.values(), ids=RIGHT_03C)
async def test_sessions_that_end_soon_are_found_in_any_way(answer, users):
    verdict = await exercise.check("03c", answer, url=users)
    assert verdict.passed, verdict


async def test_the_solution_of_03c_passes(users):
    verdict = await exercise.check("03c", solved("03c")["soon"], url=users)
    assert verdict.passed, verdict


async def test_a_mistake_shows_what_the_answer_has_and_nothing_else(mongodb_server):
    verdict = await exercise.check("03a", WRONG_03A["mixed"], url=mongodb_server.url)
    assert verdict.said.startswith("{'_id': '"), verdict


async def test_what_a_pipeline_answers_is_no_pipeline(mongodb_server):
    with pymongo.MongoClient(mongodb_server.url) as client:
        verdict = await exercise.check(
            "03a", client["of-nobody"]["log"].aggregate([DOWN]), url=mongodb_server.url
        )
    assert verdict.mistake == "asked", verdict


@pytest.mark.parametrize("mistake", WRONG_03C)
async def test_a_mistake_in_sql_is_named(mistake, users):
    verdict = await exercise.check("03c", WRONG_03C[mistake], url=users)
    assert verdict.mistake == mistake, verdict


@pytest.mark.parametrize(
    "condition",
    [
        f"expires BETWEEN {NOW} * 1000 AND ({NOW} + 3600) * 1000",
        f"expires / 1000 BETWEEN {NOW} AND {NOW} + 3600",
        f"expires BETWEEN {NOW} AND {NOW} + 60",
        f"expires BETWEEN {NOW} AND {NOW} + 1",
    ],
)
async def test_another_unit_is_named(condition, users):
    verdict = await exercise.check("03c", sql(condition), url=users)
    assert verdict.mistake == "units", verdict


async def test_what_the_judge_stores_nobody_else_sees(users):
    seen = []

    def counting(ask):
        seen.extend(ask("SELECT name FROM users"))
        return []

    with closing(UserStore(users)) as store:
        await exercise.check("03c", counting, url=users)
        assert any(name.startswith("judge-") for (name,) in seen)
        assert not any(store.find(name) for (name,) in seen if name.startswith("judge-"))


def test_every_known_mistake_has_an_answer_that_makes_it():
    assert {*WRONG_03A} == {*find("03a").mistakes}
    assert {*WRONG_03C} == {*find("03c").mistakes}
