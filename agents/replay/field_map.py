"""Name the columns that hold an operation's fields, and compute fields from columns: `--map`."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.replay.cells import Cell, field_value, time_of
from agents.replay.expression_values import ExpressionError
from agents.replay.expressions import Expression
from schemas.operations import Operation


class FieldMap:
    """Makes the fields of an operation from the columns of a row."""

    def __init__(
        self, texts: Sequence[str] = (), defaults: Mapping[str, str] | None = None
    ) -> None:
        """Read what `--map` says.

        Args:
            texts: COLUMN=FIELD, or FIELD=EXPRESSION.
            defaults: expressions of fields that the texts do not name.

        Raises:
            ExpressionError: a text is neither.
        """
        self.names: dict[str, str] = {}
        """The field of a column."""
        self._computed = dict(defaults or {})
        for text in texts:
            left, equals, right = (part.strip() for part in text.partition("="))
            column, _, field = (part.strip() for part in text.rpartition("="))
            if not equals or not left or not right:
                raise ExpressionError(f"{text!r} is neither COLUMN=FIELD nor FIELD=EXPRESSION")
            if field in Operation.model_fields:  # site=platform, also platform=operation
                self.names[column] = field
                self._computed.pop(field, None)
            elif left in Operation.model_fields:
                self._computed[left] = right
            else:
                fields = ", ".join(Operation.model_fields)
                raise ExpressionError(f"neither {left!r} nor {field!r} is one of {fields}")
        self.columns = frozenset(self.names)
        self._expressions = {field: Expression(text) for field, text in self._computed.items()}

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.names or self._expressions)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it makes."""
        return frozenset(self.names.values()) | self._expressions.keys()

    def apply(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row with the fields that it makes; other columns stay.

        Raises:
            ExpressionError: it cannot be computed of this row.
        """
        made = {self.names.get(name, name): value for name, value in row.items()}
        for field, expression in self._expressions.items():
            try:
                value = expression.of(row)
            except ExpressionError as error:
                raise ExpressionError(f"{field}: {error}") from None
            made[field] = value
        for field in made.keys() & Operation.model_fields.keys():
            value = made[field]
            if isinstance(value, Cell):
                made[field] = field_value(field, value)
            elif field == "occurred_at" and isinstance(value, str):
                made[field] = time_of(value)
        return {field: value for field, value in made.items() if value is not None}
