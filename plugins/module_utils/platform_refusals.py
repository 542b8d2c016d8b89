# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no platform description may hold, whatever the key: placeholders and secrets. And names that are only examples.

The description is printed, stored in run records and shown on pages. A secret in it would be there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.schema_problems import Problems, key_path, shown

NO_SECRET = "the description holds no secret: give it to the role that needs it, as a variable in ansible-vault"

#: Patterns and messages that are compared or sent as they are: "your app is up" is a fair text to expect.
_FREE_TEXT_KEYS = {"expect", "expect_body", "expect_headers", "pattern", "send"}

_PLACEHOLDER = re.compile(
    r"\[(?:name|phone|e-?mail|address|host(?:name)?|domain|url|user|path|company)\]"
    r"|\byour[-_]?(?:domain|server|host|site|app|company|name|e-?mail|platform|project|user|ip)\b"
    r"|\bchange[-_]?me\b"
    r"|(?:^|[@./])(?:my)?domain\.(?:com|net|org|tld)\b",
    re.IGNORECASE,
)
#: Where a file with a password is on a host is no secret.
_SECRET_KEY = re.compile(r"passw(?:or)?d(?!_file\Z)|passphrase|secret|token|credential|(?:api|private|access)_?key", re.IGNORECASE)
_USER_IN_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}://[^/?#\s]*@", re.IGNORECASE)
_SECRET_IN_QUERY = re.compile(r"[?&;][^=&;#]*(?:passw|secret|token|api_?key|signature)[^=&;#]*=", re.IGNORECASE)

#: Names reserved for documentation: RFC 2606 and RFC 6761; addresses: RFC 5737.
_EXAMPLE = re.compile(
    r"(?:^|[@./])(?:[a-z0-9-]+\.)*(?:example\.(?:com|net|org)|[a-z0-9-]+\.(?:example|invalid))(?=$|[:/?#])"
    r"|(?:^|[@/])(?:192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]{1,3}(?=$|[:/?#])",
    re.IGNORECASE,
)


def refuse_texts(description: Mapping[str, Any], problems: Problems) -> list[str]:
    """Note every placeholder and secret in ``description``; return the paths of values that are only examples."""
    examples = []
    for path, key, value in _leaves(description, "", ""):
        if _SECRET_KEY.search(key):
            problems.add(path, NO_SECRET)
        elif not isinstance(value, str):
            continue
        elif _USER_IN_URL.search(value):
            problems.add(path, f"must be a URL without a user name or password; {NO_SECRET}")
        elif _SECRET_IN_QUERY.search(value):
            problems.add(path, f"must be a URL without a key or token; {NO_SECRET}")
        elif key in _FREE_TEXT_KEYS:
            continue
        elif _PLACEHOLDER.search(value):
            problems.add(path, f"{shown(value)} is a placeholder: write the real value, or remove the item")
        elif _EXAMPLE.search(value):
            examples.append(path)
    return examples


def _leaves(value: Any, path: str, key: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (path, nearest key, value) of each value; what stands under a secret key is not entered."""
    if isinstance(value, Mapping) and not _SECRET_KEY.search(key):
        for name, item in value.items():
            # The keys under `expect_headers` are header names: the whole of it is free text.
            inner = key if key in _FREE_TEXT_KEYS else str(name)
            yield from _leaves(item, key_path(path, name), inner)
    elif isinstance(value, (list, tuple)) and not _SECRET_KEY.search(key):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]", key)
    else:
        yield path, key, value
