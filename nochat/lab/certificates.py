"""An authority of our own, and the certificates for TLS that it issues.

For example::

    authority = Authority("a registry of mine")
    issued = authority.issue(folder, "registry", ["localhost", "127.0.0.1"])
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 30  # that all is good for, if not told otherwise
CLOCKS = timedelta(minutes=5)  # by which those of two machines may differ


@dataclass(frozen=True)
class Issued:
    """A certificate for a server or a client, in a folder as `DOCKER_CERT_PATH` wants it.

    Attributes:
        folder: with the three files.
    """

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate of its issuer."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The certificate itself."""
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        """Its private key; only we may read it."""
        return self.folder / "key.pem"


class Authority:
    """A certificate authority; clients that trust its certificate trust those that it issues.

    Its private key is in memory alone, and gone with it. Nothing takes a certificate back before
    its time: one that is issued again is good beside the old one. What ends all of them is another
    authority in the place of this one.

    Attributes:
        certificate: its own.
    """

    def __init__(self, name: str, *, days: int = DAYS) -> None:
        """Make a new authority.

        Args:
            name: what it is called.
            days: that it is good for.
        """
        self._key = ec.generate_private_key(ec.SECP256R1())
        public, called = self._key.public_key(), _name(name)
        self.certificate = (
            _builder(called, public, called, datetime.now(UTC) + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def issue(
        self,
        folder: Path,
        name: str,
        names: Iterable[str] = (),
        *,
        client: bool = False,
        days: int = DAYS,
    ) -> Issued:
        """Issue a certificate with a new key.

        Args:
            folder: for its files; made, if it is not there.
            name: whose it is.
            names: host names and IP addresses by which others reach it.
            client: it is for clients, and no server can use it; else the other way round.
            days: that it is good for; never longer than the authority itself.

        Raises:
            FileExistsError: the folder has a certificate already.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        issued, key = Issued(folder), ec.generate_private_key(ec.SECP256R1())
        own, authority = self.certificate, self._key.public_key()
        end = min(datetime.now(UTC) + timedelta(days=days), own.not_valid_after_utc)
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        identity = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority)
        built = (
            _builder(_name(name), key.public_key(), own.subject, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(identity, critical=False)
        )
        if reached := [_general_name(host) for host in dict.fromkeys(names)]:
            built = built.add_extension(x509.SubjectAlternativeName(reached), critical=False)
        _write_key(issued.key, key)
        _write(issued.certificate, built.sign(self._key, hashes.SHA256()))
        _write(issued.authority, own)
        return issued


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, end: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=datetime.now(UTC) - CLOCKS,
        not_valid_after=end,
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
