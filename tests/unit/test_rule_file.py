"""A rule file's mistakes: all at once, each with its line, its path and what to write instead."""

from pathlib import Path
from textwrap import dedent

import pytest

from agents.rule_file.load import BadRuleFile, load, parse
from schemas.rule_kinds import BurnRate

ROOT = Path(__file__).parents[2]

TEN_MISTAKES = """\
channels:
  - name: slack_engineering
    type: slack
    webhook_url: https://hooks.slack.com/services/T0/B0/abcdef
rules:
  - name: high_error_rate
    kind: metric_threshold
    metric: eror_rate
    operator: greater_than
    threshold: "5"
    window: 90s
    severty: high
    channels: [slack_enginering]
  - name: high_error_rate
    kind: metric_threshold
    metric: success_rate
    operator: less_than
    tiers:
      - { severity: medium, threshold: 95 }
      - { severity: high, threshold: 97 }
    window: 5m
    match: platform=lever
  - name: slow
    kind: metric_treshold
    metric: duration_mean
    operator: greater_than
    threshold: 2000
    resolve_threshold: 2500
    window: 5m
"""
TEN_TOLD = [
    (
        "4:5: channels[0] slack_engineering.webhook_url: a secret does not belong in the file:"
        " remove it here (and give it up, it has been seen), and put the new one into the"
        " environment as SLACK_WEBHOOK_URL."
    ),
    "8:5: rules[0] high_error_rate.metric: 'eror_rate' is wrong; did you mean error_rate?",
    (
        "10:5: rules[0] high_error_rate.threshold: '5' is wrong: write a number without quotes and"
        " units, such as 5 or 99.9."
    ),
    "11:5: rules[0] high_error_rate.window: '90s' is not composed of whole minutes: write 2m.",
    (
        "12:5: rules[0] high_error_rate.severty: no such field of metric_threshold; did you mean"
        " severity?"
    ),
    (
        "13:16: rules[0] high_error_rate.channels[0]: no channel is called 'slack_enginering'; did"
        " you mean slack_engineering?"
    ),
    (
        "14:5: rules[1] high_error_rate.name: rules[0] has the name 'high_error_rate' too: give one"
        " of them another."
    ),
    (
        "18:5: rules[1] high_error_rate.tiers: contradict less_than: the threshold of high (97)"
        " must be below that of medium (95)."
    ),
    (
        "22:5: rules[1] high_error_rate.match: 'platform=lever' is no matcher: write"
        ' platform="…", its value in double quotes.'
    ),
    "24:5: rules[2] slow.kind: 'metric_treshold' is no kind; did you mean metric_threshold?",
    (
        "28:5: rules[2] slow.resolve_threshold: 2500 is on the wrong side of the threshold: with"
        " greater_than 2000 write 2000 or a number below it."
    ),
]


def told(text: str) -> list[str]:
    with pytest.raises(BadRuleFile) as caught:
        parse(dedent(text), "f")
    return [sentence.removeprefix("f:") for sentence in caught.value.sentences]


def rule(**fields: str) -> str:
    lines = {
        "name": "a",
        "kind": "metric_threshold",
        "metric": "error_rate",
        "operator": "greater_than",
        "threshold": "5",
        "window": "5m",
    }
    lines |= fields
    body = "".join(f"    {name}: {value}\n" for name, value in lines.items() if value)
    return "rules:\n  -\n" + body


def test_every_mistake_is_told_at_once_with_its_line_and_what_to_write():
    assert told(TEN_MISTAKES) == TEN_TOLD
    assert len(TEN_TOLD) >= 10


