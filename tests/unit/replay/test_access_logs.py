"""Logs of a real nginx and a real Apache, under load on loopback, are replayed without a script.

`logs/` holds what they wrote: requests of all kinds, TLS and blank lines sent to a plain port,
quotes and backslashes in user agents. The counts are awk's, which knows nothing of our reading.
"""

import collections
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents.replay.formats import WrongFormat, recording
from agents.replay.recorded_lines import InvalidLine, RecordedOperations
from agents.replay.recordings import RecordingReader

LOGS = Path(__file__).parent / "logs"
#: nginx's variables, as its configuration named them in its log of JSON.
NGINX_JSON = (
    "time=occurred_at",
    "request_id=trace_id",
    "upstream_cache_status=cache",
    "duration_ms=request_time*1000",
    "success=status<500",
    "operation='none' if method == '' else method + ' ' + template(uri)",
)


def replayed(name: str, kind: str, *mappings: str) -> list[dict[str, Any]]:
    """Return the operations of a log; every line is one."""
    with (LOGS / name).open("rb") as file:
        reader = RecordingReader(recording(kind, mappings), name)
        lines = list(reader.read(file))
    assert reader.blank == 0
    assert not [line for line in lines if isinstance(line, InvalidLine)]
    return [json.loads(line.text) for line in lines if isinstance(line, RecordedOperations)]


def awk(program: str, name: str, *options: str) -> list[str]:
    command = ["awk", *options, program, str(LOGS / name)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[
        :-1
    ]


def figures(operations: list[dict[str, Any]]) -> tuple[int, int, float]:
    """Return count, failures and the sum of durations."""
    failures = sum(not operation["success"] for operation in operations)
    return len(operations), failures, sum(operation["duration_ms"] for operation in operations)


# The status stands behind the request's closing quote; nginx's $request_time is the last but one,
# Apache's %D the last.
BY_AWK = r"""
{ text = $0; gsub(/\\"/, "", text); split(text, parts, "\""); split(parts[3], figures, " ") }
{ count++; failures += figures[1] >= 500; sum += $(NF - back) * unit }
END { print count, failures, sum }
"""


@pytest.mark.parametrize(
    ("name", "kind", "back", "unit"),
    [
        ("nginx-timed.log", "access:request_time,upstream_response_time", 1, "1000"),
        ("apache-timed.log", "access:D", 0, "0.001"),
    ],
)
def test_a_servers_log_counts_what_awk_counts(name: str, kind: str, back: int, unit: str):
    (line,) = awk(BY_AWK, name, "-v", f"back={back}", "-v", f"unit={unit}", "-v", "OFMT=%.6f")
    count, failures, sum_ms = line.split()
    found = figures(replayed(name, kind))
    assert found[:2] == (int(count), int(failures))
    assert found[2] == pytest.approx(float(sum_ms), abs=0.01)
    assert found[1] > 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [("nginx-timed.log", "access:request_time"), ("apache-timed.log", "access:D")],
)
def test_each_path_has_the_requests_that_awk_counts_for_it(name: str, kind: str):
    wanted = collections.Counter(
        awk(r"""$6 ~ /^"[A-Z]+$/ { sub(/\?.*|"$/, "", $7); print substr($6, 2) " " $7 }""", name)
    )
    wanted["invalid request"] = len((LOGS / name).read_bytes().splitlines()) - wanted.total()
    found = collections.Counter(it["operation"] for it in replayed(name, kind))
    jobs = collections.Counter[str]()
    for path, count in wanted.items():
        jobs[path.replace("/jobs/17", "/jobs/{id}").replace("/jobs/4711", "/jobs/{id}")] += count
    assert found == jobs
    assert found["invalid request"] > 0


def test_a_log_of_json_counts_what_awk_counts():
    program = r"""
    match($0, /"status":[0-9]+/) { failures += substr($0, RSTART + 9, 3) >= 500 }
    match($0, /"request_time":[0-9.]+/) { sum += substr($0, RSTART + 15, RLENGTH - 15) * 1000 }
    /"upstream_cache_status":"HIT"/ { hits++ }
    END { print NR, failures, sum, hits }
    """
    (line,) = awk(program, "nginx-json.log")
    count, failures, sum_ms, hits = line.split()
    operations = replayed("nginx-json.log", "jsonl", *NGINX_JSON)
    found = figures(operations)
    assert found[:2] == (int(count), int(failures))
    assert found[2] == pytest.approx(float(sum_ms))
    cached = [str(operation.get("cache")).lower() for operation in operations]
    assert cached.count("hit") == int(hits) > 0


