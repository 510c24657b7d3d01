"""Certificates of our own authority: who believes them, what for, and until when."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from nochat.lab.certificates import Authority


def server_context(issued) -> ssl.SSLContext:
    """A server that asks its clients for certificates, as Docker Engine with --tlsverify."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=issued.authority)
    context.load_cert_chain(issued.certificate, issued.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def talk(server, client, name="localhost") -> str:
    """What a client reads from a server, each with its certificate."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.settimeout(5)

        def serve() -> None:
            try:
                with server_context(server).wrap_socket(theirs, server_side=True) as connection:
                    connection.sendall(b"welcome")
            except OSError:  # the client sees it, too
                theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            context = ssl.create_default_context(cafile=client.authority)
            context.verify_flags |= ssl.VERIFY_X509_STRICT  # as newer Pythons are
            context.load_cert_chain(client.certificate, client.key)
            with context.wrap_socket(ours, server_hostname=name) as connection:
                return connection.recv(100).decode()
        finally:
            ours.close()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("of the tests")


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory):
    names = ["localhost", "127.0.0.1", "127.0.0.1", "registry.example"]
    return authority.issue(tmp_path_factory.mktemp("server"), "server", names)


@pytest.fixture(scope="module")
def client(authority, tmp_path_factory):
    return authority.issue(tmp_path_factory.mktemp("client"), "client", client=True)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "registry.example"])
def test_both_ends_believe_each_other(server, client, name):
    assert talk(server, client, name) == "welcome"


def test_a_server_is_not_believed_by_another_name(server, client):
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for '192\.0\.2\.9'"):
        talk(server, client, "192.0.2.9")


def test_a_server_s_certificate_is_none_for_a_client(server):
    with pytest.raises(ssl.SSLError, match="unsupported certificate"):
        talk(server, server)


def test_another_authority_ends_what_the_first_one_issued(server, client, tmp_path):
    """Issued again by the same one, the old one stays good."""
    other = Authority("of the tests").issue(tmp_path, "client", client=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk(server, other)
    other.authority.write_bytes(server.authority.read_bytes())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(server, other)


def test_keys_are_for_us_alone_and_are_not_overwritten(authority, server):
    assert server.key.stat().st_mode & 0o777 == 0o600
    assert server.folder.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        authority.issue(server.folder, "server")


def test_it_is_good_for_days_but_not_longer_than_its_authority(tmp_path):
    brief = Authority("brief", days=2)
    for days, expected in ((1, 1), (400, 2)):
        issued = brief.issue(tmp_path / str(days), "server", days=days)
        read = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
        left = read.not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=expected, minutes=-1) < left <= timedelta(days=expected)
