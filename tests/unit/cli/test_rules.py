"""`opwatch rules list` and `rules check` say what the rules are, and every mistake."""

from pathlib import Path

from tests.unit.cli.command import opwatch
from tests.unit.cli.rule_samples import DEFAULT, RULES


def test_list_shows_what_each_rule_looks_at_and_who_is_told():
    answer = opwatch("rules", "list", COLUMNS="200")
    assert answer.returncode == 0
    assert "error_rate > 5% over 5m, ≥ 50 samples" in answer.stdout
    assert 'service="webllm_service"' in answer.stdout
    assert "duration_mean > 2000 ms over 5m" in answer.stdout
    for name in ("sla_violation", "cache_hit_rate", "engineering_email", "pagerduty_oncall"):
        assert name in answer.stdout


def test_check_says_that_all_is_right():
    answer = opwatch("rules", "check", DEFAULT)
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"{DEFAULT}: 6 rules, 3 channels, all right (")


def test_check_counts_one_as_one(tmp_path: Path):
    one = tmp_path / "one.yaml"
    one.write_text(RULES + "channels: [{name: ops, type: slack}]\n")
    answer = opwatch("rules", "check", str(one))
    assert answer.stdout.startswith(f"{one}: 1 rule, 1 channel, all right (")


def test_check_tells_every_mistake(tmp_path: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("error_rate", "eror_rate").replace("5m", "5"))
    answer = opwatch("rules", "check", str(bad))
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        (
            f"opwatch: {bad}:4:5: rules[0] errors.metric: 'eror_rate' is wrong; did you mean"
            " error_rate?"
        ),
        (
            f"opwatch: {bad}:8:5: rules[0] errors.window: 5 has no unit: write a span such as 30s,"
            " 5m or 1h30m."
        ),
    ]


def test_the_settings_name_the_file(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(RULES)
    answer = opwatch("rules", "check", OPWATCH_RULE_FILE=str(file))
    assert answer.stdout.startswith(f"{file}: 1 rule,")
    answer = opwatch("config", "check", OPWATCH_RULE_FILE=str(file))
    assert answer.returncode == 0
    assert f"{file}: 1 rule," in answer.stdout
    file.write_text("rulez: []\n")
    answer = opwatch("config", "check", OPWATCH_RULE_FILE=str(file))
    assert answer.returncode == 1
    assert "no such field; did you mean rules?" in answer.stderr


def test_without_a_rule_file_the_settings_are_right_all_the_same(tmp_path: Path):
    answer = opwatch("config", "check", folder=tmp_path)
    assert answer.returncode == 0
    assert "no rules: there is no config/opwatch.yaml" in answer.stdout
    answer = opwatch("config", "check", folder=tmp_path, OPWATCH_RULE_FILE="gone.yaml")
    assert answer.returncode == 1
    assert "cannot read gone.yaml: No such file" in answer.stderr