def test_a_mistake_names_the_file(tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text("rulez: []\n")
    with pytest.raises(BadRuleFile) as caught:
        load(path)
    assert str(caught.value) == f"{path}:1:1: rulez: no such field; did you mean rules?"


def test_the_shipped_files_are_right():
    shipped = load(ROOT / "config" / "opwatch.yaml")
    assert [rule.name for rule in shipped.rules.rules] == [
        "sla_violation",
        "high_error_rate",
        "critical_service_failure",
        "performance_degradation",
        "quality_degradation",
        "cache_hit_rate",
    ]
    assert {it.name: it.type for it in shipped.rules.channels} == {
        "engineering_email": "email",
        "slack_engineering": "slack",
        "pagerduty_oncall": "pagerduty",
    }
    load(ROOT / "examples" / "job_parser" / "rules.yaml")


def test_the_hash_is_of_what_is_said_not_of_how():
    plain = parse(rule())
    assert parse("# why\n" + rule().replace("5m", '"5m"')).hash == plain.hash
    assert parse(rule(window="300s")).hash == plain.hash
    assert parse(rule(threshold="6")).hash != plain.hash
    assert len(plain.hash) == 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            [
                (
                    "1:1: the file is empty: write `rules:` and below it a rule, as"
                    " config/opwatch.yaml does."
                )
            ],
        ),
        ("rules:\n\t- a\n", ["2:1: a tab: YAML wants spaces here."]),
        (
            "rules:\n  - name: x: y\n",
            ["2:12: no YAML: a colon too much; put the value in quotes, or the line further in."],
        ),
        ("a: &a [*a]\n", ["1:1: aliases repeat too much: write the parts out."]),
        ("hello\n", ["1:1: 'hello' is wrong: write fields: `name: value` lines, further in."]),
        (
            "rules:\n",
            [("1:1: rules: is empty: write a list: [one, two], or lines that begin with a dash.")],
        ),
        (
            "rules: []\nrules: []\n",
            ["2:1: rules: stands twice, the first time in line 1: leave one out."],
        ),
        ("version: 2\n", ["1:1: version: 2 is wrong; write one of 1."]),
    ],
)
def test_what_is_no_rule_file_at_all(text: str, expected: list[str]):
    assert told(text) == expected


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "type: email, to: [nobody]",
            (
                "to[0]: 'nobody' is no mail address: write name@example.com,"
                " or Name <name@example.com>."
            ),
        ),
        ("type: email", "to: is missing: write `to: [name@example.com]`."),
        (
            "type: sms, to: ['0155']",
            (
                "to[0]: '0155' is no telephone number: write it in quotes with"
                ' its country, "+15551234567".'
            ),
        ),
        ("type: slak", "type: 'slak' is no type; did you mean slack?"),
        ("type: slack, severities: [hihg]", "severities[0]: 'hihg' is wrong; did you mean high?"),
        (
            "type: slack, fallback: c",
            ("fallback: a channel cannot stand in for itself: name another."),
        ),
        (
            "type: webhook, url_env: my-url",
            (
                "url_env: 'my-url' is no name of an environment"
                " variable: write one such as SLACK_WEBHOOK_URL and put the value into the"
                " environment."
            ),
        ),
    ],
)
def test_what_may_be_wrong_with_a_channel(text: str, expected: str):
    (sentence,) = told(f"channels:\n  - {{name: c, {text}}}\n")
    assert sentence.partition(" c.")[2] == expected


@pytest.mark.parametrize(
    "text",
    [
        "type: slack, webhook_url: hunter2hunter2",
        "type: slack, channel: 'https://hooks.slack.com/services/hunter2hunter2'",
        "type: teams, webhook_url: hunter2hunter2",
        "type: teams, webhook_url_env: 'https://a.b.logic.azure.com:443/w?sig=hunter2hunter2'",
        "type: pagerduty, service_key_env: 0123456789abcdef0123456789abcdef",
        "type: webhook, secret_env: whsec_hunter2hunter2",
        "type: email, to: [a@b.c], password: hunter2hunter2",
        "type: sms, to: ['+15551234567'], auth_token: hunter2hunter2",
    ],
)
def test_a_secret_is_told_and_never_repeated(text: str):
    (sentence,) = told(f"channels:\n  - {{name: c, {text}}}\n")
    assert "a secret does not belong in the file" in sentence
    assert "hunter2" not in sentence
    assert "0123456789abcdef" not in sentence


