"""Whatever stands in a rule file: a sentence for each mistake, or it judges and tells."""

import contextlib
import re
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rule_file.load import BadRuleFile, LoadedRules, load, parse
from agents.rule_file.mistakes import MAX_MISTAKES
from agents.rule_file.yaml import MAX_BYTES, MAX_ELEMENTS
from agents.rule_tests.aggregates import aggregates
from agents.rule_tests.cases import OperationsMinutes, ScoreMinutes, ServiceMinutes
from schemas.breaches import Breach
from schemas.rules import SEVERITIES
from streams.channels.message import Message
from streams.channels.registry import preview
from streams.rules.aggregate_reader import read_aggregate
from streams.rules.evaluator import Evaluator
from tests.effort import examples
from tests.unit.messages.samples import CHANNELS

ROOT = Path(__file__).parents[2]
REAL = (ROOT / "config/opwatch.yaml").read_text()
SENTENCE = re.compile(r"rules:\d+:\d+: .+[.?…]", re.DOTALL)
#: What the slowest takes is a fifth of that.
SOON_S = 5.0
START_MS = 1_772_409_600_000

# ------------------------------------------------------------------ what is given


def outcome(text: str) -> LoadedRules | None:
    """Return the rule file, or None for one that is refused as it should be."""
    began = time.process_time()
    try:
        return parse(text)
    except BadRuleFile as bad:
        sentences = bad.sentences
    finally:
        assert time.process_time() - began < SOON_S
    assert 0 < len(sentences) <= MAX_MISTAKES
    for sentence in sentences:
        assert SENTENCE.fullmatch(sentence), sentence
        assert len(sentence) < 2_000
    return None


ODD = st.sampled_from(
    [
        None, True, 0, -1, 10**30, 1e308, float("inf"), float("nan"), "", "x" * 300, "\x9b31m", "‮",
        "{{ samples|round(-999999999) }}", "{{ f() }}", "{% for a in labels %}{{ a }}{% endfor %}",
        r'operation=~"(.*)(.*)\1"', 'operation="*"', 'platform=~"(a|b)*"', "9" * 300 + "h", "1h1h",
        "0", "1ms", "100000w", "1e999", "0x" + "f" * 90, "1:59:59", "2026-01-01", "<<", "*a", "!!x",
        [], [[]], [None], {}, {"a": {}},
        ["email", "email"], b"\xff\x00", "https://a:b@c/", "OPWATCH",
    ]
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "a.b", "c"])
SPANS = st.sampled_from(["1m", "5m", "1h", "1h30m"])
LABELS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
TEMPLATES = st.sampled_from(
    [
        "{{ observed|round(1) }} of {{ samples }}", "{{ labels.platform }}", "{{ labels }}",
        "plain", "{% if severity == 'high' %}{{ nobody }}{% endif %}",
        "{{ evidence }} {{ routing }} {{ span }}",
        "{% for k, v in labels|dictsort %}{{ k }}{{ v|upper }}{% endfor %}",
        "{{ exemplars|first }}",
    ]
)  # fmt: skip
CHANNEL = st.fixed_dictionaries(
    {"name": NAMES, "type": st.sampled_from(["slack", "pagerduty", "webhook"])},
    optional={
        "template": TEMPLATES,
        "severities": st.lists(st.sampled_from(SEVERITIES), min_size=1, max_size=4),
    },
)
SHARED = {
    "each": st.sampled_from(["operation", "platform", "service", "confidence", "model", []]),
    "match": st.sampled_from(
        [
            'operation="parse"',
            'platform=~"l.*"',
            'service="web"',
            '{operation!="x"}',
            'model=~"s.*"',
        ]
    ),
    "severity": st.sampled_from(SEVERITIES),
    "summary": TEMPLATES,
    "labels": LABELS,
    "channels": st.lists(NAMES, max_size=2),
    "cooldown": SPANS,
    "keep_firing_for": SPANS,
    "runbook": st.just("https://wiki.example.com/a?b=c"),
    "escalation": st.lists(
        st.fixed_dictionaries({"after": SPANS, "channels": st.lists(NAMES, min_size=1)}), max_size=1
    ),
}
SCORES = ["quality_overall", "quality_accuracy", "quality_bad_share"]
METRICS = [
    *("error_rate", "success_rate", "duration_p95", "throughput", "cache_hit_rate", "uptime"),
    *SCORES,
]


