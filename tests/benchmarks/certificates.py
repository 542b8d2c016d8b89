"""10 000 certificate files and 200 TLS endpoints in one call, beside what people use today."""

from __future__ import annotations

import datetime
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from measuring import CHECKOUT, RUNS, in_turn, print_table

FILES = 10_000
#: openssl takes minutes for all of them: it gets these, and its time is multiplied.
SAMPLE = 100
ENDPOINTS = 200

#: As the wrapper of Ansible starts a module; ansible.module_utils.testing would import twice as much as the module.
MODULE = """
import json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(open(sys.argv[1]))}).encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.upkeep.runbook.plugins.modules import cert_expiry
cert_expiry.main()
"""

#: What anybody would write first with the same library: every field that the module returns, of every certificate. With
#: ALL = False only what is needed to find the bad ones, which is what the module takes out of a good one.
BARE_LOOP = """
import datetime, glob, hashlib, sys
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.asymmetric import ec, rsa
now = datetime.datetime.now(datetime.timezone.utc)
found = []
for path in sorted(glob.glob(sys.argv[1] + "/*.pem")):
    with open(path, "rb") as stream:
        certificate = x509.load_pem_x509_certificate(stream.read())
    left = (certificate.not_valid_after_utc - now).total_seconds()
    whole = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds()
    key = certificate.public_key()
    weak = key.key_size < (2048 if isinstance(key, rsa.RSAPublicKey) else 224)
    algorithm = certificate.signature_algorithm_oid.dotted_string
    if left < 30 * 86400 or weak or ALL:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found.append((path, certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string(), left, whole,
                      [str(name.value) for name in names], certificate.serial_number, algorithm,
                      certificate.fingerprint(SHA256()).hex(), certificate.subject == certificate.issuer))
print(len(found))
"""


def make_certificates(folder: Path) -> None:
    """Write RSA and EC certificates in turn, as many different ones as there are files, and one server's with its key."""
    keys = [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())]
    now = datetime.datetime.now(datetime.timezone.utc)
    signer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Benchmark authority")])

    def issue(name: str, number: int, authority: bool = False) -> x509.Certificate:
        subject = signer if authority else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName(name), x509.DNSName(f"www.{name}")]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer)
            .public_key(keys[number % 2].public_key())
            .serial_number(number + 1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=300))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(keys[1], SHA256())
        )

    (folder / "files").mkdir()
    for number in range(FILES):
        path = folder / "files" / f"{number:05d}.pem"
        path.write_bytes(issue(f"host{number}.internal", number).public_bytes(Encoding.PEM))
    # With those of the system, as when the servers of the world are asked: whoever verifies has to load them all.
    system = ssl.get_default_verify_paths().cafile
    known = Path(system).read_bytes() if system else b""
    (folder / "authority.pem").write_bytes(known + issue("authority", 1, authority=True).public_bytes(Encoding.PEM))
    secret = keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(issue("server.internal", 3).public_bytes(Encoding.PEM) + secret)


def serve(certificate: str) -> None:
    """Serve TLS on many ports in a process of its own, print them, and end with the input."""
    import asyncio

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def run() -> None:
        servers = [await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) for _number in range(ENDPOINTS)]
        print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    threading.excepthook = lambda _arguments: None
    asyncio.run(run())


def module(folder: Path, name: str, **options: object) -> list[str]:
    (folder / f"{name}.json").write_text(json.dumps(options))
    return [sys.executable, "-c", MODULE, str(folder / f"{name}.json")]


def measure_files(folder: Path) -> None:
    files = str(folder / "files")
    loop = f"for f in $(ls {files}/*.pem | head -{SAMPLE}); do openssl x509 -in $f -noout -enddate -subject -fingerprint; done"
    medians = in_turn(
        {
            "cert_expiry": module(folder, "files", paths=[files]),
            "bare loop": [sys.executable, "-c", f"ALL = True\n{BARE_LOOP}", files],
            "bare loop, dates, key and algorithm only": [sys.executable, "-c", f"ALL = False\n{BARE_LOOP}", files],
            "cert_expiry, return_all": module(folder, "all", paths=[files], return_all=True),
            f"openssl x509, {SAMPLE} files": ["sh", "-c", loop],
        }
    )
    print_table(
        f"{FILES} certificate files (module start included)",
        medians,
        [
            ("cert_expiry / bare Python loop (at most 1.3)", "cert_expiry", "bare loop"),
            ("cert_expiry / the barest loop", "cert_expiry", "bare loop, dates, key and algorithm only"),
            ("return_all, 40 000 rows as JSON / bare loop, which prints none", "cert_expiry, return_all", "bare loop"),
        ],
    )
    scaled = medians[f"openssl x509, {SAMPLE} files"].wall * FILES / SAMPLE
    print(f"- shell loop of openssl x509 (scaled from {SAMPLE} files: {scaled:.0f} s) / cert_expiry (at least 50): "
          f"**{scaled / medians['cert_expiry'].wall:.0f}**", flush=True)  # fmt: skip


def measure_endpoints(folder: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", str(folder / "server.pem")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert server.stdin is not None and server.stdout is not None
    try:
        ports = json.loads(server.stdout.readline())
        authority = str(folder / "authority.pem")
        endpoints = [{"host": "127.0.0.1", "port": port, "server_name": "server.internal"} for port in ports]
        loop = "; ".join(
            f"openssl s_client -connect 127.0.0.1:{port} -servername server.internal -CAfile {authority}" for port in ports
        )
        print_table(
            f"{ENDPOINTS} TLS endpoints",
            in_turn(
                {
                    "cert_expiry": module(folder, "endpoints", endpoints=endpoints, ca_file=authority),
                    "openssl s_client, one after the other": ["sh", "-c", f"{{ {loop}; }} </dev/null 2>&1"],
                },
                accept=(0, 1),
            ),
            [("serial s_client / cert_expiry (at least 5)", "openssl s_client, one after the other", "cert_expiry")],
        )
    finally:
        server.stdin.close()
        server.wait(30)


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
        return
    os.environ["PYTHONPATH"] = str(CHECKOUT / ".collections")
    with tempfile.TemporaryDirectory() as directory:
        make_certificates(Path(directory))
        measure_files(Path(directory))
        measure_endpoints(Path(directory))
    print(f"\nEach figure is the median of {RUNS} runs.")


if __name__ == "__main__":
    main()
