# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of probe options: what is accepted, and how it is said when something is not.

Inventories give numbers as text and text as numbers, as templates happen to produce them; both are understood.
"""

from __future__ import annotations

import os
import re
import socket
from typing import Any, Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import parse_url

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}

#: Turns a value into what the probe works with; raises ValueError with "must be …, not …" when it cannot.
Converter = Callable[[Any], Any]


def text(value: Any) -> str:
    """Accept text that is not empty, or a number where a template made one of it."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or str(value) == "":
        raise ValueError(f"must be a text that is not empty, not {value!r}")
    if "\0" in str(value):
        raise ValueError("must be a text without NUL characters")
    return str(value)


def path(value: Any) -> str:
    """Accept a path; a leading ~ stands for a home directory."""
    return os.path.expanduser(text(value))


def token(value: Any) -> str:
    """Accept a text without white space and control characters, which does not look like a command line option."""
    result = text(value)
    if re.search(r"[\x00-\x20\x7f]", result) or result.startswith("-"):
        raise ValueError(f"must be a name without spaces that does not begin with -, not {value!r}")
    return result


def unit(value: Any) -> str:
    """Accept the name of one systemd unit; a wildcard would mean several."""
    result = token(value)
    if not re.fullmatch(r"[A-Za-z0-9:_.\\@-]+", result):
        raise ValueError(f"must be the name of one systemd unit, not {value!r}")
    return result


def ip_address(value: Any) -> str:
    """Accept an IPv4 or IPv6 address and return its usual form."""
    result = token(value)
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, result))
        except OSError:
            continue
    raise ValueError(f"must be an IPv4 or IPv6 address, not {value!r}")


def boolean(value: Any) -> bool:
    """Accept true and false, also as Ansible spells them in text."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"must be true or false, not {value!r}")
    return word in _TRUE


def whole(low: int, high: int) -> Converter:
    """Accept a whole number within bounds."""

    def convert(value: Any) -> int:
        try:
            number = int(str(value)) if not isinstance(value, bool) else None
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return number

    return convert


def number(low: float, high: float) -> Converter:
    """Accept a number within bounds."""

    def convert(value: Any) -> float:
        try:
            result = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError):
            result = None
        if result is None or not low <= result <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value!r}")
        return result

    return convert


def choice(*accepted: str) -> Converter:
    """Accept one of the words."""

    def convert(value: Any) -> str:
        if value not in accepted:
            raise ValueError(f"must be one of {', '.join(accepted)}, not {value!r}")
        return str(value)

    return convert


def list_of(item: Converter) -> Converter:
    """Accept a list that is not empty; a single value stands for a list of one."""

    def convert(value: Any) -> list[Any]:
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values:
            raise ValueError("must be a list that is not empty")
        return [item(entry) for entry in values]

    return convert


def pattern(value: Any) -> str:
    """Accept a regular expression of Python."""
    result = text(value)
    try:
        re.compile(result)
    except re.error as exc:
        raise ValueError(f"must be a regular expression of Python, not {result!r} ({exc})") from None
    return result


def url(*schemes: str) -> Converter:
    """Accept a URL of one of the schemes; a message never repeats the URL, which may hold a password."""

    def convert(value: Any) -> str:
        result = text(value)
        try:
            parse_url(result, schemes)
        except ValueError as exc:
            raise ValueError(f"must be a URL, but {exc}") from None
        return result

    return convert


def method(value: Any) -> str:
    """Accept an HTTP method."""
    result = text(value).upper()
    if not re.fullmatch(r"[A-Z]{1,20}", result):
        raise ValueError(f"must be an HTTP method such as GET or HEAD, not {value!r}")
    return result


def redirects(value: Any) -> int:
    """Accept how many redirects are followed; true and false stand for 5 and none."""
    if isinstance(value, bool) or str(value).lower() in ("true", "false", "yes", "no"):
        return 5 if boolean(value) else 0
    return int(whole(0, 20)(value))


def header_value(value: Any) -> str:
    """Accept the value of a header; it cannot begin another header. A message never repeats it: it may be a secret."""
    if not isinstance(value, (str, int, float)) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", str(value)):
        raise ValueError("must be texts on one line")
    return str(value)


def headers(item: Converter) -> Converter:
    """Accept a dictionary of header names, each with a value that ``item`` accepts."""

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("must be a dictionary of header names and values")
        for name in value:
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"has a key that is no header name: {name!r}")
        return {name: item(entry) for name, entry in value.items()}

    return convert