def of_kind(
    kind: str, *, optional: dict[str, Any] | None = None, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"name": NAMES, "kind": st.just(kind), **fields}, optional=SHARED | (optional or {})
    )


RULE = st.one_of(
    of_kind(
        "metric_threshold",
        metric=st.sampled_from(METRICS),
        operator=st.sampled_from(["less_than", "greater_than"]),
        threshold=st.sampled_from([0, 0.0001, 0.85, 5, 50, 99.9]),
        window=SPANS,
        optional={"enough_samples": st.sampled_from([1, 20, 200])},
        **{"for": SPANS},
    ),
    of_kind(
        "metric_threshold",
        metric=st.sampled_from(SCORES),
        operator=st.just("less_than"),
        threshold=st.sampled_from([0.85, 0.7, 1]),
        window=st.just("1m"),
        optional={"each_analysis": st.booleans()},
    ),
    of_kind(
        "change",
        metric=st.sampled_from(METRICS),
        operator=st.sampled_from(["less_than", "greater_than"]),
        threshold=st.sampled_from([-50, -0.5, 5, 100]),
        window=st.sampled_from(["1m", "5m", "1h"]),
        against=st.sampled_from(["previous", "previous", "day", "week"]),
    ),
    of_kind("service_status", status=st.sampled_from(["down", ["down", "silent"]])),
    of_kind("burn_rate", objective=st.sampled_from([99.9, 50])),
    of_kind("burn_rate", objective=st.just(95), below=st.sampled_from(["1ms", "2s"])),
    of_kind("burn_rate", objective=st.just(95), metric=st.sampled_from(SCORES)),
    of_kind("trend", window=st.just("1h")),
    of_kind("trend", window=st.just("1h"), metric=st.sampled_from(SCORES)),
    of_kind("no_data", after=SPANS),
)
FILE = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "channels": st.lists(CHANNEL, min_size=4, max_size=4, unique_by=lambda one: one["name"]),
    },
    optional={
        "defaults": st.fixed_dictionaries({}, optional={"labels": LABELS, "cooldown": SPANS}),
        "rules": st.lists(RULE, max_size=4, unique_by=lambda one: one["name"]),
    },
)


@st.composite
def mutated(draw: st.DrawFn, bodies: st.SearchStrategy[Any]) -> Any:
    """Return a body of which a few places are something else, are gone or have another name."""
    body = draw(bodies)
    for _ in range(draw(st.integers(0, 3))):
        holder = body
        while isinstance(holder, dict | list) and holder:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(keys))
            if not isinstance(holder[key], dict | list) or not holder[key] or draw(st.booleans()):
                what = draw(st.sampled_from(["odd", "gone", "renamed", "twice"]))
                if what == "gone":
                    del holder[key]
                elif what == "odd" or isinstance(holder, list):
                    holder[key] = draw(ODD)
                elif what == "renamed":
                    holder[draw(st.text(max_size=12)) or "x"] = holder.pop(key)
                else:
                    holder[str(key) + "s"] = holder[key]
                break
            holder = holder[key]
    return body


def written(body: Any) -> str:
    return yaml.safe_dump(body, allow_unicode=True, default_flow_style=None)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """Return the real rule file with some of its characters or lines changed."""
    text = REAL
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        to = at + draw(st.integers(0, 40))
        text = (
            text[:at]
            + draw(st.text(max_size=6) | st.sampled_from(["\n", ":", "- ", "&a ", "*a"]))
            + text[to:]
        )
    return text


COUNTS = st.sampled_from(
    ["100x5", "0x3 100x9", "1 _ 5x20", "0+100x30", "100x5 _x20 100x5", "1000000x12"]
)
GIVEN = st.lists(
    st.builds(
        OperationsMinutes,
        series=st.sampled_from(["*", "parse", 'parse{platform="lever"}', '*{confidence="low"}']),
        count=COUNTS,
        failures=COUNTS,
        duration_ms=st.sampled_from(["0", "20x5 5000x20", "0.5"]),
        lookups=COUNTS,
        hits=COUNTS,
    )
    | st.builds(
        ScoreMinutes,
        scores=st.sampled_from(
            ["overall:*", 'overall:parse{model="small"}', 'accuracy:*{platform="lever"}']
        ),
        count=COUNTS,
        score=st.sampled_from(["0.9x5 0.1x20", "0", "1", "0.5x3 _ 0.9x20"]),
    )
    | st.builds(
        ServiceMinutes,
        service=st.sampled_from(["web", "{[\x9b"]),
        status=st.sampled_from(["up x5 down x9", "silent x3 up x30", "degraded x9 _x9 down"]),
    ),
    max_size=4,
)  # fmt: skip


