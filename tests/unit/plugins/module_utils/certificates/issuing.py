"""Certificates for tests, made when they are needed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key."""

    loaded: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.loaded.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.loaded.public_bytes(Encoding.PEM)

    def key_pem(self, passphrase: str = "") -> bytes:
        how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)

    def write(self, path: Path, *others: Issued) -> str:
        """Write the certificate, those of ``others`` and the key, as a server takes them, and return the path."""
        path.write_bytes(self.pem + b"".join(other.pem for other in others) + self.key_pem())
        return str(path)


@lru_cache(maxsize=None)
def new_key(kind: str = "ec", number: int = 0) -> Any:
    """Return a private key; the same for the same arguments, since making some takes long."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "rsa1024":
        return rsa.generate_private_key(65537, 1024)
    if kind == "dsa":
        return dsa.generate_private_key(2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP192R1() if kind == "ec192" else ec.SECP256R1())


def issue(
    name: str = "www.example.com",
    *,
    by: Issued | None = None,
    key: Any = None,
    begins: datetime = NOW - timedelta(days=30),
    ends: datetime = NOW + timedelta(days=60),
    dns: tuple[str, ...] | None = None,
    addresses: tuple[str, ...] = (),
    authority: bool = False,
    signature: Any = None,
    serial: int | None = None,
) -> Issued:
    """Issue a certificate; one that nobody signs signs itself."""
    own = key or new_key()
    signer = by.key if by else own
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.loaded.subject if by else subject)
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins.replace(tzinfo=None))
        .not_valid_after(ends.replace(tzinfo=None))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    names: list[x509.GeneralName] = [x509.DNSName(text) for text in ((name,) if dns is None else dns)]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in addresses]
    if names and not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else signature or SHA256()
    return Issued(builder.sign(signer, algorithm), own)


def present_authority(name: str = "Test authority", number: int = 9, days: float = 3650) -> Issued:
    """Return an authority that is valid now, whenever the test runs, since OpenSSL knows no other time."""
    now = datetime.now(timezone.utc)
    return issue(
        name, key=new_key("ec", number), begins=now - timedelta(days=3650), ends=now + timedelta(days=days), authority=True
    )


def present(name: str = "localhost", days: float = 90, **given: Any) -> Issued:
    """Return a certificate that began a day ago and ends in ``days``."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    given.setdefault("begins", now - timedelta(days=1 if days > 0 else 400))
    return issue(name, ends=now + timedelta(days=days), **given)
