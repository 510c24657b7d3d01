"""A private certificate authority, and the TLS certificates that it issues.

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

DAYS = 30  # default validity of certificates
CLOCKS = timedelta(minutes=5)  # allowed difference between the clocks of two machines


@dataclass(frozen=True)
class Issued:
    """A certificate for a server or a client, in a folder in the form of `DOCKER_CERT_PATH`.

    Attributes:
        folder: the folder with the three files.
    """

    folder: Path

    @property
    def authority(self) -> Path:
        """The issuer's certificate."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """The certificate itself."""
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        """The private key, which only this user may read."""
        return self.folder / "key.pem"


class Authority:
    """A certificate authority; clients that trust its certificate trust those that it issues.

    Its private key is only in memory, and is lost with the object. A certificate can't be revoked:
    a new one for the same name is valid beside the old one. To invalidate all of them, replace the
    authority.

    Attributes:
        certificate: the authority's own certificate.
    """

    def __init__(self, name: str, *, days: int = DAYS) -> None:
        """Create a new authority.

        Args:
            name: its name.
            days: its validity.
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
            folder: the folder for its files, created if necessary.
            name: the name of the server or client.
            names: host names and IP addresses at which clients reach it.
            client: True for a client certificate, False for a server certificate.
            days: its validity, which never exceeds that of the authority.

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
