"""A name that is mistyped in a rule file is one mistake, with the right guess."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.channels import MODELS as CHANNEL_MODELS
from schemas.rule_kinds import RULE_MODELS
from tests.effort import examples
from tests.unit.flow_rules import RULE, file_with, refused, rule

KINDS = {
    "metric_threshold": RULE,
    "change": RULE | {"threshold": "50", "against": "previous"},
    "service_status": {"name": "a", "each": "service", "status": "down"},
    "burn_rate": {"name": "a", "objective": "99.9"},
    "trend": {"name": "a", "window": "1h", "evaluations": "2"},
    "no_data": {"name": "a", "after": "15m"},
}
CHANNELS = {
    "email": {"name": "c", "to": "[a@b.c]"},
    "slack": {"name": "c", "webhook_url_env": "SLACK_A"},
    "pagerduty": {"name": "c", "service_key_env": "PAGERDUTY_A"},
    "sms": {"name": "c", "to": "['+15551234567']"},
    "teams": {"name": "c", "webhook_url_env": "TEAMS_A"},
    "webhook": {"name": "c", "url_env": "HOOK_A"},
}
LABELS = ("operation", "platform")


@st.composite
def typos(draw, names):
    """Return a name, and what it is with a typo: a letter lacks, is twice, or stands elsewhere."""
    name = draw(st.sampled_from(sorted(names)))
    at = draw(st.integers(0, len(name) - 2))
    return name, draw(
        st.sampled_from(
            [
                name[:at] + name[at + 1 :],
                name[:at] + name[at] + name[at:],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
                name.upper(),
                name.title(),
                name.replace("_", "-"),
                name + "s",
            ]
        )
    )


@settings(deadline=None, max_examples=examples(50))
@given(typos(KINDS))
def test_a_mistyped_kind_is_one_error_with_the_right_guess(typo):
    name, written = typo
    if written in KINDS:
        return
    (sentence,) = refused(file_with(**(KINDS[name] | {"kind": written})))
    assert sentence.endswith(f"is no kind; did you mean {name}?")


@settings(deadline=None, max_examples=examples(50))
@given(typos(CHANNELS))
def test_a_mistyped_type_is_one_error_with_the_right_guess(typo):
    name, written = typo
    if written in CHANNELS:
        return
    (sentence,) = refused(file_with("channels", **(CHANNELS[name] | {"type": written})))
    assert sentence.endswith(f"is no type; did you mean {name}?")


@settings(deadline=None, max_examples=examples(80))
@given(typos(LABELS), st.sampled_from(["each", "match"]))
def test_a_mistyped_label_is_one_error_with_the_right_guess(typo, field):
    name, written = typo
    if written in LABELS or (field == "match" and not written.isidentifier()):
        return
    value = written if field == "each" else f"'{written}=\"x\"'"
    (sentence,) = refused(rule(**{field: value}))
    assert f"a.{field}" in sentence
    assert sentence.endswith(f"did you mean {name}?")


@pytest.mark.parametrize(
    ("field", "written", "end"),
    [
        ("metric", "p95", "did you mean duration_p95?"),
        ("metric", "errors", "did you mean error_rate?"),
        ("operator", "less", "write one of less_than, less_than_or_equal."),
        ("operator", "'>'", "did you mean greater_than?"),
        ("operator", "lt", "did you mean less_than?"),
        ("operator", "'>='", "did you mean greater_than_or_equal?"),
        ("kind", "threshold", "did you mean metric_threshold?"),
        ("severity", "hihg", "did you mean high?"),
    ],
)  # fmt: skip
def test_what_other_systems_say_is_understood(field: str, written: str, end: str):
    (sentence,) = refused(rule(**{field: written}))
    assert sentence.endswith(end)


def test_the_tables_here_have_every_kind_and_type():
    assert set(KINDS) == set(RULE_MODELS)
    assert set(CHANNELS) == set(CHANNEL_MODELS)
