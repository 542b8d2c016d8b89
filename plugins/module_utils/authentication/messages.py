# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one message of sshd, PAM, sudo, su or login says about a login.

Names in these messages are chosen by whoever knocks. A user called ``root from 192.0.2.1 port 22 ssh2`` must blame nobody
else, so a message is read from its right end, where the program itself writes, and one that can be read in two ways names
no address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

SSH, SUDO, SU, LOGIN = "ssh", "sudo", "su", "login"
SSHD_PROGRAMS = ("sshd", "sshd-session", "sshd-auth")
PROGRAMS = (*SSHD_PROGRAMS, "sudo", "su", "login")

#: What a message may be: an attempt that failed, a login or a right that was used, a right that was refused.
FAILED, ACCEPTED, REFUSED = "failed", "accepted", "refused"

#: Methods by which nobody guesses.
_KEYS = ("publickey", "hostbased")

_MAX_NAME = 256
_MAX_REPEATS = 100_000


class Sign(NamedTuple):
    """What a message says.

    :ivar kind: one of FAILED, ACCEPTED, REFUSED.
    :ivar service: ``ssh``, ``sudo``, ``su``, ``login`` or the name that PAM gives the service.
    :ivar witness: which kind of message it is. One attempt is often told by several messages of different kinds.
    :ivar user: as it was given; None when the message names none.
    :ivar exists: false when the program says that there is no such user; None when it does not say.
    :ivar address: IP address, or a host name where the service resolves names; None when there is none, or when the
        message can be read in two ways.
    :ivar method: how the user wanted to prove who they are, such as ``password``.
    :ivar times: how many attempts the message stands for.
    """

    kind: str
    service: str
    witness: str
    user: str | None = None
    exists: bool | None = None
    address: str | None = None
    method: str | None = None
    times: int = 1


_REPEATED = re.compile(r"message repeated (\d+) times: \[ ?(.*)\]\s*\Z", re.DOTALL)
# Greedy names reach to the last " from ": what stands right of a name is written by sshd.
_TRIED = re.compile(
    r"(Failed|Accepted) (\S+) for (invalid user |illegal user )?(.*) from (\S+) port (\d+)(?: ssh2?)?(: .*)?\Z", re.DOTALL
)
_TRIED_PLACE = re.compile(r" from \S+ port \d+(?: ssh2?)?(?=: )")
_INVALID = re.compile(r"(?:Invalid|Illegal) user (.*) from (\S+)(?: port \d+)?\Z", re.DOTALL)
_MAXIMUM = re.compile(
    r"(?:error: )?maximum authentication attempts exceeded for (invalid user )?(.*) from (\S+) port \d+(?: ssh2?)?\Z", re.DOTALL
)
_CLOSED = re.compile(
    r"(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) (authenticating|invalid) user (.*) (\S+) port \d+"
    r"(?:: Too many authentication failures)?\Z", re.DOTALL,
)
#: Up to the first " for ", and no further: each other one would be tried to the end of the line.
_PAM_ERROR = re.compile(r"error: PAM: (?:(?! for ).)* for (illegal user |invalid user )?(.*) from (\S+)\Z", re.DOTALL)
_PAM_MODULE = re.compile(
    r"pam_\w+\(([\w.+-]{1,64}):auth\): authentication failure; logname=(\S*) uid=\d* euid=\d* tty=\S* ruser=(\S*) "
    r"rhost=(\S*)\s*(?:user=(.*))?\Z", re.DOTALL,
)
_PAM_MORE = re.compile(
    r"PAM (\d{1,6}) more authentication failures?; logname=\S* uid=\d* euid=\d* tty=\S* ruser=\S* rhost=(\S*)\s*"
    r"(?:user=(.*))?\Z", re.DOTALL,
)
_SUDO = re.compile(r"\s*(\S+) : (.*?) ?; (?:TTY|HOST|PWD|USER|TSID)=", re.DOTALL)
_SUDO_RUN = re.compile(r"\s*(\S+) : (?:HOST|TTY|PWD|USER)=")
_SUDO_WRONG = re.compile(r"(\d{1,6}) incorrect password attempts?\Z")
_SU_FAILED = re.compile(r"FAILED SU \(to (.*)\) (\S+) on (\S+)\Z", re.DOTALL)
_SU_DONE = re.compile(r"\(to (.*)\) (\S+) on (\S+)\Z", re.DOTALL)
_LOGIN_FAILED = re.compile(
    r"FAILED LOGIN (?:SESSION|\(?\d+\)?) (?:from|on) '?([^' ]*)'? (?:from '?([^' ]*)'? )?FOR '?(.*?)'?, [^,']*\Z",
    re.DOTALL | re.IGNORECASE,
)
_LOGIN_DONE = re.compile(
    r"(ROOT )?LOGIN +on '?([^' ]+)'?(?: BY '?([^' ]*)'?)?(?: from '?([^' ]+)'?)?\Z", re.IGNORECASE
)
_TERMINAL = re.compile(r"/dev/|tty|pts|console")


