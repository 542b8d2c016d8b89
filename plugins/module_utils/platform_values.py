# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the texts of a platform description are read: paths, URLs, host names, units, users.

Each function returns the text normalized and raises ValueError with a message that says what is accepted. Messages end
up behind the path of the value ("services[0].unit: …").
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import JSON, read_format
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import login_pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_problems import shown

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,255}")
_UNIT_TYPE = re.compile(r"\.(?:service|socket|timer|target|mount|path)\Z")
_DIGITS = re.compile(r"[0-9]{1,5}")
_SETTINGS_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LABEL_OF_BACKUPS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MODE = re.compile(r"0[0-7]{3}")
_REPOSITORY = re.compile(r"/\S+|(?:sftp|rest|s3|swift|b2|azure|gs|rclone):\S+")
_MAIL_OR_PHONE = re.compile(r"[^\s@]+@[^\s@]+|\+?[0-9][0-9 ()/-]{2,30}")


def read_line(text: str) -> str:
    """Read a text of one line that is not empty, such as a name."""
    text = text.strip()
    if not text or len(text) > 100 or not text.isprintable():
        raise ValueError(f"must be a text of one line with 1 to 100 characters, not {shown(text)}")
    return text


def read_member(text: str) -> str:
    """Read the name of a member of a backup, wildcards allowed: a path, which may be long."""
    if not text.strip() or len(text) > 4000 or not text.isprintable():
        raise ValueError("must be the name of a member, of one line with 1 to 4000 characters")
    return text


def read_free(text: str) -> str:
    """Read a text that is passed on as it is: an expected body, a message, a pattern."""
    if not text or len(text) > 4000 or "\0" in text:
        raise ValueError("must be a text with 1 to 4000 characters and no NUL")
    return text


def read_pattern(text: str) -> str:
    """Read a regular expression."""
    try:
        re.compile(read_free(text))
    except re.error as error:
        raise ValueError(f"must be a regular expression; {shown(text)} is none: {error}") from None
    return text


def read_log_format(text: str) -> str:
    """Read the format of an access log: the name of one, or the ``log_format`` of nginx."""
    try:
        if text != JSON:
            read_format(text, "it")
    except UpkeepError as error:
        raise ValueError(f"must be the format of an access log; {error.message.removeprefix('it: ')}") from None
    return text


def read_login_route(text: str) -> str:
    """Read the pattern of a path on which somebody logs in, with a method or without."""
    try:
        login_pattern([text], "it")
    except UpkeepError as error:
        raise ValueError(f"must be the pattern of a path; {error.message.removeprefix('it: ')}") from None
    return text


def read_path(text: str) -> str:
    """Read an absolute path without wildcards; doubled and trailing slashes go."""
    path = read_glob(text)
    if re.search(r"[*?\[]", path):
        raise ValueError(f"must be one path without wildcards, not {shown(text)}")
    return path


def read_glob(text: str) -> str:
    """Read an absolute path that may hold the wildcards ``*``, ``?`` and ``[…]``."""
    path = text.strip()
    if not path.startswith("/") or not path.isprintable() or ".." in path.split("/"):
        raise ValueError(f'must be an absolute path without "..", such as /opt/app, not {shown(text)}')
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def read_name_glob(text: str) -> str:
    """Read the name of a file in a folder, which may hold the wildcards ``*``, ``?`` and ``[…]``."""
    name = read_line(text)
    if "/" in name or name in (".", ".."):
        raise ValueError(f"must be a name without folders, such as backup_*.tar.gz, not {shown(text)}")
    return name


def read_user(text: str) -> str:
    """Read the name of a user of the hosts."""
    if not _USER.fullmatch(text.strip()):
        raise ValueError(f"must be the name of a user, such as www-data, not {shown(text)}")
    return text.strip()


def read_unit(text: str) -> str:
    """Read the name of a systemd unit; without a type it is a service, as for systemctl."""
    unit = text.strip()
    if not _UNIT.fullmatch(unit):
        raise ValueError(f"must be the name of a systemd unit, such as nginx.service, not {shown(text)}")
    return unit if _UNIT_TYPE.search(unit) else f"{unit}.service"


