"""The real programs of Debian: sshd, nginx, sudo, apt and lynis say how they are configured, and nginx does what was judged.

Their configurations stand in mount namespaces of their own; those of this machine stay as they are.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.updates import Limits, inspect_updates
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import present
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import module_argv, run_module

pytestmark = pytest.mark.usefixtures("root")

START_SECONDS = 60.0


def run_inside(script: str, options: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """Run the module in a mount namespace that a script of the shell has prepared, and return its answer."""
    argv = ["unshare", "--mount", "sh", "-euc", f'{script}; shift {len(arguments)}; exec "$@"', "sh", *arguments, *module_argv("security_configuration")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(argv, input=json.dumps(options), capture_output=True, text=True, env=environment, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def statuses(answer: dict[str, Any]) -> dict[str, str]:
    return {f"{one['rule']} {one['subject']}": one["status"] for one in answer["findings"]}


# sshd

SSHD = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd; mount --bind "$1" /etc/ssh'


def ssh_folder(root: Path, text: str) -> str:
    """Return a folder that stands for /etc/ssh."""
    root.mkdir()
    root.chmod(0o755)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / "ssh_host_ed25519_key")], check=True)
    (root / "sshd_config").write_text(text)
    return str(root)


def test_the_defaults_of_sshd_break_few_rules(tmp_path: Path) -> None:
    answer = run_inside(SSHD, {"parts": ["ssh"], "return_all": True}, ssh_folder(tmp_path / "ssh", "UsePAM yes\n"))
    found = statuses(answer)
    assert found["ssh.valid sshd"] == "ok" and len(found) >= 18
    assert {name.split(" ")[0] for name, status in found.items() if status != "ok"} <= {
        "ssh.password_authentication", "ssh.kbd_interactive_authentication",
    }, found  # fmt: skip


def test_what_sshd_is_told_is_found_in_match_blocks_too(tmp_path: Path) -> None:
    text = """PermitRootLogin yes
Ciphers aes128-ctr,aes128-cbc
MACs hmac-sha2-256,hmac-md5
KexAlgorithms curve25519-sha256,diffie-hellman-group1-sha1
X11Forwarding no
PasswordAuthentication no
MaxAuthTries 20
Match User nobody
    X11Forwarding yes
Match Group root Address 10.0.0.0/8
    PasswordAuthentication yes
"""
    answer = run_inside(SSHD, {"parts": ["ssh"]}, ssh_folder(tmp_path / "ssh", text))
    found = statuses(answer)
    assert answer["status"] == "critical" and "unknown" not in found.values()
    expected = {
        "ssh.permit_root_login PermitRootLogin": "critical", "ssh.ciphers Ciphers": "warning", "ssh.macs MACs": "warning",
        "ssh.kex_algorithms KexAlgorithms": "warning", "ssh.max_auth_tries MaxAuthTries": "warning",
        "ssh.x11_forwarding X11Forwarding (Match User nobody)": "warning",
        "ssh.password_authentication PasswordAuthentication (Match Group root Address 10.0.0.0/8)": "warning",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("text", ["PermitRootLogin perhaps\n", "Nonsense yes\n"])
def test_a_configuration_that_sshd_refuses_is_critical(tmp_path: Path, text: str) -> None:
    answer = run_inside(SSHD, {"parts": ["ssh"]}, ssh_folder(tmp_path / "ssh", text))
    assert statuses(answer) == {"ssh.valid sshd": "critical"} and "line 1" in answer["findings"][0]["summary"]


# nginx

NGINX = 'mount --bind "$1" /etc/nginx'


def nginx_folder(root: Path, text: str) -> str:
    (root / "sites").mkdir(parents=True)
    root.chmod(0o755)
    temporary = "".join(f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (root / "nginx.conf").write_text(
        f"pid {root}/pid; error_log {root}/error.log; events {{}} http {{ access_log off; {temporary} include sites/*.conf; }}\n"
    )
    (root / "sites" / "a.conf").write_text(text)
    return str(root)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _number in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def nginx(folder: str, port: int) -> Iterator[None]:
    """Run nginx with the configuration of a folder until it listens."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    process = subprocess.Popen([program, "-p", folder, "-c", f"{folder}/nginx.conf", "-g", "daemon off; user root;"])
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def answered(port: int, path: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}


