"""What a rule file says is what was written: numbers, units, templates."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.rule_file.doubts import doubts
from agents.rule_file.load import load, parse
from agents.rule_file.yaml import read
from schemas.numbers import plain
from streams.channels.text_format import number, quantity
from streams.rules.formatting import figure
from streams.rules.kinds import kind_for
from tests.effort import examples
from tests.unit.flow_rules import RULE, file_with, refused, rule

# ---------------------------------------------------------------- numbers, by YAML 1.2


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0500", 500), ("050", 50), ("-010", -10), ("+7", 7), ("0o17", 15), ("0x1F", 31),
        ("1e3", 1000), ("1E+3", 1000), ("15e-1", 1.5), (".5", 0.5), ("5.", 5.0), ("1.50", 1.5),
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("2:30", "2:30"), ("1:59:59", "1:59:59"), ("1_000", "1_000"), ("yes", "yes"),
        ("off", "off"), ("2026-01-01", "2026-01-01"), ("0b11", "0b11"), ("5%", "5%"), ("=", "="),
        ("!!str 0500", "0500"), ("'1e3'", "1e3"), ("!!int 0500", 500), ("!!float 5", 5),
    ],
)  # fmt: skip
def test_a_value_is_read_as_yaml_1_2_reads_it(written: str, meant: object):
    document = read(f"a: {written}\n")
    assert document.mistakes == []
    assert document.body == {"a": meant}
    assert type(document.body["a"]) is type(meant)


@settings(deadline=None, max_examples=examples(50))
@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False), st.data())
def test_a_number_is_read_as_it_is_written_with_whatever_zeros_in_front(value, data):
    text = repr(value)
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    zeros = "0" * data.draw(st.integers(0, 3))
    body = read(f"a: {sign}{zeros}{digits}\n").body["a"]
    assert body == value


@pytest.mark.parametrize("field", ["threshold", "min_samples"])
@pytest.mark.parametrize("written", ["2:30", "1_000", "yes", "5%", "5 %", "1,000", "'5'", "1e400"])
def test_what_is_no_number_is_refused_where_one_is_wanted(field: str, written: str):
    (sentence,) = refused(rule(**{field: f'"{written}"' if "," in written else written}))
    assert re.match(rf"f:2:\d+: rules\[0\] a\.{field}: .* write a (whole )?number", sentence)


@settings(deadline=None, max_examples=examples(80))
@given(st.floats(min_value=-1e14, max_value=1e14).filter(lambda it: not 0 < abs(it) < 1e-8))
@example(30000.0)
@example(2e-05)
@example(1234567.0)
def test_no_number_is_shown_with_an_exponent(value: float):
    for text in (
        plain(value),
        plain(value, 4),
        figure(value),
        number(value),
        quantity(value, "ms"),
    ):
        assert re.fullmatch(r"-?[\d,]+(\.\d+)?( ms)?", text), text
    assert float(plain(value)) == value
    assert math.isclose(float(plain(value, 4)), value, rel_tol=0.6e-3)


@pytest.mark.parametrize("threshold", ["30000", "1234567", "12345.5"])
def test_a_threshold_is_shown_as_it_is_written(threshold: str):
    (loaded,) = parse(rule(metric="duration_p95", threshold=threshold)).rules.rules
    assert f"duration_p95 > {threshold} ms over 5m" in kind_for(loaded).condition()


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("fields", "field", "warning"),
    [
        ({"threshold": "0.05"}, "threshold", "is in per cent, and this is 0.05 %: for 5 % write 5"),
        ({"resolve_threshold": "0.5"}, "resolve_threshold", "for 50 % write 50"),
        (
            {"threshold": "", "tiers": "[{severity: low, threshold: 0.1}]"},
            "tiers[0].threshold", "for 10 % write 10",
        ),
        ({"metric": "duration_p95", "threshold": "0.8"}, "threshold", "for 0.8 s write 800"),
        ({"metric": "duration_mean", "threshold": "2"}, "threshold", "for 2 s write 2000"),
        ({"kind": "change", "threshold": "0.5"}, "threshold", "a change is in per cent"),
        ({"kind": "burn_rate", "objective": "0.995"}, "objective", "for 99.5 % write 99.5"),
    ],
)  # fmt: skip
def test_a_number_in_another_unit_is_a_warning(
    fields: dict[str, str], field: str, warning: str, tmp_path: Path
):
    only = {"kind", "objective", "name"} if "objective" in fields else None
    given = {name: it for name, it in (RULE | fields).items() if only is None or name in only}
    path = tmp_path / "f.yaml"
    path.write_text(file_with(**given))
    found = doubts(load(path))
    (line,) = found.warnings
    assert f"rules[0] a.{field}: " in line
    assert warning in line
    assert found.mistakes == []


@pytest.mark.parametrize(
    "fields",
    [
        {"threshold": "1"}, {"threshold": "0"}, {"metric": "duration_p95", "threshold": "10"},
        {"metric": "throughput", "threshold": "0.5"}, {"metric": "confidence", "threshold": "50"},
        {"metric": "quality_overall", "operator": "less_than", "threshold": "0.8"},
        {"metric": "cache_ttl", "threshold": "0.5"},
    ],
)  # fmt: skip
def test_a_number_in_its_unit_is_no_warning(fields: dict[str, str], tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text(rule(**fields))
    assert doubts(load(path)) == ([], [])


# ---------------------------------------------------------------- templates

SLACK = "channels: [{{name: s, type: slack, template: '{}'}}]\n"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ observd }}", "there is no value 'observd'; did you mean observed?"),
        ("{% if state == \"resolved\" %}{{ serverity }}{% endif %}", "did you mean severity?"),
        ("{{ labels.platfrm }}", "there is no 'platfrm'"),
        ("{{ severity + 1 }}", "'high' is no number"),
        ("{{ samples|join }}", "TypeError"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["summary", "template"])
def test_a_template_that_will_fail_is_found_with_its_place(
    template: str, why: str, where: str, tmp_path: Path
):
    text = rule(each="platform", severity="high", channels="[s]")
    if where == "summary":
        text = rule(each="platform", severity="high", summary=f"'{template}'")
    else:
        text = SLACK.format(template) + text
    path = tmp_path / "f.yaml"
    path.write_text(text)
    (line,) = doubts(load(path)).mistakes
    place = "rules[0] a.summary" if where == "summary" else "channels[0] s.template"
    assert re.match(rf"{re.escape(str(path))}:\d+:\d+: {re.escape(place)}: fails", line)
    assert why in line


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        (RULE | {"each": "platform"}, "{{ labels.platform }} {{ observed|round(1) }}{{ unit }}"),
        (RULE | {"match": "'operation=\"x\"'"}, "{{ labels.operation }} {{ evidence.failures }}"),
        (RULE | {"labels": "{team: jobs}"}, "{{ labels.team|upper }} {{ sentence }}"),
        (RULE, "{% for key, value in evidence|dictsort %}{{ key }} {{ value }}{% endfor %}"),
        (
            {"name": "a", "kind": "burn_rate", "objective": "99.9"},
            "{{ observed|round(1) }} {{ evidence.burn_1h|round(1) }} {{ threshold }}",
        ),
        (
            {"name": "a", "kind": "service_status", "each": "service", "status": "down"},
            "{{ labels.service }} is {{ evidence.status }}",
        ),
        ({"name": "a", "kind": "no_data", "after": "5m"}, "{{ (observed / 60)|round }} min"),
        ({"name": "a", "kind": "trend"}, "{{ threshold|round(1) }} to {{ observed|round(1) }}"),
    ],
)
def test_a_template_that_works_is_found_by_nobody(
    fields: dict[str, str], summary: str, tmp_path: Path
):
    path = tmp_path / "f.yaml"
    path.write_text(file_with(**(fields | {"summary": f'"{summary}"'})))
    assert doubts(load(path)) == ([], [])
