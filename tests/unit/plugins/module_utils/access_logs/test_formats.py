"""Formats: what they name, what they refuse, and lines taken apart in columns and with an expression alike."""

from __future__ import annotations

import random

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.columns import plan_columns, split_aligned
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import NAMED, read_format
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import TextReader
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import EXTENDED

TIME = "28/Nov/2026:11:00:00 +0000"
COMBINED = f'192.0.2.7 - - [{TIME}] "GET / HTTP/1.1" 200 512 "-" "curl/8.5.0"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("combinde", "'combinde' is not known; give combined, common, json"),
        ("$remote_addr $status", "it has no time; log $time_local or $time_iso8601 or $msec"),
        ("$time_local $remote_addr", "it has no status; log $status"),
        ("$time_local $status$remote_addr", "nothing stands between $status and $remote_addr"),
        ("$time_local\n$status", "give one line"),
        ("$time_local $status" + "x" * 5000, "give one line of at most 4000 characters"),
    ],
)
def test_a_format_that_cannot_be_read_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_format(text, "groups[0].format")
    assert caught.value.message.startswith("groups[0].format")
    assert message in caught.value.message


def test_variables_may_have_braces_and_the_first_known_one_counts() -> None:
    found = read_format("${msec} [$time_iso8601] ${status}:$bytes_sent")
    assert found.fields == {"time": "time_iso8601", "status": "status", "bytes": "bytes_sent"}


#: Format, line, and the fields that it tells.
LINES = [
    (
        NAMED["combined"],
        COMBINED,
        {"client": "192.0.2.7", "request": "GET / HTTP/1.1", "status": "200", "bytes": "512", "agent": "curl/8.5.0"},
    ),
    (NAMED["common"], COMBINED.split(' "-"', maxsplit=1)[0], {"client": "192.0.2.7", "status": "200", "bytes": "512"}),
    (
        EXTENDED,
        f'2001:db8::1 - bob [{TIME}] "POST /a?b=c HTTP/2.0" 502 0 "-" "a b" 1.250 0.100, 1.150 MISS "198.51.100.1, 10.0.0.1"',
        {"client": "2001:db8::1", "seconds": "1.250", "cache": "MISS", "forwarded": "198.51.100.1, 10.0.0.1"},
    ),
    (
        "$time_iso8601|$remote_addr|$request|$status",
        "2026-11-28T11:00:00+00:00|::1|GET /a b HTTP/1.0|404",
        {"request": "GET /a b HTTP/1.0", "client": "::1"},
    ),
    ("$msec\t$status\t$request_method\t$request_uri", "1764327600.123\t200\tGET\t/x", {"method": "GET", "path": "/x"}),
    (
        "[$time_local] rt=$request_time st=$status host=$host",
        f"[{TIME}] rt=0.5 st=204 host=www.example.com",
        {"seconds": "0.5", "status": "204", "host": "www.example.com"},
    ),
    (
        '$host:$server_port [$time_local] "$request" <$status>',
        f'www.example.com:443 [{TIME}] "-" <400>',
        {"status": "400", "host": "www.example.com"},
    ),
    ('$status [$time_local] "$remote_addr"', f'200 [{TIME}] "192.0.2.1"', {"client": "192.0.2.1"}),
]


@pytest.mark.parametrize(("log_format", "line", "fields"), LINES)
def test_a_line_tells_its_fields_alone_and_among_others(log_format: str, line: str, fields: dict[str, str]) -> None:
    reader = TextReader(read_format(log_format))
    for block in (line, "\n".join([line] * 5)):
        parts, unparsed = reader.read(block)
        assert (unparsed.lines, unparsed.first) == (0, "")
        assert sum(rows.lines for rows in parts) == block.count("\n") + 1
        for rows in parts:
            assert {field: set(rows.columns[field]) for field in fields} == {field: {value} for field, value in fields.items()}
            assert {time + rows.zone for time in rows.columns["time"]} <= {TIME, "2026-11-28T11:00:00+00:00", "1764327600.123"}