def judge_and_tell(loaded: LoadedRules, sources: list[Any]) -> int:
    """Judge what the sources publish, and write every message of it; return how many."""
    evaluation = Evaluator(loaded.rules, loaded.hash)
    records = sorted(
        (one for each in sources for one in aggregates(each, START_MS)), key=lambda one: one.at_ms
    )
    told = 0
    for offset, record in enumerate(records):
        aggregate = read_aggregate(orjson.dumps(record.body))
        assert aggregate is not None
        for said in evaluation.evaluate(offset, record.at_ms, aggregate):
            told += tell(Breach.model_validate_json(said.value), loaded)
    for said in evaluation.pass_time(START_MS + 3 * 60 * 60_000):
        told += tell(Breach.model_validate_json(said.value), loaded)
    return told


def tell(breach: Breach, loaded: LoadedRules) -> int:
    assert breach.summary
    event: Any = "resolved" if breach.state == "resolved" else "opened"
    message = Message(
        delivery="d",
        event=event,
        breach=breach,
        level=0,
        created_ms=START_MS,
        incident="i",
        acknowledged_by="",
    )
    for channel in (*loaded.rules.channels, *CHANNELS):
        assert preview(message, channel)
    return 1


# ------------------------------------------------------------------ what holds


@settings(deadline=None, max_examples=examples(75))
@given(body=mutated(FILE), sources=GIVEN)
def test_a_rule_file_is_refused_in_sentences_or_judges_and_tells(
    body: Any, sources: list[Any]
) -> None:
    loaded = outcome(written(body))
    if loaded is not None:
        judge_and_tell(loaded, sources)


BROKEN: list[tuple[dict[str, Any], Any]] = [
    (
        {"metric": "error_rate", "operator": "greater_than", "threshold": 5},
        OperationsMinutes(
            series="parse", count="100x9", failures="0x2 100x5 0x2", duration_ms="5000"
        ),
    ),
    (
        {"metric": "quality_overall", "operator": "less_than", "threshold": 0.7},
        ScoreMinutes(scores="overall:parse", count="100x9", score="0.9x2 0.3x5 0.9x2"),
    ),
]


@settings(deadline=None, max_examples=examples(30))
@given(
    body=mutated(FILE),
    fields=st.fixed_dictionaries({}, optional=SHARED),
    broken=st.sampled_from(BROKEN),
)
def test_a_rule_that_is_broken_is_told_whatever_its_words_and_channels(
    body: dict[str, Any], fields: dict[str, Any], broken: tuple[dict[str, Any], Any]
) -> None:
    condition, minutes = broken
    rule = {"kind": "metric_threshold", "name": "broken", "window": "1m"} | condition | fields
    rule |= {"each": "operation", "match": 'operation="parse"', "keep_firing_for": "0"}
    loaded = outcome(written(body | {"rules": [rule]}))
    if loaded is not None:
        assert judge_and_tell(loaded, [minutes]) >= 2  # opened and resolved


@settings(deadline=None, max_examples=examples(50))
@given(text=spoilt())
def test_a_spoilt_file_is_refused_in_sentences_or_is_one(text: str) -> None:
    outcome(text)


@settings(deadline=None, max_examples=examples(30))
@given(body=mutated(st.builds(lambda: yaml.safe_load(REAL))), sources=GIVEN)
def test_the_real_file_with_other_values_is_refused_or_judges(
    body: Any, sources: list[Any]
) -> None:
    loaded = outcome(written(body))
    if loaded is not None:
        judge_and_tell(loaded, sources)


