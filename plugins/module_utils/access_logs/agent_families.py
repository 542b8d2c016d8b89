# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The family of a user agent: the name of a product without its version, such as ``curl``, ``Chrome`` and ``Googlebot``.

Whoever sends a request writes the agent. A family is a name in plain ASCII of at most 40 characters, whatever was written, and the time
to find it is in proportion to the length of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

NONE = "(none)"
OTHER = "(other)"
_RANDOM = "(random)"

_MAX_CHARACTERS = 400
#: What is in the name of a program that looks at pages for somebody.
_BOTS = ("bot", "crawl", "spider", "slurp", "scan", "monitor", "facebookexternalhit")
#: The words that tell browsers apart, the particular ones before those that the others write, too.
_BROWSERS = (
    ("HeadlessChrome", "HeadlessChrome"), ("Electron", "Electron"), ("Edg", "Edge"), ("EdgA", "Edge"), ("EdgiOS", "Edge"), ("Edge", "Edge"),
    ("OPR", "Opera"), ("Opera", "Opera"), ("OPiOS", "Opera"), ("SamsungBrowser", "SamsungBrowser"), ("Vivaldi", "Vivaldi"),
    ("YaBrowser", "YaBrowser"), ("UCBrowser", "UCBrowser"), ("DuckDuckGo", "DuckDuckGo"), ("FxiOS", "Firefox"), ("Firefox", "Firefox"),
    ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Chromium", "Chrome"), ("Trident", "Internet Explorer"), ("MSIE", "Internet Explorer"),
    ("Safari", "Safari"),
)  # fmt: skip
_OF_ANY_BROWSER = frozenset(("Mozilla", "AppleWebKit", "Gecko", "KHTML", "Version", "Mobile", "like", "compatible"))
_WORDS = re.compile(r"[^\s;,()/]+")
_REMARKS = re.compile(r"\([^()]*\)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._+!@-]*", re.ASCII)
#: A version that nothing parts from the name, as in ``Java1.8.0``.
_VERSION = re.compile(r"[._-]?(?:\d+[._]\d[\w.]*|\d{2,})\Z", re.ASCII)
_NUMBER = re.compile(r"\d{2,}", re.ASCII)
_MAX_NAME = 40
_LONG = 16
_FEW_DIGITS = 3


def agent_family(agent: str) -> str:
    """Return the family of a user agent."""
    text = agent[:_MAX_CHARACTERS]
    if text in ("", "-"):
        return NONE
    words = _WORDS.findall(text)
    bot = next(filter(_is_bot, words), "")
    if bot:
        return _name(bot)
    if not words or words[0] != "Mozilla":
        return _name(words[0]) if words else OTHER
    products = set(words)
    browser = next((name for word, name in _BROWSERS if word in products), "")
    if browser:
        return browser
    outside = [word.partition("/")[0] for word in _REMARKS.sub(" ", text).split()]
    behind = words[words.index("compatible") + 1 :] if "compatible" in products else []
    return _name(next((word for word in (*outside, *behind) if word not in _OF_ANY_BROWSER), "Mozilla"))


def agent_families(agents: Mapping[str, int]) -> Counter[str]:
    """Return requests by family.

    :param agents: requests by user agent.
    """
    families: Counter[str] = Counter()
    for agent, number in agents.items():
        families[agent_family(agent)] += number
    return families


def _is_bot(word: str) -> bool:
    small = word.lower()
    # What has a dot or a colon is an address that tells more; the other one is a make of telephones.
    return any(mark in small for mark in _BOTS) and not set(".:") & set(word) and not small.startswith("cubot")


def _name(word: str) -> str:
    match = _NAME.match(word)
    if not match:
        return OTHER
    name = _VERSION.sub("", match.group()[: 2 * _MAX_NAME])
    # What is drawn anew for each request is no name; digits within one rather count something.
    if len(name) > _LONG and sum(character.isdigit() for character in name) > _FEW_DIGITS:
        return _RANDOM
    name = _NUMBER.sub("#", name)
    return name[:_MAX_NAME]
