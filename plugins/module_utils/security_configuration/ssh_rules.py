# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of sshd, as data: keyword as ``sshd -T`` prints it, what is accepted, how bad another value is, and why."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Rule

#: How a value is compared.
ONE_OF, AT_MOST, NO_WEAK = "one_of", "at_most", "no_weak"


class SshRule(NamedTuple):
    """A rule about one keyword.

    :ivar keyword: as the manual writes it; ``sshd -T`` prints it in lower case.
    :ivar kind: how ``accepted`` is meant: the values that are accepted; the largest number, where 0 means no limit and is too
        large; or patterns of algorithms that are weak.
    """

    rule: Rule
    keyword: str
    kind: str
    accepted: tuple[str, ...]


def _rule(name: str, keyword: str, kind: str, accepted: tuple[str, ...], severity: str, why: str, advice: str = "") -> SshRule:
    hint = advice or f"Set {keyword} {accepted[0]} in /etc/ssh/sshd_config.d, then: sshd -t && systemctl reload ssh"
    return SshRule(Rule(f"ssh.{name}", severity, why, hint), keyword, kind, accepted)


_ALGORITHMS = "Take it out of {0} in /etc/ssh/sshd_config.d (such as {0} -{1}), then: sshd -t && systemctl reload ssh"

RULES: tuple[SshRule, ...] = (
    _rule(
        "permit_root_login", "PermitRootLogin", ONE_OF, ("no", "prohibit-password", "without-password", "forced-commands-only"), CRITICAL,
        "one guessed password gives all rights, and nobody knows whose hand it was",
    ),
    _rule(
        "password_authentication", "PasswordAuthentication", ONE_OF, ("no",), WARNING, "passwords are guessed day and night; keys are not",
    ),
    _rule(
        "kbd_interactive_authentication", "KbdInteractiveAuthentication", ONE_OF, ("no",), WARNING,
        "through PAM it takes passwords even where PasswordAuthentication is no",
    ),
    _rule("permit_empty_passwords", "PermitEmptyPasswords", ONE_OF, ("no",), CRITICAL, "an account without a password is open to everybody"),
    _rule(
        "hostbased_authentication", "HostbasedAuthentication", ONE_OF, ("no",), CRITICAL, "who takes one host then has all that trust it",
    ),
    _rule("ignore_rhosts", "IgnoreRhosts", ONE_OF, ("yes", "shosts-only"), WARNING, "users may then say which hosts are trusted"),
    _rule("strict_modes", "StrictModes", ONE_OF, ("yes",), CRITICAL, "keys count that others than their owner can write"),
    _rule(
        "permit_user_environment", "PermitUserEnvironment", ONE_OF, ("no",), WARNING, "users get around what their keys are restricted to (LD_PRELOAD)",
    ),
    _rule(
        "x11_forwarding", "X11Forwarding", ONE_OF, ("no",), WARNING, "who holds the server can watch and type on the screen of whoever logs in",
    ),
    _rule("permit_tunnel", "PermitTunnel", ONE_OF, ("no",), WARNING, "it joins networks past every firewall"),
    _rule(
        "gateway_ports", "GatewayPorts", ONE_OF, ("no",), WARNING, "forwarded ports are open to the network instead of to the host alone",
    ),
    _rule("max_auth_tries", "MaxAuthTries", AT_MOST, ("6",), WARNING, "each connection may try so many passwords"),
    _rule("login_grace_time", "LoginGraceTime", AT_MOST, ("120",), WARNING, "connections that never log in hold their places"),
    _rule(
        "log_level", "LogLevel", ONE_OF, ("INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"), WARNING, "logins leave no trace",
    ),
    _rule(
        "ciphers", "Ciphers", NO_WEAK, ("3des*", "*-cbc", "*-cbc@*", "arcfour*", "blowfish*", "cast128*", "none"), WARNING,
        "CBC, RC4 and 64-bit ciphers leak what is said", _ALGORITHMS.format("Ciphers", "aes128-cbc"),
    ),
    _rule(
        "macs", "MACs", NO_WEAK, ("hmac-md5*", "hmac-ripemd160*", "*-96", "*-96-*", "umac-32*", "none"), WARNING,
        "MD5 and short checksums let somebody in between change what is said", _ALGORITHMS.format("MACs", "hmac-md5"),
    ),
    _rule(
        "kex_algorithms", "KexAlgorithms", NO_WEAK, ("diffie-hellman-group1-*", "*-sha1"), WARNING,
        "SHA-1 and groups of 1024 bits are within reach of attackers with money",
        _ALGORITHMS.format("KexAlgorithms", "diffie-hellman-group14-sha1"),
    ),
    _rule(
        "host_key_algorithms", "HostKeyAlgorithms", NO_WEAK, ("ssh-dss*", "ssh-rsa", "ssh-rsa-cert-*"), WARNING,
        "signatures with DSA or SHA-1 can be forged", _ALGORITHMS.format("HostKeyAlgorithms", "ssh-rsa"),
    ),
    _rule(
        "pubkey_accepted_algorithms", "PubkeyAcceptedAlgorithms", NO_WEAK, ("ssh-dss*", "ssh-rsa", "ssh-rsa-cert-*"), WARNING,
        "signatures with DSA or SHA-1 can be forged", _ALGORITHMS.format("PubkeyAcceptedAlgorithms", "ssh-rsa"),
    ),
)
