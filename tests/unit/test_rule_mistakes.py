"""The reader of a rule file says what is wrong with a rule, whatever its kind."""

import pytest

from tests.unit.rule_texts import rule, told


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"window": "5"}, "window: 5 has no unit: write a span such as 30s, 5m or 1h30m."),
        ({"window": "8d"}, "window: '8d' must be from 1m to 7d."),
        ({"window": ""}, "window: is missing: write `window: 5m`."),
        ({"for": "soon"}, "for: 'soon' is no span: write 30s, 5m or 1h30m (units ms s m h d w)."),
        ({"threshold": ""}, "tiers: `threshold` is missing: write `threshold: 5` (or `tiers`)."),
        (
            {"threshold": "true"},
            (
                "threshold: True is wrong: write a number without quotes and"
                " units, such as 5 or 99.9."
            ),
        ),
        ({"threshold": "101"}, "threshold: error_rate is in per cent and never above 100."),
        ({"threshold": "-1"}, "threshold: error_rate is never below 0."),
        (
            {"metric": "cache_hit_rate", "operator": "less_than", "threshold": "0.8"},
            "threshold: cache_hit_rate is in per cent: write 80.",
        ),
        (
            {"tiers": "[{severity: low, threshold: 9}]"},
            "tiers: stand in place of `threshold`: leave one of the two out.",
        ),
        (
            {
                "threshold": "",
                "tiers": "[{severity: high, threshold: 5}, {severity: low, threshold: 9}]",
            },
            "tiers: must be mildest first: low cannot come after high.",
        ),
        ({"min_samples": "0"}, "min_samples: 0 is out of range: write a number at least 1."),
        (
            {"min_samples": "2.5"},
            ("min_samples: 2.5 is wrong: write a whole number without quotes, such as 50."),
        ),
        ({"each": "plattform"}, "each: 'plattform' is wrong; did you mean platform?"),
        (
            {"each": "service"},
            ("metric: error_rate is of operations: `each` and `match` cannot name service."),
        ),
        (
            {"metric": "uptime"},
            ('metric: uptime is of a service: write `each: service` or `match: service="…"` too.'),
        ),
        (
            {"each": "[platform, confidence]"},
            ("metric: no series has both a platform and a confidence level: leave one out."),
        ),
        (
            {"match": "'platform=~\"a|b\"'"},
            ("metric: `match` may select several of platform: write `each: platform` too."),
        ),
        (
            {"match": "'platform=~\"(\"'", "each": "platform"},
            (
                "match: '(' is no regular"
                " expression: missing ), unterminated subpattern at position 0."
            ),
        ),
        (
            {"match": "'region=\"eu\"'"},
            (
                "match: no series has a label 'region'; write one of"
                " operation, platform, confidence, model, service."
            ),
        ),
        (
            {"summary": '"{{ oops"'},
            (
                "summary: '{{ oops' is no Jinja template: unexpected end of"
                " template, expected 'end of print statement' (its line 1); write {{ observed }}"
                " for a value."
            ),
        ),
        (
            {"summary": '"{{ samples|round(x) }} {{ f() }}"'},
            (
                "summary: '{{ samples|round(x) }} {{ f() }}' is no template for messages: line 1:"
                " call is not for messages: write values such as {{ observed }}, filters"
                " ({{ labels.team|upper }}), {% if %} and one {% for %}."
            ),
        ),
        (
            {"labels": "{team: 5}"},
            ("labels.team: 5 is wrong: write text, in quotes if it looks like a number."),
        ),
        ({"runbook": "wiki"}, "runbook: 'wiki' is no link: write https://…"),
        (
            {"runbook": "https://me:hunter2@wiki"},
            (
                "runbook: a secret does not belong in the file:"
                " remove it here (and give it up, it has been seen), and put the new one into the"
                " environment as a variable that holds the whole address."
            ),
        ),
        ({"enabled": '"no"'}, "enabled: 'no' is wrong: write true or false."),
        (
            {"name": "5 %"},
            ("name: '5 %' is no name: write letters, digits and _ . - only, a letter first."),
        ),
        (
            {"channels": "[nobody]"},
            ("channels[0]: no channel is called 'nobody': describe it under `channels`."),
        ),
        (
            {"mute_time_intervals": "[night]"},
            (
                "mute_time_intervals[0]: no time interval is called 'night': describe it under"
                " `time_intervals`."
            ),
        ),
        (
            {"escalation": "[{after: 0s, channels: []}]"},
            ("escalation[0].after: '0s' must be longer than 0: write 5m."),
        ),
    ],
)
def test_what_may_be_wrong_with_a_rule(fields: dict[str, str], expected: str):
    assert [it for it in told(rule(**fields)) if it.endswith("." + expected)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "kind: burn_rate, objective: 100",
            "objective: 100 is out of range: write a number below 100.",
        ),
        (
            (
                "kind: burn_rate, objective: 99,"
                " pairs: [{rate: 1, long: 5m, short: 1h, severity: low}]"
            ),
            "pairs[0].short: '1h' must be shorter than `long`: a twelfth of it is usual.",
        ),
        (
            "kind: service_status, status: dwon, each: service",
            "status: 'dwon' is wrong; did you mean down?",
        ),
        (
            "kind: service_status, status: down",
            (
                "kind: service_status is of a service: write `each: service` or `match:"
                ' service="…"` too.'
            ),
        ),
        ("kind: trend, window: 5m", "window: '5m' is wrong; write one of 1h, 6h, 24h, 7d."),
        ("kind: no_data, after: 30s", "after: '30s' is not composed of whole minutes: write 1m."),
        (
            "objective: 99.9",
            (
                "kind: is missing: write `kind: burn_rate`, or another of"
                " metric_threshold, change, service_status, burn_rate, trend, no_data."
            ),
        ),
    ],
)
def test_what_may_be_wrong_with_other_kinds(text: str, expected: str):
    (sentence,) = told(f"rules:\n  - {{name: a, {text}}}\n")
    assert sentence.partition(" a.")[2] == expected
