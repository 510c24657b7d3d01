"""The checks of a deployed chat see what works, and what does not."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nochat.lab import verify
from nochat.lab.certificates import Authority
from nochat.lab.errors import CheckFailed
from nochat.lab.people import Person
from nochat.local.processes import free_port

GOOD = "ECDHE+AESGCM"


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


async def test_an_address_that_nobody_has_is_not_called_closed():
    with pytest.raises(OSError, match=r"nobody\.invalid"):
        verify.closed("nobody.invalid", [3306])
    with pytest.raises(OSError, match=r"nobody\.invalid"):
        await verify.only("nobody.invalid", [], [3306])


@pytest.mark.slow
def test_accepted_and_refused_credentials_are_told_apart(rabbitmq_server, mariadb_server):
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


async def test_of_many_ports_just_those_that_are_to_be_open_are():
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [listener.getsockname()[1] for listener in (one, two)]
        await verify.only("127.0.0.1", ports, [*ports, free_port()])
        with pytest.raises(CheckFailed, match=rf"✗ nothing else is  \(seen: {ports[1]}\)"):
            await verify.only("127.0.0.1", ports[:1], ports)
    with pytest.raises(CheckFailed, match="✗ the expected ports are open"):
        await verify.only("127.0.0.1", ports, ports)


@pytest.fixture
def encrypted_page(tmp_path) -> Iterator[Callable[..., tuple[str, Path]]]:
    """Serves a page by TLS, from a version on; gives its address and whom to trust."""
    issued = Authority("of a test").issue(tmp_path / "tls", "it", ["127.0.0.1"])
    servers = []

    def serve(oldest: ssl.TLSVersion, hsts: str, ciphers: str = GOOD) -> tuple[str, Path]:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Strict-Transport-Security", hsts)
                self.end_headers()

            def log_message(self, *_):
                pass

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(issued.certificate, issued.key)
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):  # that a version is old
            context.minimum_version = oldest
        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        server.handle_error = lambda *_: None  # who is refused hangs up
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}", issued.authority

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_good_encryption_is_told_from_bad(encrypted_page):
    url, authority = encrypted_page(ssl.TLSVersion.TLSv1_2, "max-age=15768000")
    verify.encrypted(url, trust=authority)
    with pytest.raises(CheckFailed, match=r"✗ its certificate is good(?s:.*)local issuer"):
        verify.encrypted(url)
    url, authority = encrypted_page(ssl.TLSVersion.TLSv1, "max-age=60", "DEFAULT")
    with pytest.raises(CheckFailed) as caught:
        verify.encrypted(url, trust=authority)
    bad = [line.strip() for line in str(caught.value).splitlines() if "✗" in line]
    assert [line.split("  ")[0] for line in bad] == [
        "✗ TLS 1.0 is refused",
        "✗ TLS 1.1 is refused",
        "✗ ciphers that are known to be weak are refused",
        "✗ browsers return only encrypted (HSTS)",
    ]


@pytest.mark.parametrize("weak", ["ECDHE-ECDSA-AES256-SHA384", "ECDHE+SHA1", "aNULL"])
def test_each_kind_of_weak_cipher_is_seen(encrypted_page, weak):
    url, authority = encrypted_page(ssl.TLSVersion.TLSv1_2, "max-age=15768000", f"{GOOD}:{weak}")
    with pytest.raises(CheckFailed) as caught:
        verify.encrypted(url, trust=authority)
    (bad,) = (line for line in str(caught.value).splitlines() if "✗" in line)
    assert "weak" in bad


async def test_a_person_trusts_only_known_authorities(encrypted_page):
    url, _ = encrypted_page(ssl.TLSVersion.TLSv1_2, "")
    with pytest.raises(RuntimeError, match="a certificate of an unknown authority"):
        await Person("ada", url).arrive()