def read_message(program: str, text: str) -> Sign | None:
    """Return what a message says about a login, or None when it says nothing about one.

    :param program: who wrote it, without its process id.
    :param text: the message, without time, host and program.
    """
    repeated = _REPEATED.match(text)
    repeats = 1
    if repeated:
        repeats, text = min(int(repeated[1][:9]), _MAX_REPEATS), repeated[2]
    text = text.removesuffix(" [preauth]")
    sign = _READERS.get(program, lambda _text: None)(text) or _pam(text)
    return sign._replace(times=sign.times * repeats) if sign else None


@lru_cache(maxsize=4096)
def address_of(text: str | None) -> str | None:
    """Return an address in its one form, a host name as it is, and None for nothing (``UNKNOWN`` too)."""
    if not text or text in ("UNKNOWN", "?"):
        return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:_MAX_NAME]
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _sshd(text: str) -> Sign | None:
    return _tried(text) or _invalid(text) or _closed(text) or _pam_error(text)


def _tried(text: str) -> Sign | None:
    match = _TRIED.match(text)
    if not match or match[2] == "none":  # "none" is how a client asks which methods there are
        return None
    result, method, invalid, user, address, _port, key = match.groups()
    # After a key stands text of whoever made the certificate. If it looks like a place, too, nobody is blamed.
    two_ways = bool(key) and len(_TRIED_PLACE.findall(text)) > 1
    if two_ways:
        user, address = "", ""
    return Sign(
        FAILED if result == "Failed" else ACCEPTED, SSH, "key" if method in _KEYS else "tried", user=user[:_MAX_NAME] or None,
        exists=False if invalid else None if two_ways else True, address=address_of(address), method=method[:64],
    )


def _invalid(text: str) -> Sign | None:
    match = _INVALID.match(text)
    return match and Sign(
        FAILED, SSH, "invalid", user=match[1][:_MAX_NAME], exists=False, address=address_of(match[2])
    )


def _closed(text: str) -> Sign | None:
    match = _MAXIMUM.match(text)
    if match:
        return Sign(FAILED, SSH, "maximum", user=match[2][:_MAX_NAME], exists=not match[1], address=address_of(match[3]))
    match = _CLOSED.match(text)
    return match and Sign(
        FAILED, SSH, "closed", user=match[2][:_MAX_NAME], exists=match[1] != "invalid", address=address_of(match[3])
    )


def _pam_error(text: str) -> Sign | None:
    match = _PAM_ERROR.match(text)
    return match and Sign(
        FAILED, SSH, "pam_error", user=match[2][:_MAX_NAME], exists=not match[1], address=address_of(match[3]),
        method="keyboard-interactive/pam",
    )


def _pam(text: str) -> Sign | None:
    match = _PAM_MODULE.match(text)
    if match:
        service, logname, ruser, rhost, user = match.groups()
        service = {"sshd": SSH, "su-l": SU, "sudo-i": SUDO}.get(service, service)
        # Of sudo and su it counts who asks; of the others, who they want to be.
        user = (ruser or logname or user) if service in (SUDO, SU) else user
        return Sign(FAILED, service, "pam", user=user[:_MAX_NAME] if user else None, address=address_of(rhost), method="password")
    match = _PAM_MORE.match(text)
    return match and Sign(
        FAILED, SSH, "pam", user=match[3][:_MAX_NAME] if match[3] else None, address=address_of(match[2]), method="password",
        times=int(match[1]),
    )


def _sudo(text: str) -> Sign | None:
    if _SUDO_RUN.match(text):
        return Sign(ACCEPTED, SUDO, "sudo", user=text.split(" : ", 1)[0].strip()[:_MAX_NAME])
    match = _SUDO.match(text)
    if not match:
        return None
    user, said = match[1][:_MAX_NAME], match[2]
    wrong = _SUDO_WRONG.match(said)
    if wrong:
        return Sign(FAILED, SUDO, "sudo", user=user, method="password", times=int(wrong[1]))
    if "NOT in sudoers" in said or "not allowed" in said or "NOT authorized" in said:
        return Sign(REFUSED, SUDO, "sudo", user=user)
    return None


def _su(text: str) -> Sign | None:
    match = _SU_FAILED.match(text)
    if match:
        return Sign(FAILED, SU, "su", user=match[2][:_MAX_NAME], method="password")
    match = _SU_DONE.match(text)
    return match and Sign(ACCEPTED, SU, "su", user=match[2][:_MAX_NAME])


def _login(text: str) -> Sign | None:
    match = _LOGIN_FAILED.match(text)
    if match:
        # Some versions write the host where others write the terminal.
        host = match[2] or (None if _TERMINAL.match(match[1]) else match[1])
        return Sign(FAILED, LOGIN, "login", user=match[3][:_MAX_NAME], address=address_of(host), method="password")
    match = _LOGIN_DONE.match(text)
    return match and Sign(
        ACCEPTED, LOGIN, "login", user="root" if match[1] else (match[3] or "")[:_MAX_NAME], address=address_of(match[4]),
        method="password",
    )


_READERS: dict[str, Callable[[str], Sign | None]] = {
    **dict.fromkeys(SSHD_PROGRAMS, _sshd), "sudo": _sudo, "su": _su, "login": _login,
}
