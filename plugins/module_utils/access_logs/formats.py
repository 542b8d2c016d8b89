# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The format of an access log: its variables, what each of them tells, and the literal text between them."""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: The formats that have names. The second word is ``-`` with nginx and the identity of RFC 1413 with Apache.
NAMED = {
    "common": '$remote_addr $remote_ident $remote_user [$time_local] "$request" $status $body_bytes_sent',
    "combined": (
        '$remote_addr $remote_ident $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
    ),
}
JSON = "json"

#: What is looked at in a line, and the variables that tell it; of several in one format the first here is taken.
FIELDS: dict[str, tuple[str, ...]] = {
    "time": ("time_local", "time_iso8601", "msec"),
    "client": ("remote_addr",),
    "forwarded": ("http_x_forwarded_for", "proxy_add_x_forwarded_for"),
    "request": ("request",),
    "method": ("request_method",),
    "path": ("request_uri", "uri"),
    "status": ("status",),
    "bytes": ("body_bytes_sent", "bytes_sent"),
    "agent": ("http_user_agent",),
    "seconds": ("request_time", "request_time_ms", "request_time_us"),
    "upstream_seconds": ("upstream_response_time",),
    "cache": (
        "upstream_cache_status", "upstream_http_x_cache", "upstream_http_x_cache_status", "upstream_http_cf_cache_status",
        "upstream_http_cache_status", "sent_http_x_cache", "sent_http_x_cache_status", "sent_http_cf_cache_status",
        "sent_http_cache_status", "http_cf_cache_status",
    ),
    "country": (
        "geoip2_data_country_iso_code", "geoip2_data_country_code", "geoip2_country_code", "geoip_country_code", "geoip_country_code3",
        "http_cf_ipcountry", "http_cloudfront_viewer_country", "http_x_country_code", "http_x_geo_country",
    ),
    "limit": ("limit_req_status",),
    "limit_connections": ("limit_conn_status",),
    "host": ("host", "server_name", "http_host"),
}  # fmt: skip
#: Without these a line says nothing that could be counted.
REQUIRED = ("time", "status")
#: Variables that list several values, one for each server that was asked: ``0.1, 0.2`` or ``0.1 : 0.2``.
LISTS = re.compile(r"upstream_\w+")

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_MAX_CHARACTERS = 4000


class Token(NamedTuple):
    """A piece of a format: literal text, or a variable by its name."""

    text: str
    is_variable: bool


class Format(NamedTuple):
    """A format that can be read.

    :ivar fields: what is looked at and the variable that tells it, such as ``{"status": "status"}``.
    """

    text: str
    tokens: tuple[Token, ...]
    fields: dict[str, str]


def read_format(text: str, place: str = "format") -> Format:
    """Return the format that a name or a string of nginx's ``log_format`` describes.

    :raises UpkeepError: when it is none, or lacks what every line must tell.
    """
    written = NAMED.get(text, text)
    if len(written) > _MAX_CHARACTERS or "\n" in written or "\0" in written:
        raise UpkeepError(f"{place} is not accepted; give one line of at most {_MAX_CHARACTERS} characters")
    tokens = _tokens(written)
    names = [token.text for token in tokens if token.is_variable]
    if not names:
        raise UpkeepError(
            f"{place}: {plain(text, 100)!r} is not known; give combined, common, json, or the log_format of nginx with its $variables"
        )
    for first, second in zip(tokens, tokens[1:]):
        if first.is_variable and second.is_variable:
            raise UpkeepError(
                f"{place}: nothing stands between ${first.text} and ${second.text}, so that they cannot be told apart"
            )
    fields = {
        field: next(name for name in known if name in names) for field, known in FIELDS.items() if set(known) & set(names)
    }
    for field in REQUIRED:
        if field not in fields:
            known = " or ".join(f"${name}" for name in FIELDS[field])
            raise UpkeepError(f"{place}: it has no {field}; log {known}, without which nothing can be counted")
    return Format(text, tuple(tokens), fields)


def _tokens(text: str) -> list[Token]:
    tokens, end = [], 0
    for match in _VARIABLE.finditer(text):
        if match.start() > end:
            tokens.append(Token(text[end : match.start()], False))
        tokens.append(Token(match.group(1) or match.group(2), True))
        end = match.end()
    if end < len(text):
        tokens.append(Token(text[end:], False))
    return tokens