def test_the_usual_formats_are_read_in_columns() -> None:
    assert all(plan_columns(read_format(text)) for text in (*NAMED.values(), EXTENDED))


def test_columns_and_expression_agree_on_lines_that_chance_has_damaged() -> None:
    """Whatever a block holds, as many lines are read, with the same values, as by the expression of whole lines."""
    chance = random.Random(3)
    log_format = read_format(EXTENDED)
    whole = TextReader(log_format)
    good = LINES[2][1]
    for _round in range(400):
        lines = []
        for _number in range(chance.randrange(1, 6)):
            line = good.replace("502", chance.choice(["200", "404"])).replace("bob", chance.choice(["-", "bob", "a b"]))
            for _damage in range(chance.choice([0, 0, 0, 1, 2])):
                place = chance.randrange(len(line))
                line = (
                    line[:place]
                    + chance.choice(['"', " ", "", "[", "x", '\\"', "\0", "\xff"])
                    + line[place + chance.randrange(2) :]
                )
            lines.append(line)
        block = "\n".join(lines)
        parts, unparsed = whole.read(block)
        found = sorted(
            tuple(row)
            for rows in parts
            for row in zip(
                *(rows.columns[key] for key in ("client", "request", "status", "bytes", "agent", "seconds", "cache"))
            )
        )
        alone = [TextReader(log_format)._match(line)[0] for line in lines]
        expected = sorted(
            tuple(rows[0].columns[key][0] for key in ("client", "request", "status", "bytes", "agent", "seconds", "cache"))
            for rows in alone
            if rows
        )
        assert len(found) + unparsed.lines == len(lines)
        assert set(expected) <= set(found), block


@pytest.mark.parametrize(
    ("text", "per_line", "columns"),
    [
        ("a b\nc d", 1, [["a", "c"], ["b", "d"]]),
        ("a  b\nc  d", 2, [["a", "c"], ["", ""], ["b", "d"]]),
        ("a b c\nd", 1, None),  # as many as two lines should have, all in one of them
        ("a\nb c d", 1, None),
        ("ab\ncd", 0, [["ab", "cd"]]),
    ],
)
def test_a_split_proves_that_every_line_has_the_separator_equally_often(
    text: str, per_line: int, columns: list[list[str]] | None
) -> None:
    assert split_aligned(text, " ", per_line, text.count("\n") + 1) == columns


def test_apache_writes_quotes_with_a_backslash() -> None:
    reader = TextReader(read_format("combined"))
    odd = COMBINED.replace("curl/8.5.0", 'a \\"b\\" c')
    parts, unparsed = reader.read("\n".join([COMBINED, odd, "rubbish", COMBINED]))
    assert (unparsed.lines, unparsed.first) == (1, "rubbish")
    assert sorted(agent for rows in parts for agent in rows.columns["agent"]) == ['a \\"b\\" c', "curl/8.5.0", "curl/8.5.0"]


def test_what_is_shown_of_a_line_is_short_and_harmless() -> None:
    reader = TextReader(read_format("combined"))
    _parts, unparsed = reader.read("\x1b[2J<b>\0\xff" + "x" * 5000)
    assert unparsed.first.startswith("\\x1b[2J<b>\\x00\\xff") and len(unparsed.first) == 200


def test_a_change_of_the_clocks_within_a_block_keeps_both_offsets() -> None:
    reader = TextReader(read_format("combined"))
    summer = COMBINED.replace(TIME, "25/Oct/2026:02:30:00 +0200")
    winter = COMBINED.replace(TIME, "25/Oct/2026:02:30:00 +0100")
    (rows,), _unparsed = reader.read(f"{summer}\n{winter}")
    assert (rows.columns["time"], rows.zone) == (["25/Oct/2026:02:30:00 +0200", "25/Oct/2026:02:30:00 +0100"], "")
