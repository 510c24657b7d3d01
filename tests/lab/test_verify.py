"""The checks of a deployed chat see what works, and what does not."""

import socket
from urllib.parse import urlsplit

import pytest

from nochat.keeper import free_port
from nochat.lab import verify
from nochat.lab.checks import CheckFailed


@pytest.mark.slow
async def test_a_chat_that_works_is_seen_to_work(running):
    report = await verify.chat(running.url)
    assert [condition.holds for condition in report.conditions] == [True] * 3
    assert running.url in repr(report)


async def test_no_chat_is_seen_with_what_to_do():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(CheckFailed, match=r"a user logs in.*no chat listens(?s:.*)systemctl"):
        await verify.chat(url, patience=0.1)


def test_an_open_port_is_told_from_a_closed_one():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CheckFailed, match=rf"✗ port {port} is closed  \(seen: open\)"):
            verify.closed("127.0.0.1", [port])
    assert verify.closed("127.0.0.1", [port]).conditions[0].seen == "refused"


@pytest.mark.slow
def test_who_is_let_in_is_told_from_who_is_not(rabbitmq_server, mariadb_server):
    right = [rabbitmq_server.url, mariadb_server.url]
    wrong = [url.replace(urlsplit(url).password, "wr0ng") for url in right]
    report = verify.refused(*wrong)
    assert all(condition.holds for condition in report.conditions)
    for url in right:
        with pytest.raises(CheckFailed, match="let us in") as caught:
            verify.refused(url)
        assert urlsplit(url).password not in str(caught.value)


def test_a_server_that_is_not_there_refuses_nobody():
    with pytest.raises(CheckFailed, match="nothing answers there"):
        verify.refused(f"mysql+pymysql://me:wrong@127.0.0.1:{free_port()}/nochat")