def read_word(text: str) -> str:
    """Read a lower-case identifier, such as a role or an audience."""
    if not _WORD.fullmatch(text.strip()):
        raise ValueError(f"must be a word of lower-case letters, digits and _, not {shown(text)}")
    return text.strip()


def read_settings_key(text: str) -> str:
    """Read the name of a key of a file of settings."""
    if not _SETTINGS_KEY.fullmatch(text.strip()):
        raise ValueError(f"must be the name of a key, such as JWT_SECRET, not {shown(text)}")
    return text.strip()


def read_host(text: str) -> str:
    """Read a host name or an IP address."""
    host = text.strip().strip("[]")
    if not _HOST.fullmatch(host) and not _is_ipv6(host):
        raise ValueError(f"must be a host name or an IP address, not {shown(text)}")
    return host


def read_network(text: str) -> str:
    """Read an IP address, or a network such as 192.0.2.0/24."""
    # Late, since Ansible loads what filters need in each worker process.
    import ipaddress

    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise ValueError(f"must be an address or a network, such as 10.1.0.0/16 or 2001:db8::/32, not {shown(text)}") from None


def split_host_port(text: str) -> tuple[str, int]:
    """Split ``host:port``; raises ValueError with what is accepted."""
    host, _colon, port = text.strip().rpartition(":")
    bare_ipv6 = ":" in host and not host.startswith("[")
    if bare_ipv6 or not _DIGITS.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError(f"must be host:port, such as www.example.com:443 or [2001:db8::1]:443, not {shown(text)}")
    return read_host(host), int(port)


def read_http_url(text: str) -> str:
    """Read a URL that starts with http:// or https://."""
    return _read_url(text, ("http", "https"))


def read_websocket_url(text: str) -> str:
    """Read a URL that starts with ws:// or wss://."""
    return _read_url(text, ("ws", "wss"))


def read_redis_url(text: str) -> str:
    """Read a URL that starts with redis://, rediss:// or unix://."""
    return _read_url(text, ("redis", "rediss", "unix"))


def read_contact_address(text: str) -> str:
    """Read a mail address or a telephone number."""
    if not _MAIL_OR_PHONE.fullmatch(text.strip()):
        raise ValueError(f"must be a mail address or a telephone number, not {shown(text)}")
    return text.strip()


def read_label(text: str) -> str:
    """Read what the names of archives begin with."""
    if not _LABEL_OF_BACKUPS.fullmatch(text.strip()):
        raise ValueError(f"must be letters, digits, dots, dashes and underscores, such as shop-app, not {shown(text)}")
    return text.strip()


def read_mode(text: str) -> str:
    """Read the mode of a file, four octal digits; without quotes YAML makes another number of them."""
    if not _MODE.fullmatch(text.strip()):
        raise ValueError(f'must be four octal digits in quotes, such as "0600", not {shown(text)}')
    return text.strip()


def read_repository(text: str) -> str:
    """Read where a restic repository is: an absolute path, or another place with its prefix."""
    if not _REPOSITORY.fullmatch(text.strip()) or len(text) > 500 or not text.isprintable():
        raise ValueError(f"must be an absolute path or begin with sftp:, rest:, s3: or another prefix of restic, not {shown(text)}")
    return text.strip()


def read_upper(text: str) -> str:
    """Read a word in capital letters, such as an HTTP method."""
    return text.strip().upper()


def read_signal(text: str) -> str:
    """Fold the spellings of a signal: ``sigusr1`` is ``USR1``."""
    name = text.strip().upper()
    return name[3:] if name.startswith("SIG") else name


def _read_url(text: str, schemes: tuple[str, ...]) -> str:
    url = text.strip()
    accepted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and _has_host(parts) and url.isprintable() and " " not in url
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"must be a URL that starts with {accepted} and names a host, not {shown(url)}")
    return url


def _has_host(parts: SplitResult) -> bool:
    if parts.scheme == "unix":
        return parts.path.startswith("/")
    host = parts.hostname or ""
    # Reading `port` raises ValueError when it is no port.
    return bool(_HOST.fullmatch(host) or _is_ipv6(host)) and parts.port != 0


def _is_ipv6(host: str) -> bool:
    import ipaddress

    try:
        return bool(ipaddress.IPv6Address(host))
    except ValueError:
        return False
