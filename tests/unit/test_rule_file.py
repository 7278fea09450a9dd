"""A rule file's mistakes: all at once, each with its line, its path and what to write instead."""

from pathlib import Path
from textwrap import dedent

import pytest

from agents.rule_file.load import BadRuleFile, load, parse
from schemas.rule_kinds import BurnRate
from tests.unit.rule_texts import rule, told

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
