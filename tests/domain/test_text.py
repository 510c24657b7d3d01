"""The policy on Unicode: what is taken, and when two texts are one; the page's half has the same
table of cases (clients/text.test.mjs).
"""

import json
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.domain import text
from nochat.domain.emoji import one_spelling
from nochat.domain.search_terms import parse_search, terms, topics
from nochat.domain.text import identity
from nochat.protocol import incoming, payloads
from nochat.protocol.actions import ACTIONS
from nochat.protocol.commands import SendMessage
from nochat.protocol.fields import UserName
from nochat.services.notifications.mentions import may_mention, mentioned
from nochat.services.web import NewAccount

CASES = json.loads((Path(__file__).parent / "text_cases.json").read_text())
ANY = st.text(st.characters(), max_size=40)  # half emoji too
FORMS = ["NFC", "NFD", "NFKC", "NFKD"]
# Letters, marks and signs that texts are cut at.
PARTS = st.sampled_from("aZéı@.-_ /ßΐς\u0301ि्ด李さ❤\ufe0f\u200dＢ１٣\u20e3#🏽👍")


def refused(rule, given):
    with pytest.raises(text.TextRefused) as caught:
        rule(given)
    said = str(caught.value)
    assert "\\" not in said
    assert "regex" not in said
    return said


def test_marks_are_looked_for_wherever_unicode_has_some():
    skipped = {*range(0x1F000)}.difference(*text.WITH_MARKS)
    assert not [code for code in skipped if unicodedata.category(chr(code))[0] == "M"]


@pytest.mark.parametrize("name", CASES["names"]["taken"])
def test_names_that_are(name):
    assert text.name(name) == unicodedata.normalize("NFC", name)
    assert msgspec.convert(text.name(name), UserName)


@pytest.mark.parametrize("name", CASES["names"]["refused"])
def test_names_that_are_not(name):
    refused(text.name, name)


@pytest.mark.parametrize(("title", "taken"), CASES["titles"]["taken"])
def test_titles_that_are(title, taken):
    assert text.title(title) == taken


@pytest.mark.parametrize("title", CASES["titles"]["refused"])
def test_titles_that_are_not(title):
    refused(text.title, title)


def test_a_message_has_something_to_see_and_is_kept_as_it_was_written():
    for seen in CASES["visible"]:
        assert text.message(seen) == seen
        assert text.message(f"\n{seen} \u202e") == f"\n{seen} \u202e"
    for unseen in [*CASES["invisible"], "x" * 4001, "a\ud83d"]:
        refused(text.message, unseen)


def test_which_names_are_one_person_s():
    for one, other in CASES["same_name"]:
        assert identity(one) == identity(other)
    for one, other in CASES["other_name"]:
        assert identity(one) != identity(other)


def test_reactions_that_look_alike_are_one():
    for alike in CASES["reactions"]["one"]:
        assert len({text.reaction(spelling) for spelling in alike}) == 1
    for spelled in CASES["reactions"]["spelled"]:
        assert text.reaction(spelled) == spelled
    for unfit in CASES["reactions"]["refused"]:
        refused(text.reaction, unfit)


@pytest.mark.parametrize("case", CASES["mentions"], ids=lambda case: case["text"])
def test_the_mentions_of_a_text(case):
    assert mentioned(case["text"], case["names"]) == set(case["mentioned"])


def test_a_full_stop_may_belong_to_the_sentence_or_to_the_name():
    assert mentioned("ask @ana.", ["ana", "ana."]) == {"ana", "ana."}
    assert mentioned("ask @ana. now", ["ana.b", "ana"]) == {"ana"}


def is_found(message, searched):
    """As the store compares them."""
    held = terms(message)
    return bool(parse_search(searched)) and all(
        any(term.startswith(sought.term) if sought.begins else term == sought.term for term in held)
        for sought in parse_search(searched)
    )


@pytest.mark.parametrize("case", CASES["searches"], ids=lambda case: case["searched"])
def test_the_results_of_a_search(case):
    assert is_found(case["text"], case["searched"]) == case["found"]


def test_topics_are_words_as_they_are_written():
    assert topics("La Canción, la CANCIÓN y हिन्दी 天气") == ["canción", "हिन्दी"]


# ---- whatever the text --------------------------------------------------------------------------


@given(st.text(max_size=40) | st.text(PARTS))
def test_an_identity_is_its_own_and_does_not_depend_on_the_encoding(name):
    assert identity(identity(name)) == identity(name)
    for form in FORMS:
        assert identity(unicodedata.normalize(form, name)) == identity(name)


RULES = [
    text.name,
    text.asked_name,
    text.title,
    text.message,
    text.reaction,
    text.search,
    text.room,
    text.client_id,
]


@pytest.mark.parametrize("rule", RULES)
@given(given=ANY | st.text(PARTS))
def test_a_rule_refuses_in_a_sentence_or_takes_what_travels(rule, given):
    try:
        taken = rule(given)
    except text.TextRefused:
        return
    assert rule(taken) == taken
    assert msgspec.json.decode(msgspec.json.encode(taken)) == taken


@given(st.text(PARTS, max_size=60), st.lists(st.text(PARTS, min_size=2, max_size=6), max_size=5))
def test_only_members_are_mentioned(message, names):
    assert mentioned(message, names) <= set(names)
    if mentioned(message, names):
        assert may_mention(message)


@given(st.text(max_size=60) | st.text(PARTS))
def test_a_text_is_found_by_each_of_its_words(message):
    for word in message.split():
        if parse_search(word):
            assert is_found(message, word)


@given(st.text(max_size=30) | st.text(PARTS))
def test_a_reaction_has_one_spelling(given):
    assert one_spelling(one_spelling(given)) == one_spelling(given)


# ---- where it comes in --------------------------------------------------------------------------

SENT = {
    "room": "lobby",
    "title": "Kitchen",
    "user": "ana",
    "text": "hi",
    "client_id": "c1",
    "emoji": "👍",
    "position": 1,
    "action": "mute",
}


@pytest.mark.parametrize("action", ACTIONS)
def test_half_an_emoji_is_refused_in_every_field_of_every_action(action):
    shape = ACTIONS[action].shape
    fields = {name: SENT[name] for name in shape.__struct_fields__ if name in SENT}
    assert incoming.read(fields, shape)
    with pytest.raises(msgspec.ValidationError):
        incoming.read({"\ud83d": 1}, shape)
    for name, value in fields.items():
        if isinstance(value, str):
            with pytest.raises(msgspec.ValidationError) as caught:
                incoming.read(fields | {name: f"{value}\ud83d"}, shape)
            assert "regex" not in str(caught.value)


@pytest.mark.parametrize(
    "given", ["", "x" * 65, "a\0b", "\n", "a\x7f", "é", "\ufeff", "😀", "\u0660"]
)
def test_ids_of_messages_that_are_not(given):
    assert "printable ASCII" in refused(text.client_id, given)


def test_no_position_is_beyond_what_can_be_stored():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"room": "lobby", "position": 10**30}, payloads.Target)


def test_a_name_that_is_refused_is_refused_in_a_sentence():
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"user": "<b>", "password": "a good password"}, NewAccount)
    assert str(caught.value).startswith("a name begins with a letter")


def test_texts_travel_as_they_were_taken():
    sent = msgspec.convert({"room": "r", "client_id": "c", "text": "हिन्दी 🙂"}, payloads.Message)
    command = SendMessage(sent.room, "José", sent.client_id, sent.text)
    assert msgspec.json.decode(msgspec.json.encode(command), type=SendMessage) == command
