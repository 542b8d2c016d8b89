# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests as routes: what differs from one call of the same code to the next becomes a placeholder."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

_MAX_REMEMBERED = 40_000
#: Longer texts are worked out anew each time: remembered by the thousand they would take hundreds of megabytes.
MAX_REMEMBERED_CHARACTERS = 400
_MAX_CHARACTERS = 120
_MAX_SEGMENTS = 8

#: The route of what the options leave out.
EXCLUDED = ""
#: The route of what is no HTTP request, such as the first bytes of TLS on a plain port.
NOT_HTTP = "(no HTTP request)"
OTHERS = "(other routes)"
#: The rare ones of those on which somebody logs in.
OTHER_LOGINS = "(other routes of logins)"

_METHOD = re.compile(r"[A-Z]{2,20}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HASH = re.compile(r"(?=[A-Za-z_-]*[0-9])[0-9a-fA-F]{8,}|(?=[^0-9]*[0-9])[A-Za-z0-9_=-]{20,}")
_NUMBERS = re.compile(r"(?<=/)[0-9]+(?=/|$)")
#: A shorter one is rather a version, as in ``v2`` or ``app-2.js``.
_LONG_NUMBER = re.compile(r"[0-9]{3,}")
_HEX_RUN = re.compile(r"(?<![A-Za-z0-9])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}(?![A-Za-z0-9])")


class Routes(dict):  # type: ignore[type-arg]
    """The route of each request by its text, which is method and path with placeholders; those of late are remembered.

    A request is ``GET /items/7?page=2 HTTP/1.1``, or only its first two words.

    :param excluded: patterns of paths whose requests are left out, as in a shell.
    """

    def __init__(self, excluded: Sequence[str] = ()) -> None:
        super().__init__()
        self._excluded = tuple(excluded)
        self._segments = _Segments()
        self._numbered: dict[str, str] = {}

    def __missing__(self, request: str) -> str:
        if len(self) > _MAX_REMEMBERED:
            self.clear()
        target, asks, _query = request.partition("?")
        # Queries differ more than paths, for which the work is already done.
        found = self[target] if asks else self._route(request)
        if len(request) <= MAX_REMEMBERED_CHARACTERS:
            self[request] = found
        return found

    def _route(self, request: str) -> str:
        method, _blank, rest = request.partition(" ")
        if not rest or not _METHOD.fullmatch(method):
            return NOT_HTTP
        path = path_of(request)
        if self._excluded and any(fnmatch.fnmatchcase(path, pattern) for pattern in self._excluded):
            return EXCLUDED
        # Most paths that are new differ from others by a number only.
        numbered = f"{method} {_NUMBERS.sub(':number', path)}"
        route = self._numbered.get(numbered)
        if route is None:
            if len(self._numbered) > _MAX_REMEMBERED:
                self._numbered.clear()
            route = self._numbered[numbered] = self._placeholders(numbered)
        return route

    def _placeholders(self, numbered: str) -> str:
        method, _blank, path = numbered.partition(" ")
        parts = path.split("/")
        if len(parts) > _MAX_SEGMENTS + 1:
            parts = [*parts[: _MAX_SEGMENTS + 1], "…"]
        route = "/".join(map(self._segments.__getitem__, parts))
        return f"{method} {route if len(route) <= _MAX_CHARACTERS else route[:_MAX_CHARACTERS] + '…'}"


class _Segments(dict):  # type: ignore[type-arg]
    """What becomes of each part of a path; a name with a long number in it keeps the rest of the name."""

    def __missing__(self, text: str) -> str:
        if len(self) > _MAX_REMEMBERED:
            self.clear()
        if _UUID.fullmatch(text):
            found = ":uuid"
        elif _HASH.fullmatch(text):
            found = ":hash"
        else:
            found = _LONG_NUMBER.sub(":number", _HEX_RUN.sub(":hash", text))
        if len(text) <= MAX_REMEMBERED_CHARACTERS:
            self[text] = found
        return found


class Agents(dict):  # type: ignore[type-arg]
    """Whether requests of an agent count; those of late are remembered."""

    def __init__(self, excluded: Sequence[str]) -> None:
        super().__init__()
        self._excluded = tuple(excluded)

    def __missing__(self, agent: str) -> bool:
        if len(self) > _MAX_REMEMBERED:
            self.clear()
        found = not any(fnmatch.fnmatchcase(agent, pattern) for pattern in self._excluded)
        if len(agent) <= MAX_REMEMBERED_CHARACTERS:
            self[agent] = found
        return found


def path_of(request: str) -> str:
    """Return the path of a request without its query; '' when it has none."""
    rest = request.partition(" ")[2]
    target = rest[: -len(" HTTP/1.1")] if rest[-9:-3] == " HTTP/" else rest
    path = target.partition("?")[0]
    if not path.startswith("/") and "://" in path:  # as a proxy is asked
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path
