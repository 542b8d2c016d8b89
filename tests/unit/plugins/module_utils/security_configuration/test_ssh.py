"""What sshd says of its settings beside the rules, and which connections its Match blocks concern."""

from __future__ import annotations

import grp
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding, Overrides
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh import (
    inspect_ssh,
    judge_settings,
    member_of,
    read_settings,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh_matches import (
    Block,
    NotUnderstood,
    connection_of,
    read_blocks,
)


def judged(line: str, overrides: Overrides = Overrides()) -> Finding:
    (finding,) = judge_settings(read_settings(line), overrides)
    return finding


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("permitrootlogin yes", "critical"), ("permitrootlogin no", "ok"), ("permitrootlogin without-password", "ok"),
        ("permitrootlogin prohibit-password", "ok"), ("permitrootlogin forced-commands-only", "ok"), ("permitrootlogin \x1b[2J", "critical"),
        ("passwordauthentication yes", "warning"), ("passwordauthentication no", "ok"), ("kbdinteractiveauthentication yes", "warning"),
        ("permitemptypasswords yes", "critical"), ("hostbasedauthentication yes", "critical"), ("ignorerhosts no", "warning"),
        ("ignorerhosts shosts-only", "ok"), ("strictmodes no", "critical"), ("permituserenvironment LANG,LC_*", "warning"),
        ("x11forwarding yes", "warning"), ("permittunnel point-to-point", "warning"), ("gatewayports clientspecified", "warning"),
        ("maxauthtries 6", "ok"), ("maxauthtries 7", "warning"), ("maxauthtries many", "warning"),
        ("logingracetime 120", "ok"), ("logingracetime 121", "warning"), ("logingracetime 0", "warning"),
        ("loglevel QUIET", "warning"), ("loglevel VERBOSE", "ok"),
        ("ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-ctr", "ok"), ("ciphers aes128-ctr,aes128-cbc", "warning"),
        ("ciphers 3des-cbc", "warning"), ("ciphers rijndael-cbc@lysator.liu.se", "warning"),
        ("macs umac-64-etm@openssh.com,hmac-sha2-256,hmac-sha1", "ok"), ("macs hmac-md5-etm@openssh.com", "warning"), ("macs hmac-sha1-96", "warning"),
        ("kexalgorithms curve25519-sha256,diffie-hellman-group14-sha256,sntrup761x25519-sha512@openssh.com", "ok"),
        ("kexalgorithms diffie-hellman-group14-sha1", "warning"), ("kexalgorithms diffie-hellman-group1-sha1", "warning"),
        ("hostkeyalgorithms ssh-ed25519,rsa-sha2-512", "ok"), ("hostkeyalgorithms rsa-sha2-512,ssh-rsa", "warning"),
        ("pubkeyacceptedalgorithms ssh-dss", "warning"), ("pubkeyacceptedalgorithms ssh-rsa-cert-v01@openssh.com", "warning"),
    ],
)  # fmt: skip
def test_a_setting_beside_its_rule(line: str, status: str) -> None:
    finding = judged(line)
    assert finding.status == status
    assert bool(finding.hint) is (status != "ok")
    assert "\x1b" not in str(finding.row())


def test_the_finding_says_what_and_why() -> None:
    row = judged("ciphers aes128-ctr,aes128-cbc,3des-cbc").row()
    assert (row["check"], row["subject"], row["value"]) == ("configuration.ssh", "Ciphers", "aes128-cbc, 3des-cbc")
    assert "Ciphers allows aes128-cbc, 3des-cbc:" in row["summary"] and "Ciphers -aes128-cbc" in row["hint"]


def test_a_platform_may_accept_other_values() -> None:
    assert judged("ciphers aes128-cbc", Overrides(accepted={"ssh.ciphers": ("aes128-cbc",)})).status == "ok"
    assert judged("ciphers aes128-cbc,3des-cbc", Overrides(accepted={"ssh.ciphers": ("aes128-cbc",)})).value == "3des-cbc"
    assert judged("maxauthtries 4", Overrides(limits={"ssh.max_auth_tries": 3})).status == "warning"
    assert judged("passwordauthentication yes", Overrides(accepted={"ssh.password_authentication": ("yes",)})).status == "ok"
    assert judged("passwordauthentication no", Overrides(accepted={"ssh.password_authentication": ("yes",)})).status == "warning"


def test_a_keyword_that_this_version_does_not_know_has_no_row() -> None:
    assert judge_settings(read_settings("somethingnew yes\n\nport 22"), Overrides()) == []


# Match blocks


def nobody(_pattern: str) -> str | None:
    return None


