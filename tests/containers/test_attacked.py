"""The attacks that need no settings of their own, against the chat in containers: `make attack`.

Here RabbitMQ and MariaDB are behind the services, and HAProxy before them. `tests/attacks` says
what each attack does. To HAProxy all attackers have one address, that of Docker's gateway: so that
one's attack is not charged to the next, log-ins, rooms and invitations are not limited.
"""

# ruff: noqa: F401 - pytest finds them here

from contextlib import asynccontextmanager

import pytest

from nochat.lab import containers
from tests.attacks.test_banned import (
    test_sockets_that_come_while_their_user_is_banned_hear_nothing_of_the_room,
)
from tests.attacks.test_costs import (
    test_a_burst_of_messages_is_no_flood,
    test_answers_of_the_gateway_have_the_headers_of_the_page,
    test_every_packet_is_counted_also_before_the_log_in,
    test_frames_that_are_no_message_are_counted,
    test_no_answer_is_a_script,
    test_the_same_by_long_polling,
    test_unused_packets_close_the_socket_and_others_are_unaffected,
)
from tests.attacks.test_membership import (
    hidden,
    people,
    room,
    test_a_private_room_has_an_id_that_nobody_guesses,
    test_a_stranger_does_nothing_in_it,
    test_nobody_hears_whether_there_is_a_room,
)
from tests.attacks.test_own_account import (
    test_nobody_comes_after_somebody_into_their_direct_room,
    test_nobody_sees_or_ends_the_sessions_of_others,
)
from tests.attacks.test_prices import test_a_list_of_rooms_names_no_private_one
from tests.attacks.test_sessions import (
    test_a_login_gives_another_session_and_ends_the_one_it_came_with,
    test_an_old_cookie_opens_no_socket,
    test_nobody_is_given_a_session_that_another_has_chosen,
)

pytestmark = [
    pytest.mark.attack,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

NOT_LIMITED = dict.fromkeys(("login_rate", "room_rate", "invite_rate"), 0)
SETTINGS = ", ".join(f"NOCHAT_{name.upper()}: 0" for name in NOT_LIMITED)


@pytest.fixture(scope="module")
def stack(chat_image, images_of_debian, tmp_path_factory):
    """The chat in containers, with the settings above."""
    more = tmp_path_factory.mktemp("compose") / "attacked.yaml"
    more.write_text(
        f"services:\n  web: {{environment: {{{SETTINGS}}}}}\n"
        f"  gateway: {{environment: {{{SETTINGS}}}}}\n"
    )
    files = f"docker/compose.yaml:docker/compose.offline.yaml:{more}"
    images_of_debian.setenv("COMPOSE_FILE", files)
    with containers.up() as stack:
        yield stack


@pytest.fixture
def attacked(stack):
    """The chat in containers, in place of one in this process."""

    @asynccontextmanager
    async def running(**given):
        assert given.items() <= NOT_LIMITED.items()
        yield stack.url

    return running


@pytest.fixture(scope="module")
def chat(stack):
    """The same, as a chat that runs elsewhere."""
    return stack


@pytest.fixture(scope="module")
def shared(stack):
    """Its address."""
    return stack.url
