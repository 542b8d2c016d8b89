# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What caches say of a request, whoever's cache it is: nginx, a proxy in front, or a CDN.

A value is a word (``HIT``, ``Miss``, ``TCP_MEM_HIT``), with more behind it (``Hit from cloudfront``, ``TCP_HIT/200``, ``HIT-CLUSTER``),
or one for each cache on the way (``MISS, HIT``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import shown
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.shares import percent

#: The cache had the answer: the one behind it did not have to send the content again.
FROM_CACHE = "from_cache"
#: The cache was asked and did not have it, or was passed by on purpose.
ASKED = "asked"
#: Nobody could expect an answer of the cache: it was not asked, such content is never kept, or the proxy answered by itself.
NOT_ASKED = "not_asked"

#: Words in capital letters. ``FWD`` and the word ``HIT`` behind a name are those of the header Cache-Status (RFC 9211).
_TABLE: dict[str, dict[str, str]] = {
    "nginx": {
        FROM_CACHE: "HIT STALE UPDATING REVALIDATED",
        ASKED: "MISS BYPASS EXPIRED SCARCE",
        NOT_ASKED: "-",
    },
    "Cloudflare": {
        FROM_CACHE: "STREAM_HIT",
        ASKED: "IGNORED DEFERRED",
        NOT_ASKED: "DYNAMIC NONE UNKNOWN",
    },
    "CloudFront": {
        FROM_CACHE: "REFRESHHIT ORIGINSHIELDHIT",
        ASKED: "ERROR",
        NOT_ASKED: "REDIRECT LIMITEXCEEDED CAPACITYEXCEEDED LAMBDAGENERATEDRESPONSE FUNCTIONGENERATEDRESPONSE FUNCTIONEXECUTIONERROR",
    },
    "Fastly and Varnish": {
        FROM_CACHE: "HIT-STALE",
        ASKED: "PASS HITPASS HITMISS HIT-FOR-PASS HIT-FOR-MISS",
        NOT_ASKED: "HIT-SYNTH SYNTH PIPE RECV",
    },
    "Squid, Apache Traffic Server and Akamai": {
        FROM_CACHE: (
            "TCP_HIT TCP_MEM_HIT TCP_DISK_HIT TCP_RAM_HIT TCP_IMS_HIT TCP_INM_HIT TCP_NEGATIVE_HIT TCP_OFFLINE_HIT TCP_REFRESH_HIT TCP_REF_FAIL_HIT "
            "TCP_REFRESH_UNMODIFIED TCP_REFRESH_FAIL_OLD TCP_REFRESH_FAIL_HIT TCP_CF_HIT TCP_PARTIAL_HIT TCP_REMOTE_HIT UDP_HIT"
        ),
        ASKED: (
            "TCP_MISS TCP_IMS_MISS TCP_EXPIRED_MISS TCP_REFRESH_MISS TCP_REFRESH_MODIFIED TCP_REFRESH_FAIL_ERR TCP_REFRESH TCP_CLIENT_REFRESH "
            "TCP_CLIENT_REFRESH_MISS TCP_SWAPFAIL TCP_SWAPFAIL_MISS TCP_CF_MISS TCP_MISS_ABORTED UDP_MISS"
        ),
        NOT_ASKED: "TCP_DENIED TCP_DENIED_REPLY TCP_REDIRECT TCP_TUNNEL TCP_COOKIE_DENY NONE_NONE SKIPPED",
    },
    "any": {
        FROM_CACHE: "REVALIDATE_HIT REMOTE_HIT PARTIAL_HIT PRERENDER",
        ASKED: "FWD CONFIG_NOCACHE PRIVATE_NOSTORE",
        NOT_ASKED: "CACHE_NOCONFIG N/A",
    },
}  # fmt: skip
_KINDS = {word: kind for product in _TABLE.values() for kind, words in product.items() for word in words.split()}
_PIECES = re.compile(r"[,;]")
_MOST_CHARACTERS = 500


def cache_kind(value: str) -> str:
    """Return what a value says: :data:`FROM_CACHE`, :data:`ASKED` or :data:`NOT_ASKED`.

    Of several caches on the way one that had the answer is enough. A word that is not known is one that was asked.
    """
    kinds = {_kind_of_piece(piece) for piece in _PIECES.split(value[:_MOST_CHARACTERS].upper())}
    kinds.discard("")
    if not kinds:
        return ASKED if value.strip() else NOT_ASKED
    return next(kind for kind in (FROM_CACHE, ASKED, NOT_ASKED) if kind in kinds)


def _kind_of_piece(piece: str) -> str:
    """Return what a piece says; '' when it is none of the words."""
    word = piece.strip()
    if word in _KINDS:
        return _KINDS[word]
    word = re.split(r"[\s/:=]", word, maxsplit=1)[0]
    while word and word not in _KINDS:
        word = word.rpartition("-")[0]
    return _KINDS.get(word, "")


def cache_figures(statuses: Mapping[str, int]) -> dict[str, Any]:
    """Return the share that was answered from the cache.

    :param statuses: requests by what the log says of the cache.
    """
    by_kind = dict.fromkeys((FROM_CACHE, ASKED, NOT_ASKED), 0)
    for status, number in statuses.items():
        by_kind[cache_kind(status)] += number
    silent = sum(number for status, number in statuses.items() if status in ("", "-"))
    asked = by_kind[FROM_CACHE] + by_kind[ASKED]
    return {
        "requests": asked,
        "hit_percent": percent(by_kind[FROM_CACHE], asked) if asked else None,
        "never_kept": by_kind[NOT_ASKED] - silent,
        "statuses": {shown(status): number for status, number in sorted(statuses.items(), key=lambda item: -item[1])[:20]},
    }