@pytest.mark.parametrize(
    ("text", "connection"),
    [
        ("User alice", "user=alice,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"),
        ("User !root,al*", "user=alx,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"),
        ("user=alice address=10.1.0.0/16", "user=alice,host=localhost,addr=10.1.0.1,laddr=127.0.0.1,lport=22"),
        ("Address 192.0.2.7/32", "user=nobody,host=localhost,addr=192.0.2.7,laddr=127.0.0.1,lport=22"),
        ("Address 192.0.2.*", "user=nobody,host=localhost,addr=192.0.2.1,laddr=127.0.0.1,lport=22"),
        ("Address 2001:db8::/32", "user=nobody,host=localhost,addr=2001:db8::1,laddr=127.0.0.1,lport=22"),
        ("Host *.example.com LocalPort 2222", "user=nobody,host=x.example.com,addr=127.0.0.1,laddr=127.0.0.1,lport=2222"),
        ("LocalAddress 10.0.0.0/8", "user=nobody,host=localhost,addr=127.0.0.1,laddr=10.0.0.1,lport=22"),
        ("all", "user=nobody,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"),
    ],
)
def test_the_connection_of_a_block(text: str, connection: str) -> None:
    assert connection_of(Block(text, tuple(text.split())), nobody) == connection


@pytest.mark.parametrize("text", ["RDomain x", "User !root", "Address 10.0.0.0/33", "User a=b", "User", "User a$(x)", "Invalid-User"])
def test_a_block_that_is_not_understood_is_said(text: str) -> None:
    with pytest.raises(NotUnderstood):
        connection_of(Block(text, tuple(text.split())), nobody)


def test_a_block_for_a_group_concerns_a_member() -> None:
    block = Block("Group sftp*", ("Group", "sftp*"))
    assert connection_of(block, nobody) is None
    assert (connection_of(block, lambda pattern: "bob" if pattern == "sftp*" else None) or "").startswith("user=bob,")
    assert member_of("no-such-group-*") is None
    assert member_of(grp.getgrgid(0).gr_name) == "root"


def prepared(root: Path, **files: str) -> Host:
    for name, text in files.items():
        path = root / "etc" / "ssh" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(str(root))


def test_blocks_are_found_through_includes(tmp_path: Path) -> None:
    host = prepared(
        tmp_path, sshd_config='Include /etc/ssh/sshd_config.d/*.conf\nMatch User "alice b" # c\n  X11Forwarding yes\nmatch=User carol\n#Match User no\n',
        **{"sshd_config.d__a.conf": "Include sshd_config\nMatch Address 10.0.0.0/8\nMatch User carol\n"},
    )  # fmt: skip
    assert [block.text for block in read_blocks(host)] == ["User alice b", "User carol", "Address 10.0.0.0/8"]


def test_a_file_of_blocks_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    host = prepared(tmp_path, sshd_config="Include fifo\n")
    os.mkfifo(tmp_path / "etc" / "ssh" / "fifo")
    with pytest.raises(Unseen):
        read_blocks(host)


# Programs


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "sshd").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sshd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, **options: Any) -> list[tuple[str, str, str]]:
    programs(tmp_path / "bin", monkeypatch, script)
    findings, _figures = inspect_ssh(Overrides(), **{"timeout_seconds": 20.0, "host": Host(str(tmp_path)), **options})
    return [(finding.rule, finding.subject, finding.status) for finding in findings]


def test_settings_inside_of_a_block_are_told_where_they_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = prepared(tmp_path, sshd_config="Match User alice\nMatch RDomain x\n")
    script = 'echo x11forwarding yes; case "$*" in *user=alice*) echo permitrootlogin yes;; *) echo permitrootlogin no;; esac'
    assert inspected(tmp_path, monkeypatch, script, host=host) == [
        ("ssh.valid", "sshd", "ok"),
        ("ssh.permit_root_login", "PermitRootLogin", "ok"),
        ("ssh.x11_forwarding", "X11Forwarding", "warning"),
        ("ssh.permit_root_login", "PermitRootLogin (Match User alice)", "critical"),
        ("ssh", "Match RDomain x", "unknown"),
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '/etc/ssh/sshd_config: line 3: Bad configuration option: Foo' >&2; exit 255", ("ssh.valid", "sshd", "critical")),
        ("echo '/etc/ssh/sshd_config line 3: missing argument.' >&2; exit 255", ("ssh.valid", "sshd", "critical")),
        ("echo 'sshd: no hostkeys available -- exiting.' >&2; exit 1", ("ssh", "sshd", "unknown")),
        ("echo 'Missing privilege separation directory: /run/sshd' >&2; exit 255", ("ssh", "sshd", "unknown")),
        ("exec sleep 60", ("ssh", "sshd", "unknown")),
        ("exec head -c 3000000 /dev/zero", ("ssh", "sshd", "unknown")),
    ],
)
def test_an_sshd_that_does_not_answer_is_unknown_and_one_that_refuses_its_configuration_critical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: tuple[str, str, str]
) -> None:
    assert inspected(tmp_path, monkeypatch, script, timeout_seconds=0.5 if "sleep" in script else 20.0) == [expected]


def test_a_newer_sshd_answers_without_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'if [ "$1" = -G ]; then echo x11forwarding no; else echo "Missing privilege separation directory: /run/sshd" >&2; exit 255; fi'
    assert inspected(tmp_path, monkeypatch, script) == [("ssh.valid", "sshd", "ok"), ("ssh.x11_forwarding", "X11Forwarding", "ok")]
