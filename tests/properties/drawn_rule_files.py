"""Draw rule files, right, wrong and spoilt, and load them in time."""

import re
import time
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from agents.rule_file.load import BadRuleFile, LoadedRules, parse
from agents.rule_file.mistakes import MAX_MISTAKES
from agents.rule_tests.cases import OperationsMinutes, ScoreMinutes, ServiceMinutes
from schemas.rules import SEVERITIES

ROOT = Path(__file__).parents[2]
REAL = (ROOT / "config/opwatch.yaml").read_text()
SENTENCE = re.compile(r"rules:\d+:\d+: .+[.?…]", re.DOTALL)
#: What the slowest takes is a fifth of that.
SOON_S = 5.0


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