#: By the name of the server, what is in it.
SERVERS = {
    "plain": "",
    "denied": r"location ~ /\. { deny all; }",
    "longest": "location / { return 404; } location /.env { }",
    "stronger": r"location ^~ /.git/ { return 403; } location ~ ^/\.e { return 403; }",
    "exact": "location = /.env { return 404; }",
    "nested": r"location / { location ~ ^/\.(env|git) { deny all; } }",
    "nested-open": r"location / { location /.git { } } location ~ \.env$ { deny all; }",
    "case": r"location ~* ^/\.(ENV|GIT) { deny all; }",
    "case-open": r"location ~ ^/\.(ENV|GIT) { deny all; }",
    "headers": "add_header X-Content-Type-Options nosniff; add_header X-Frame-Options DENY; location ~ /\\. { return 403; }",
    "lost": "add_header X-Content-Type-Options nosniff; location ~ /\\. { return 403; } location / { add_header X-Own 1; }",
}


def test_what_is_judged_is_what_nginx_does(tmp_path: Path) -> None:
    """Each server is asked over HTTP: what it gives away is what the module calls given away, and headers likewise."""
    tmp_path.chmod(0o755)
    root = tmp_path / "www"
    (root / ".git").mkdir(parents=True)
    for name in (".env", ".git/config", "index.html"):
        (root / name).write_text("x")
    ports = dict(zip(SERVERS, free_ports(len(SERVERS))))
    text = "\n".join(f"server {{ listen 127.0.0.1:{ports[name]}; server_name {name}; root {root}; {inside} }}" for name, inside in SERVERS.items())
    folder = nginx_folder(tmp_path / "nginx", text)
    found = statuses(run_inside(NGINX, {"parts": ["nginx"], "return_all": True}, folder))
    assert found["nginx.valid nginx"] == "ok" and "unknown" not in found.values()
    with nginx(folder, ports["plain"]):
        for name, port in ports.items():
            label = f"{name} (127.0.0.1:{port})"
            given = [path for path in ("/.env", "/.git/config") if answered(port, path)[0] == 200]
            assert found[f"nginx.dotfiles {label} dotfiles"] == ("critical" if given else "ok"), (name, given)
            _status, headers = answered(port, "/index.html")
            for rule, header in (("nosniff", "x-content-type-options"), ("frame_options", "x-frame-options")):
                status = found.get(f"nginx.{rule} {label} {header}")
                if name in ("plain", "headers", "lost"):
                    assert status == ("ok" if header in headers else "warning"), (name, header, headers)
            assert "nginx/" in headers["server"]
    assert found["nginx.server_tokens server_tokens"] == "warning"


def test_a_configuration_that_nginx_refuses_is_critical_with_its_words(tmp_path: Path) -> None:
    answer = run_inside(NGINX, {"parts": ["nginx"]}, nginx_folder(tmp_path / "nginx", "server { listen 1; nonsense on; }"))
    assert statuses(answer) == {"nginx.valid nginx": "critical"}
    assert 'unknown directive "nonsense" in /etc/nginx/sites/a.conf:1' in answer["findings"][0]["summary"]


def test_the_configuration_that_debian_ships_is_understood() -> None:
    answer = run_module("security_configuration", {"parts": ["nginx"], "return_all": True})
    found = statuses(answer)
    assert found["nginx.valid nginx"] == "ok" and "unknown" not in found.values()
    assert answer["parts"]["nginx"] == {"installed": True, "servers": 1}


@pytest.mark.parametrize(
    ("protocols", "offered"),
    [("TLSv1.2 TLSv1.3", ["TLS 1.3", "TLS 1.2"]), ("TLSv1.3", ["TLS 1.3"]), ("TLSv1 TLSv1.1", ["TLS 1.1", "TLS 1.0"])],
)
def test_versions_of_tls_that_nginx_takes(tmp_path: Path, protocols: str, offered: list[str]) -> None:
    certificate = present().write(tmp_path / "a.pem")
    (port,) = free_ports(1)
    text = f"""server {{ listen 127.0.0.1:{port} ssl; ssl_protocols {protocols}; ssl_ciphers DEFAULT:@SECLEVEL=0;
        ssl_certificate {certificate}; ssl_certificate_key {certificate}; }}"""
    folder = nginx_folder(tmp_path / "nginx", text)
    with nginx(folder, port):
        answer = run_module("security_configuration", {"parts": ["tls"], "endpoints": [f"127.0.0.1:{port}"], "endpoint_timeout_seconds": 60})
    assert answer["parts"]["tls"]["endpoints"] == [{"endpoint": f"127.0.0.1:{port}", "versions": offered, "suites": []}]
    assert answer["status"] == ("critical" if protocols == "TLSv1 TLSv1.1" else "ok")


