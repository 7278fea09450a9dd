"""Describe a label: what was true of an analysis after all, as people or systems found out."""

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from schemas.analyses import FieldName, Identity, Word
from schemas.operations import EpochMs
from schemas.received import Received

#: In place of a field's name: the label is about the verdict.
VERDICT = "verdict"


class Label(Received):
    """A truth on `labels`. The record's key is the analysis id, else the input's hash.

    It may come days after the analysis, repeated, or corrected: of two about the same thing from
    the same source the one with the later `at` counts.
    """

    version: Literal[1] = 1
    analysis: Identity | None = Field(None, description="The id of the analysis it is about.")
    input_hash: Identity | None = Field(None, description="Or the hash of the input.")
    about: FieldName = Field(VERDICT, description="A field of the result, or `verdict`.")
    truth: JsonValue = Field(description="The true value; of the verdict the true label.")
    verified: bool = Field(False, description="Whether somebody checked it.")
    source: Word = Field("unknown", description="Who says so.")
    at: EpochMs = Field(description="When it was found out.")

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if (self.analysis is None) == (self.input_hash is None):
            message = "exactly one of `analysis` and `input_hash` says what it is about"
            raise ValueError(message)
        return self
