# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Access logs whose lines are JSON objects, whatever their keys are called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import FIELDS, REQUIRED
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import Rows, Unparsed, sample_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: What keys are called besides the variables of nginx, where nobody says.
_USUAL = {
    "time": ("time", "timestamp", "@timestamp", "ts"),
    "client": ("client_ip", "remote_ip", "client", "ip"),
    "forwarded": ("x_forwarded_for",),
    "method": ("method",),
    "path": ("path", "url"),
    "status": ("status_code", "code"),
    "bytes": ("bytes", "size"),
    "agent": ("user_agent", "agent"),
    "seconds": ("duration",),
    "cache": ("cache_status", "cf_cache_status", "x_cache"),
    "country": ("country", "country_code", "geo_country"),
}
_MAX_DEPTH = 8


def read_keys(given: Mapping[str, Any], place: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return where each field may stand in an object, as paths of keys.

    :param given: dotted keys by field, such as ``{"client": "request.remote_ip"}``; they replace the usual ones.
    :raises UpkeepError: when a field is not known, or its key none.
    """
    for field, key in given.items():
        if field not in FIELDS:
            raise UpkeepError(f"{place}.{field} is not known; give {', '.join(FIELDS)}")
        if not isinstance(key, str) or not key or key.count(".") >= _MAX_DEPTH:
            raise UpkeepError(f"{place}.{field}: {key!r} is not accepted; give a key, or several with dots between them")
    return {
        field: (_path(given[field]),) if field in given else tuple((name,) for name in (*names, *_USUAL.get(field, ())))
        for field, names in FIELDS.items()
    }


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split("."))


class JsonReader:
    """Reads lines that are JSON objects.

    :param keys: as :func:`read_keys` returns them. A field is looked for in the first object of a block, and has the same key
        in all others of it.
    """

    def __init__(self, keys: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
        self._keys = dict(keys)

    def read(self, block: str) -> tuple[list[Rows], Unparsed]:
        """Return rows, and what could not be read."""
        lines = block.split("\n")
        objects, bad = _objects(lines)
        places = self._places(objects)
        if not set(REQUIRED) <= set(places):
            return [], Unparsed(len(lines), sample_of(lines[0]))
        kept = [item for item in objects if _status(_value(item, places["status"])) and _value(item, places["time"])]
        unparsed = len(lines) - len(kept)
        first = ""
        if unparsed:
            whole = {id(item) for item in kept}
            first = next((line for line, item in zip(lines, _aligned(lines, objects, bad)) if id(item) not in whole), "")
        columns = {field: [_value(item, path) for item in kept] for field, path in places.items()}
        return ([Rows(len(kept), columns)] if kept else []), Unparsed(unparsed, sample_of(first))

    def _places(self, objects: list[Any]) -> dict[str, tuple[str, ...]]:
        """Return where the fields stand: the first key of each that one of the first objects has."""
        places = {}
        for field, paths in self._keys.items():
            for path in paths:
                if any(_value(item, path) for item in objects[:50]):
                    places[field] = path
                    break
        return places


def _objects(lines: list[str]) -> tuple[list[dict[str, Any]], set[int]]:
    """Return the objects of the lines that are one, and the numbers of those that are none."""
    try:
        # Text was carried as Latin-1; JSON is UTF-8, whose bytes are the same up to 127. The rest is only shown.
        whole = json.loads("[" + ",".join(lines) + "]")
        if len(whole) == len(lines) and all(isinstance(item, dict) for item in whole):
            return whole, set()
    except (ValueError, RecursionError):
        pass
    objects, bad = [], set()
    for number, line in enumerate(lines):
        try:
            item = json.loads(line)
        except (ValueError, RecursionError):
            item = None
        if isinstance(item, dict):
            objects.append(item)
        else:
            bad.add(number)
    return objects, bad


def _aligned(lines: list[str], objects: list[dict[str, Any]], bad: set[int]) -> list[Any]:
    """Return for each line its object, or None."""
    rest = iter(objects)
    return [None if number in bad else next(rest) for number in range(len(lines))]


def _value(item: Any, path: tuple[str, ...]) -> str:
    """Return the text at a path of keys; '' when there is none. Of a list it is the first item."""
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
        if isinstance(item, list):
            item = item[0] if item else None
    if isinstance(item, str):
        return item
    if isinstance(item, bool) or not isinstance(item, (int, float)):
        return ""
    return repr(item)


def _status(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isdigit()
