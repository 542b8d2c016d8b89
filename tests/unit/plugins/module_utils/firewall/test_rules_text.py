"""Rules as somebody writes them: which tables they are; the kernel has its own tests in tests/integration."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_kernel import steady
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_text import (
    Rules,
    Table,
    file_text,
    includes,
    read_rules,
    transaction,
    with_include,
    without_include,
)

SHOP = "table inet shop {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t}\n}\n"


def tables(content: str) -> list[str]:
    return [str(one) for one in read_rules(content).tables]


@pytest.mark.parametrize(("content", "found"), [
    (SHOP, ["inet shop"]),
    ("#!/usr/sbin/nft -f\n# flush ruleset\n" + SHOP, ["inet shop"]),
    ("table shop { }; table ip6 shop { } table inet shop { }", ["ip shop", "ip6 shop", "inet shop"]),
    ("define lan = { 192.0.2.0/24,\n 198.51.100.0/24 }\ndefine port = 22\n" + SHOP, ["inet shop"]),
    ('table inet shop { comment "flush ruleset; } include" ; chain a { # }\n } }', ["inet shop"]),
    ("table inet shop\ndelete table inet shop\n" + SHOP, ["inet shop"]),
    ("table \\\n inet shop \\\n {\n}\n" + SHOP, ["inet shop"]),
])
def test_the_tables_of_a_file_are_found(content: str, found: list[str]) -> None:
    assert tables(content) == found


@pytest.mark.parametrize(("content", "says"), [
    ("\nflush ruleset\n" + SHOP, "line 2: flush ruleset takes away every table"),
    ("flush \\\n ruleset\n" + SHOP, "line 1: flush ruleset"),
    (SHOP + ";flush ruleset", "flush ruleset"),
    ("flush ruleset inet\n" + SHOP, "flush ruleset"),
    (SHOP + 'include "/etc/x"\n', "line 6: include is not accepted"),
    ('table inet shop {\n include"/etc/x"\n}', "line 2: include is not accepted"),
    ("table inet upkeep_block { }", "the table upkeep_block belongs to this collection"),
    ("table inet upkeep_isolation\ndelete table inet upkeep_isolation\n" + SHOP, "upkeep_isolation belongs"),
    ("delete table ip nat\n" + SHOP, "line 1: the table ip nat is named and not defined"),
    (SHOP + "delete table inet shop\n", "line 6: the table inet shop is emptied after it was defined"),
    ("add rule inet shop input drop\n" + SHOP, "line 1: 'add rule inet' is not accepted"),
    ("add table inet shop { }", "is not accepted"),
    ("reset counters\n" + SHOP, "is not accepted"),
    ("table inet shop {", "a brace is not closed"),
    (SHOP + "}", "line 6: a brace is closed"),
    ("{ }", "is not accepted"),
    ('table inet shop { comment "x\n }', "a quote is not closed"),
    ("table inet $shop { }", "names no table"),
    ("table inet shop {\n chain a { }\n flags dormant,\\\n owner\n}", "line 4: flags owner is not accepted"),
    ("table inet shop { flags owner, persist; }", "flags owner is not accepted"),
    ("table inet a b { }", "names no table"),
    ("table bad shop { }", "names no table"),
    ("# nothing\n", "the rules define no table"),
    ("", "the rules define no table"),
])
def test_what_is_not_a_table_of_its_own_is_refused_by_its_line(content: str, says: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_rules(content)
    assert says in caught.value.message


def test_a_transaction_clears_tables_and_keeps_the_numbers_of_lines() -> None:
    text = transaction([Table("inet", "shop"), Table("ip", "old")], SHOP)
    assert text.splitlines()[0] == "table inet shop; delete table inet shop; table ip old; delete table ip old; table inet shop {"
    assert text.count("\n") == SHOP.count("\n")
    assert file_text(Rules((Table("inet", "shop"),), SHOP)).splitlines()[1:3] == ["table inet shop", "delete table inet shop"]


@pytest.mark.parametrize(("line", "found"), [
    ('include "/etc/nftables.d/upkeep-rules.nft"', True), ('  include "/etc/nftables.d/*.nft"', True), ('include "/etc/*.nft"', False),
    ('# include "/etc/nftables.d/*.nft"', False), ('include "/etc/nftables.d/other.nft"', False), ('include "/etc/nftables.d/upkeep-rules_nft"', False),
])
def test_an_include_is_found_by_name_and_by_pattern(line: str, found: bool) -> None:
    assert includes(f"flush ruleset\n{line}\n", "/etc/nftables.d/upkeep-rules.nft") is found


def test_the_line_that_includes_is_added_and_taken_away_again() -> None:
    before = "#!/usr/sbin/nft -f\n\nflush ruleset\n"
    made = with_include(before, "/etc/x.nft")
    assert includes(made, "/etc/x.nft") and without_include(made, "/etc/x.nft") == before
    assert without_include(before, "/etc/x.nft") == before


def test_what_traffic_changes_does_not_count() -> None:
    def listed(packets: int, elements: list[str], handle: int) -> list[dict[str, object]]:
        return [
            {"metainfo": {"version": str(packets)}},
            {"set": {"name": "seen", "flags": ["timeout"], "elem": elements, "handle": handle}},
            {"set": {"name": "mine", "elem": ["192.0.2.1"]}},
            {"rule": {"handle": handle, "expr": [{"counter": {"packets": packets, "bytes": packets}}, {"drop": None}]}},
        ]
    assert steady(listed(1, ["a"], 5)) == steady(listed(2, ["b", "c"], 6))
    changed = listed(1, ["a"], 5)
    changed[2] = {"set": {"name": "mine", "elem": []}}
    assert steady(listed(1, ["a"], 5)) != steady(changed) and steady(None) is None
