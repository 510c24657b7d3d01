"""What a client may send: any JSON at all is either of a known shape or refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.protocol import payloads
from nochat.protocol.actions import ACTIONS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SHAPES = [action.shape for action in ACTIONS.values()]
FIELDS = st.sampled_from(sorted({name for shape in SHAPES for name in shape.__struct_fields__}))


@given(JSON | st.dictionaries(FIELDS, JSON))
def test_payloads_of_a_wrong_shape_are_refused(data):
    for shape in SHAPES:
        try:
            sent = msgspec.convert(data, shape)
        except msgspec.ValidationError:
            continue
        if "room" in shape.__struct_fields__ and shape is not payloads.Search:
            assert 1 <= len(sent.room) <= 40


@given(JSON | st.fixed_dictionaries({"positions": JSON}))
def test_any_handshake_gives_positions(auth):
    positions = payloads.positions(auth)
    assert all(isinstance(position, int) and position >= 0 for position in positions.values())


def test_the_positions_of_a_handshake_are_taken():
    assert payloads.positions({"positions": {"lobby": 7}}) == {"lobby": 7}


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_a_page_is_of_a_bearable_length(limit):
    with pytest.raises(msgspec.ValidationError, match=r"`\$\.limit`"):
        msgspec.convert({"room": "lobby", "limit": limit}, payloads.Page)