YAML = st.sampled_from(
    [
        "rules", "channels", ":", ": ", "\n", "\n  ", "- ", "? ", "[", "]", "{", "}", ",", "&a ",
        "*a", "<<: *a", "!!int ", "!!bool ", "!!binary ", "!!timestamp ", "!!set ", "| ", "> ", "'",
        '"', "!!python/object:os.system ", "\\ud800", "#", "---\n", "...\n", "%YAML 1.1\n", "~",
        "\t", "name: a\n", "1_0", "0b1", ".inf",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=examples(150))
@given(
    text=st.lists(YAML | st.text(max_size=3), max_size=40).map("".join) | st.text(st.characters())
)
def test_garbage_is_refused_in_sentences_or_is_a_rule_file(text: str) -> None:
    outcome(text)


@settings(deadline=None, max_examples=examples(25))
@given(raw=st.binary(max_size=300))
def test_bytes_are_refused_in_sentences_or_are_a_rule_file(
    raw: bytes, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "rules.yaml"
    path.write_bytes(raw)
    with contextlib.suppress(BadRuleFile):
        load(path)


RULE_TEXT = """\
  - name: r{n}
    kind: metric_threshold
    metric: error_rate
    operator: greater_than
    threshold: 5
    window: 5m
"""
MOST = MAX_BYTES - 50
LARGE = {
    "a thousand rules": "rules:\n" + "".join(RULE_TEXT.format(n=n) for n in range(MAX_ELEMENTS)),
    "five thousand rules": "rules:\n" + "".join(RULE_TEXT.format(n=n) for n in range(5_000)),
    "rules of unknown channels": "rules:\n"
    + "".join(RULE_TEXT.format(n=n) + f"    channels: [c{n}, d{n}]\n" for n in range(1_000)),
    "rules of unknown fields": "rules:\n"
    + "".join(RULE_TEXT.format(n=n) + f"    {'field' * 30}{n}: 5\n" for n in range(1_000)),
    "rules of unknown kinds": "rules:\n"
    + "".join(f"  - kind: {'k' * 900}{n}\n" for n in range(1_000)),
    "rules with one name": "rules:\n" + RULE_TEXT.format(n=1) * 1_000,
    "twenty megabytes": "rules: " + "x" * 20_000_000,
    "a string": "rules: " + "x" * MOST,
    "a quoted string": "rules: '" + "x\n" * (MOST // 2) + "'",
    "a block": "rules: |\n" + " x\n" * (MOST // 3),
    "a key": "x" * MOST + ": 1",
    "nested lists": "rules: " + "[" * MOST,
    "nested maps": "{a: " * (MOST // 4),
    "nested blocks": "- " * (MOST // 2),
    "nested keys": "? " * (MOST // 2),
    "digits": "version: " + "9" * MOST,
    "hexadecimal digits": "version: 0x" + "f" * MOST,
    "sexagesimal digits": "version: 1" + ":59" * (MOST // 3),
    "a span": f"defaults: {{cooldown: '{'1' * 9_000}'}}",
    "a span of parts": f"defaults: {{cooldown: '{'1h' * 4_000}'}}",
    "a link": f"defaults: {{runbook: 'https://{'a' * 9_000}'}}",
    "lines": "#\n" * (MOST // 2),
    "empty lines": "\n" * MOST,
    "documents": "---\n" * (MOST // 4),
    "fields": "".join(f"k{n}: 1\n" for n in range(MOST // 11)),
    "one field": "a: 1\n" * (MOST // 5),
    "elements": "rules: [" + "1," * (MOST // 2) + "]",
    "lists": "rules:\n" + ("- [" + "a," * 900 + "]\n") * 500,
    "aliases": "a: &a x\n" + "".join(f"b{n}: *a\n" for n in range(60_000)),
    "a billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    ),
    "merges": "a: &a {x: 1}\n"
    + "".join(
        f"b{n}: &b{n}\n  <<: *{f'b{n - 1}' if n else 'a'}\n  y{n}: 1\n" for n in range(900)
    ),
    "labels": "defaults:\n  labels:\n" + "".join(f"    k{n}: v\n" for n in range(900)),
    "tabs": "\t" * MOST,
    "quotes": "'" * MOST,
    "anchors": "&a " * (MOST // 3),
    "tags": "!!x " * (MOST // 4),
    "colons": ": " * (MOST // 2),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_refused_or_taken_soon(name: str) -> None:
    loaded = outcome(LARGE[name])
    assert (loaded is not None) is (name == "a thousand rules")


def test_a_file_past_the_limit_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(BadRuleFile, match="1,048,576 bytes"):
        load(path)
