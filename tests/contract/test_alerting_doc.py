"""docs/alerting.md says what is: its rule file is right, its reasons are all there are."""

import re
from pathlib import Path
from typing import get_args

from agents.rule_file.load import parse
from schemas.notifications import Reason
from streams.channels.wording import values
from tests.unit.messages.samples import message

PAGE = (Path(__file__).parents[2] / "docs/alerting.md").read_text()


def test_its_rule_file_is_right():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert [one.name for one in parse(text).rules.channels] == ["my_slack"]


def test_each_reason_is_explained_and_none_else():
    rows = PAGE.partition("| reason | it means |")[2].splitlines()
    firsts = [row.split("|")[1] for row in rows if row.startswith("| `")]
    told = re.findall(r"`(\w+)`", " ".join(firsts))
    assert sorted(told) == sorted(get_args(Reason))


def test_it_names_what_a_template_may_name():
    paragraph = (
        PAGE.partition("It may name ")[2].partition("\n\n")[0].partition("One that fails")[0]
    )
    assert sorted(re.findall(r"`(\w+)`", paragraph)) == sorted(values(message()))
