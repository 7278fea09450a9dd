import pytest
import typer

from agents.cli.command import since_ms

NOW_MS = 1_772_600_760_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("90s", NOW_MS - 90_000),
        ("30m", NOW_MS - 1_800_000),
        ("1.5h", NOW_MS - 5_400_000),
        ("2 d", NOW_MS - 172_800_000),
        ("99999d", 0),
        ("2026-03-04T05:06:00Z", NOW_MS),
        ("2026-03-04 05:06", NOW_MS),
        ("2026-03-04T06:06+01:00", NOW_MS),
    ],
)
def test_a_moment_is_a_span_or_a_time(text: str | None, moment: int | None):
    assert since_ms(text, NOW_MS) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "-2h", "2w"])
def test_anything_else_is_wrong_usage(text: str):
    with pytest.raises(typer.BadParameter):
        since_ms(text, NOW_MS)
