"""Makes the certificates of the test platform in a tree to copy to a host: an authority, what it signed, and spare ones.

    make_certificates.py TREE SITE NAME=FOLDER...

The certificate of the host name SITE lies as certbot leaves it: ``etc/letsencrypt/live/SITE/*.pem`` are links into
``archive/SITE``. Each NAME=FOLDER gets ``privkey.pem`` and ``fullchain.pem`` in that folder. An intermediate authority
signs them for 90 days and stands in each chain; only its root is trusted (where update-ca-certificates looks).
``opt/certificates`` holds spare ones of SITE for tests to put in its place: renewed, ends_in_3_days, expired. No key of
an authority is kept.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFETIME = timedelta(days=90)
#: How long before the end of their life the spare certificates are now.
SPARES = {"renewed": LIFETIME, "ends_in_3_days": timedelta(days=3, hours=1), "expired": timedelta(hours=-12)}


class Authority:
    """A certificate authority, signed by another one or by itself."""

    def __init__(self, common_name: str, parent: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        signer = parent or self
        builder = certificate(self.name, self.key.public_key(), signer, timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.add_extension(usage(signing=True), critical=True).sign(signer.key, hashes.SHA256())

    def sign(self, host: str, public_key: ec.EllipticCurvePublicKey, left: timedelta) -> x509.Certificate:
        """Return a certificate for a host name that ends in so much time."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        builder = certificate(name, public_key, self, left)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(usage(signing=False), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        server = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
        return builder.add_extension(server, critical=False).sign(self.key, hashes.SHA256())


def certificate(
    name: x509.Name, public_key: ec.EllipticCurvePublicKey, signer: Authority, left: timedelta
) -> x509.CertificateBuilder:
    """Return what all certificates have in common."""
    end = datetime.now(timezone.utc) + left
    return (
        x509.CertificateBuilder(signer.name, name, public_key, x509.random_serial_number())
        # An hour ago for a new one, as real authorities do: not every clock is right.
        .not_valid_before(end - max(LIFETIME, left) - timedelta(hours=1))
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )


def usage(signing: bool) -> x509.KeyUsage:
    """Return what a key is for: to sign certificates, or to serve."""
    return x509.KeyUsage(
        digital_signature=not signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signing,
        crl_sign=signing,
        encipher_only=False,
        decipher_only=False,
    )


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates as they stand in a file."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def write_pair(folder: Path, host: str, issuer: Authority, left: timedelta = LIFETIME, number: str = "") -> None:
    """Write a new key and its certificate into a folder, as certbot names them."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = issuer.sign(host, key.public_key(), left)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir(parents=True)
    private = folder / f"privkey{number}.pem"
    private.touch(mode=0o600)
    private.write_bytes(secret)
    (folder / f"cert{number}.pem").write_bytes(pem(leaf))
    (folder / f"chain{number}.pem").write_bytes(pem(issuer.certificate))
    (folder / f"fullchain{number}.pem").write_bytes(pem(leaf, issuer.certificate))


def write_site(tree: Path, host: str, issuer: Authority) -> None:
    """Write what certbot leaves for a site."""
    letsencrypt = tree / "etc/letsencrypt"
    write_pair(letsencrypt / "archive" / host, host, issuer, number="1")
    live = letsencrypt / "live" / host
    live.mkdir(parents=True)
    for kind in ("cert", "chain", "fullchain", "privkey"):
        (live / f"{kind}.pem").symlink_to(f"../../archive/{host}/{kind}1.pem")
    for folder in (letsencrypt / "archive", letsencrypt / "live"):
        folder.chmod(0o700)


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(description="Makes the certificates of the test platform")
    parser.add_argument("tree", type=Path)
    parser.add_argument("site", help="host name of the site")
    parser.add_argument("others", nargs="*", metavar="NAME=FOLDER")
    options = parser.parse_args()

    root = Authority("Authority of the test platform")
    intermediate = Authority("Intermediate authority of the test platform", root)
    trusted = options.tree / "usr/local/share/ca-certificates/test-platform.crt"
    trusted.parent.mkdir(parents=True)
    trusted.write_bytes(pem(root.certificate))

    write_site(options.tree, options.site, intermediate)
    for spare, left in SPARES.items():
        write_pair(options.tree / "opt/certificates" / spare, options.site, intermediate, left)
    for pair in options.others:
        host, _equals, folder = pair.partition("=")
        write_pair(options.tree / folder, host, intermediate)


if __name__ == "__main__":
    main()
