"""Make what people ask the tables: views and functions, in v0003_reading.sql."""

import re
from pathlib import Path

from alembic import context, op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = Path(__file__).with_suffix(".sql")
_END = "\n--;\n"
_MADE = re.compile(r"CREATE (INDEX|FUNCTION|VIEW) (?:opwatch\.)?(\w+)")


def upgrade() -> None:
    """Make views and functions; names are qualified, so that no search path is needed."""
    schema = context.config.attributes["schema"]
    for statement in _statements():
        op.get_bind().exec_driver_sql(statement.replace("opwatch.", f'"{schema}".'))


def downgrade() -> None:
    """Remove them."""
    made = [found for statement in _statements() if (found := _MADE.search(statement))]
    for kind, name in reversed([found.groups() for found in made]):
        op.get_bind().exec_driver_sql(f"DROP {kind} {name}")


def _statements() -> list[str]:
    return _STATEMENTS.read_text("utf-8").split(_END)