def test_both_logs_of_a_server_say_the_same_times():
    columns = replayed("nginx-timed.log", "access:request_time")
    objects = replayed("nginx-json.log", "jsonl", *NGINX_JSON)
    from datetime import datetime

    assert [operation["occurred_at"] for operation in columns] == [
        1000 * int(datetime.fromisoformat(operation["occurred_at"]).timestamp())
        for operation in objects
    ]


LINE = '10.0.0.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326'
COMBINED = f'{LINE} "http://x/" "Mozilla \\"5\\" [en]"'


def one(line: str, kind: str = "access", *mappings: str) -> Any:
    reader = RecordingReader(recording(kind, mappings), "log")
    return reader.line(1, line.encode())


@pytest.mark.parametrize(
    ("line", "names", "mappings", "fields"),
    [
        (LINE, "", ("duration_ms=0",), {"operation": "GET /a", "success": True}),
        (COMBINED, "", ("duration_ms=0",), {"occurred_at": 971_211_336_000}),
        (f"{COMBINED} 0.25", "request_time", (), {"duration_ms": 250.0}),
        (f"{COMBINED} 250000", "D", (), {"duration_ms": 250.0}),
        (f"{COMBINED} 2", "T", (), {"duration_ms": 2000}),
        (f"{COMBINED} rt=0.25 x=1", "", ("duration_ms=rt*1000",), {"duration_ms": 250.0}),
        (f'{COMBINED} "-" 0.5', "cookie,s", ("duration_ms=s*1000",), {"duration_ms": 500.0}),
        (f"www.x.org:443 {COMBINED}", "", ("duration_ms=0", "platform=vhost"),
         {"platform": "www.x.org:443"}),
        (COMBINED, "", ("duration_ms=0", "platform=user", "error_message=user_agent"),
         {"platform": "frank", "error_message": 'Mozilla "5" [en]'}),
        (LINE.replace("200", "503"), "", ("duration_ms=0",),
         {"success": False, "error_type": "HTTP 503"}),
        (LINE.replace("200", "404"), "", ("duration_ms=0", "success=status<400"),
         {"success": False}),
        (LINE.replace("/a?b=c", "/u/17/x/0123456789abcdef0123"), "", ("duration_ms=0",),
         {"operation": "GET /u/{id}/x/{id}"}),
        ('::1 - - [10/Oct/2000:13:55:36 +0000] "\\x16\\x03" 400 0', "", ("duration_ms=0",),
         {"operation": "invalid request", "success": True}),
        (LINE.replace("13:55:36", "13:55:36.250"), "", ("duration_ms=0",),
         {"occurred_at": 971_211_336_250}),
    ],
)  # fmt: skip
def test_a_line_becomes_these_fields(
    line: str, names: str, mappings: tuple[str, ...], fields: dict[str, Any]
):
    read = one(line, f"access:{names}" if names else "access", *mappings)
    assert isinstance(read, RecordedOperations), read
    body = json.loads(read.text)
    assert {name: body[name] for name in fields} == fields
    assert body.keys() <= {
        "id", "operation", "platform", "occurred_at", "success", "duration_ms", "error_type",
        "error_message",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("not a line", "not a line of the common or combined log format"),
        (LINE[:60], "not a line of the common or combined log format"),
        (LINE.replace("10/Oct", "10/Okt"), "occurred_at: not an ISO 8601 time"),
        (LINE.replace("10/Oct", "32/Oct"), "occurred_at: not an ISO 8601 time"),
        (LINE.replace(" 200 ", " - "), "success: what is empty cannot be compared"),
    ],
)
def test_another_line_is_told_apart(line: str, why: str):
    read = one(line, "access", "duration_ms=0")
    assert isinstance(read, InvalidLine)
    assert why in read.why


def test_a_log_without_durations_is_not_taken_for_one_of_zero_milliseconds():
    with pytest.raises(WrongFormat, match="--map duration_ms=0"):
        recording("access", ())