@pytest.mark.parametrize(
    "text",
    [
        "see https://hooks.slack.com/ and docs", "whsec_", "a token such as xoxb-…",
        "whsec_<secret>",
        "made at https://prod.logic.azure.com/ by ada", "xoxb- is how they begin",
    ],
)  # fmt: skip
def test_what_only_begins_as_a_secret_is_none(text: str):
    loaded = parse(rule(description=f"'{text}'"))
    assert loaded.rules.rules[0].description == text


def test_a_secret_is_put_where_its_own_vendor_looks():
    for kind, name in (("teams", "TEAMS_WEBHOOK_URL"), ("slack", "SLACK_WEBHOOK_URL")):
        (sentence,) = told(f"channels:\n  - {{name: c, type: {kind}, webhook_url: hunter2}}\n")
        assert sentence.endswith(f"into the environment as {name}.")


def test_aliases_and_merges_are_allowed():
    loaded = parse(
        dedent("""\
        rules:
          - &error
            name: lever
            kind: metric_threshold
            metric: error_rate
            operator: greater_than
            threshold: 5
            window: 5m
            match: platform="lever"
          - <<: *error
            name: ashby
            match: platform="ashby"
        """)
    )
    assert [it.match for it in loaded.rules.rules] == ['platform="lever"', 'platform="ashby"']


def test_burn_rates_default_to_the_workbooks_pairs():
    (loaded,) = parse("rules: [{name: a, kind: burn_rate, objective: 99.9}]").rules.rules
    assert isinstance(loaded, BurnRate)
    assert [(it.rate, it.long, it.short) for it in loaded.pairs] == [
        (14.4, 3_600_000, 300_000),
        (6, 21_600_000, 1_800_000),
        (1, 259_200_000, 21_600_000),
    ]


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(BadRuleFile, match=r"cannot read .*: No such file or directory; write its"):
        load(tmp_path / "no.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"# \xe9\n")
    with pytest.raises(BadRuleFile, match="is not UTF-8: byte 2"):
        load(tmp_path / "latin.yaml")


@pytest.mark.parametrize("strange", ["\0", "\x1b[0m", "\x07"])
def test_a_control_character_is_a_mistake_with_its_line(strange: str) -> None:
    (sentence,) = told(f"version: 1\n# {strange}\n")
    assert sentence == "2:1: a character that YAML does not allow: remove it."


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (rule(labels='{a: "\\ud800"}'), "labels.a"),
        (rule(labels='{"\\ud800": a}'), "labels"),
        (rule(summary='"a \\ud800"'), "summary"),
        (rule(match='"platform=\\"\\ud800\\""'), "match"),
        (rule(name='"\\udfff"'), "name"),
    ],
)
def test_half_a_character_is_a_mistake_with_its_line(text: str, where: str) -> None:
    (sentence,) = [one for one in told(text) if "half a character" in one]
    assert sentence[0].isdigit()
    assert where in sentence
    assert sentence.encode()


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 3000])
def test_what_is_nested_too_deeply_is_said_so(text: str) -> None:
    (sentence,) = told(text)
    assert "nested too deeply" in sentence


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("service_key_env", "pagerduty"),
        ("webhook_url_env", "slack"),
        ("url_env", "webhook"),
        ("secret_env", "webhook"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "OPWATCH_KAFKA_PASSWORD",
        "OPWATCH_LINK_SECRET",
        "OPWATCH_KAFKA_PASSWORD_FILE",
        "OPWATCH_RULE",  # whose _FILE is a setting
        "METRICS_DATABASE_URL",
        "PATH",
    ],
)
def test_a_channel_that_names_a_secret_of_ours_is_a_mistake(field: str, kind: str, name: str):
    text = f"channels:\n  - name: c\n    type: {kind}\n    {field}: {name}\n"
    (sentence,) = told(text)
    assert sentence.startswith(f"4:5: channels[0] c.{field}: {name} is opwatch's or the system's")