@pytest.mark.parametrize(
    ("arguments", "offered", "suites"),
    [
        (["-tls1_3"], ["TLS 1.3"], []),
        (["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], ["TLS 1.1"], []),
        (["-tls1_2", "-cipher", "ALL:eNULL:@SECLEVEL=0"], ["TLS 1.2"], ["without encryption", "without a certificate"]),
    ],
)
def test_versions_and_suites_that_openssl_takes(tmp_path: Path, arguments: list[str], offered: list[str], suites: list[str]) -> None:
    certificate = present().write(tmp_path / "a.pem")
    (port,) = free_ports(1)
    argv = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", certificate, "-quiet", *arguments]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "openssl does not listen"
                time.sleep(0.05)
        answer = run_module("security_configuration", {"parts": ["tls"], "endpoints": [f"127.0.0.1:{port}"], "endpoint_timeout_seconds": 60})
    finally:
        process.kill()
        process.wait(30)
    (server,) = answer["parts"]["tls"]["endpoints"]
    assert (server["versions"], server["suites"]) == (offered, suites), ssl.OPENSSL_VERSION


# sudo


def test_the_sudoers_that_debian_ships_breaks_no_rule() -> None:
    answer = run_module("security_configuration", {"parts": ["sudoers"]})
    assert answer["status"] == "ok" and answer["parts"]["sudoers"]["installed"] is True, answer["findings"]


def test_dangerous_settings_are_such_that_visudo_accepts(tmp_path: Path) -> None:
    """What the rules are about is valid: nobody else would say a word."""
    text = tmp_path / "upkeep-test"
    text.write_text(
        "Defaults env_keep += \"LD_PRELOAD\"\nDefaults !env_reset, timestamp_timeout=-1\nnobody ALL=(root) NOPASSWD: /usr/bin/tail /var/log/*\n"
        f"nobody ALL=(root) {tmp_path}/own\n"
    )
    text.chmod(0o440)
    tmp_path.chmod(0o777)
    subprocess.run(["/usr/sbin/visudo", "-c", "-f", str(text)], check=True, capture_output=True)
    answer = run_inside('mount --bind "$1" /etc/sudoers', {"parts": ["sudoers"]}, str(text))
    assert {one["rule"] for one in answer["findings"]} == {
        "sudoers.environment", "sudoers.password", "sudoers.path", "sudoers.wildcard", "sudoers.writable_command",
    }  # fmt: skip


# apt


def built(folder: Path, version: str) -> Path:
    """Build a package of this version and return its file."""
    tree = folder / f"tree-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: upkeep-test\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: a test\n"
    )
    package = folder / f"upkeep-test_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(package)], check=True, capture_output=True)
    return package


def archive(root: Path, suite: str, label: str, package: Path, dated: datetime) -> str:
    """Make an archive with one package and return its line of sources."""
    index = root / "dists" / suite / "main" / "binary-amd64"
    index.mkdir(parents=True)
    shutil.copy(package, root / package.name)
    control = subprocess.run(["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True).stdout
    sums = subprocess.run(["sha256sum", str(package)], check=True, capture_output=True, text=True).stdout.split()[0]
    (index / "Packages").write_text(f"{control}Filename: {package.name}\nSize: {package.stat().st_size}\nSHA256: {sums}\n\n")
    packages = index / "Packages"
    digest = subprocess.run(["sha256sum", str(packages)], check=True, capture_output=True, text=True).stdout.split()[0]
    (root / "dists" / suite / "Release").write_text(
        f"Origin: Test\nLabel: {label}\nSuite: {suite}\nCodename: {suite}\nDate: {format_datetime(dated)}\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {digest} {packages.stat().st_size} main/binary-amd64/Packages\n"
    )
    return f"deb [trusted=yes arch=amd64] file:{root} {suite} main\n"


def test_a_security_update_waits_is_held_and_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real apt and dpkg with a root, a database and archives of their own."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    root = tmp_path / "root"
    for folder in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg/updates", "var/lib/dpkg/info", "etc/apt/preferences.d",
                   "etc/apt/apt.conf.d", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d"):  # fmt: skip
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    old, new = built(tmp_path, "1.0"), built(tmp_path, "1.0+security1")
    sources = archive(tmp_path / "plain", "bookworm", "Debian", old, now) + archive(tmp_path / "sec", "bookworm-security", "Debian-Security", new, now)
    (root / "etc/apt/sources.list").write_text(sources)
    (tmp_path / "apt.conf").write_text(
        f'Dir "{root}/"; Dir::State::status "{root}/var/lib/dpkg/status"; Dir::Log "{root}"; APT::Architecture "amd64"; APT::Architectures {{"amd64";}};'
        'APT::Sandbox::User "root"; APT::Periodic::Update-Package-Lists "1"; APT::Periodic::Unattended-Upgrade "0";'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setenv("DPKG_ADMINDIR", str(root / "var/lib/dpkg"))

    def install(package: Path) -> None:
        argv = ["dpkg", f"--root={root}", f"--admindir={root}/var/lib/dpkg", "--force-not-root", "--install", str(package)]
        subprocess.run(argv, check=True, capture_output=True)

    def look(hours: float = 168.0) -> dict[str, str]:
        before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
        findings, _figures = inspect_updates(Limits(hours, False), now=datetime.now(timezone.utc), timeout_seconds=120.0, host=Host(str(root)))
        assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before, "looking changes nothing"
        return {f"{one.rule} {one.subject}": one.status for one in findings if one.rule not in ("updates.reboot", "updates.unattended")}

    install(old)
    assert look() == {"updates lists": "unknown", "updates.unfinished dpkg": "ok"}, "apt has no lists yet"
    subprocess.run(["apt-get", "-qq", "update"], check=True, capture_output=True)
    assert look() == {"updates.pending packages": "warning", "updates.unfinished dpkg": "ok"}
    subprocess.run(["dpkg", f"--admindir={root}/var/lib/dpkg", "--set-selections"], input="upkeep-test hold\n", text=True, check=True)
    assert look() == {"updates.kept_back upkeep-test": "warning", "updates.pending packages": "ok", "updates.unfinished dpkg": "ok"}
    subprocess.run(["dpkg", f"--admindir={root}/var/lib/dpkg", "--set-selections"], input="upkeep-test install\n", text=True, check=True)
    install(new)
    assert look() == {"updates.pending packages": "ok", "updates.unfinished dpkg": "ok"}


def test_what_is_found_on_this_machine_is_what_apt_would_install() -> None:
    """apt-get itself is asked, by another way, which updates come from an archive of security updates."""
    answer = run_module("security_configuration", {"parts": ["updates"], "timeout_seconds": 600})
    simulated = subprocess.run(["apt-get", "-s", "-o", "Debug::NoLocking=true", "dist-upgrade"], capture_output=True, text=True, check=False).stdout
    installs = {line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ") and "[" in line.split("(")[0]}
    secure = {line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ") and "-security" in line and line.split()[1] in installs}
    pending = {update["package"].partition(":")[0] for update in answer["parts"]["updates"].get("updates", []) if update["candidate"] != update["installed"]}
    assert secure <= pending or len(pending) == 200, secure - pending
    assert pending <= installs, pending - installs


# lynis


def test_lynis_runs_and_its_report_is_read(tmp_path: Path) -> None:
    """The real lynis, told by a program of its name in front of it to make three tests instead of some three hundred, which take minutes."""
    program = shutil.which("lynis", path=f"{os.environ['PATH']}:/usr/sbin")
    wrapper = tmp_path / "lynis"
    wrapper.write_text(f'#!/bin/sh\nexec {program} "$@" --skip-plugins --tests "AUTH-9262 SSH-7408 KRNL-5820"\n')
    wrapper.chmod(0o755)
    options = {"parts": ["lynis"], "lynis_run": True, "lynis_timeout_seconds": 800, "lynis_warning_index": 1}
    answer = run_inside('mount -t tmpfs tmpfs /var/log; export PATH="$1:$PATH"', options, str(tmp_path))
    figures = answer["parts"]["lynis"]
    assert figures["installed"] is True and 0 < figures["index"] <= 100, answer["findings"]
    assert {"KRNL-5820", "AUTH-9262"} & {one["test"] for one in figures["suggestions"]} and figures["version"]
    found = statuses(answer)
    assert "unknown" not in found.values() and all(name.startswith("lynis.") for name in found)


def test_lynis_does_not_run_in_check_mode() -> None:
    answer = run_inside("mount -t tmpfs tmpfs /var/log", {"parts": ["lynis"], "lynis_run": True, "_ansible_check_mode": True})
    assert answer["parts"]["lynis"] == {"installed": True, "report": None} and answer["status"] == "ok"
