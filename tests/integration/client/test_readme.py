"""The client's README shows examples that run and the defaults that are."""

import json
import re
from pathlib import Path

from opwatch_client import current
from tests.integration.client.published import names, read

ROOT = Path(__file__).parents[3]


def test_examples_of_the_readme_run(kafka: str, topic: str, script):
    readme = (ROOT / "client" / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(examples) == 7

    for example in examples:
        run = script(example)
        assert (run.returncode, run.stderr) == (0, "")

    operations = read(kafka, topic)
    assert names(operations) == ["fetch_page", "index_job", "parse_job_data", "parse_job_data"]
    assert {operation.service for operation in operations} == {None, "crawler"}


def test_defaults_of_the_readmes_table_are_the_clients():
    readme = (ROOT / "client" / "README.md").read_text()

    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", readme, re.MULTILINE)

    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(current.Settings.__dataclass_fields__)
    assert json.dumps(current.Settings().limit) in [row[2] for row in rows]
