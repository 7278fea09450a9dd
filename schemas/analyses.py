"""Describe an analysis, as services publish it on `analyses` to have it scored."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from schemas.operations import GENERIC_PLATFORM, MAX_DURATION_MS, EpochMs, Name
from schemas.received import Received, Whole

Share = Annotated[float, Field(ge=0, le=1)]
Identity = Annotated[str, Field(min_length=1, max_length=128)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Sentence = Annotated[str, Field(max_length=2000)]
FieldName = Annotated[str, Field(min_length=1, max_length=100)]
#: What an input's text, and a field's value, may have; a longer text is sent as an excerpt.
MAX_TEXT = 256 * 1024
MAX_FIELDS = 100
MAX_LIST = 50


class AnalysisInput(Received):
    """What was analysed."""

    hash: Identity = Field(description="Of the content: the same content has the same hash.")
    text: Annotated[str, Field(max_length=MAX_TEXT)] | None = Field(
        None, description="The text, or an excerpt that holds what the analysis quotes."
    )
    is_excerpt: bool = Field(
        False, description="Whether the text is only a part: what is not in it may be elsewhere."
    )
    url: Annotated[str, Field(max_length=4000)] | None = None
    facts: dict[FieldName, JsonValue] | None = Field(
        None,
        max_length=MAX_FIELDS,
        description="What is known to be true of the input, by field of the result.",
    )


class Evidence(Received):
    """A passage that the analysis says is in the input."""

    quote: Annotated[str, Field(min_length=1, max_length=4000)]
    field: FieldName | None = Field(None, description="The field, or factor, that it supports.")


class Factor(Received):
    """What speaks for or against the verdict."""

    description: Sentence
    direction: Literal["raises", "lowers"] = Field(
        description="Whether it raises or lowers the score."
    )
    weight: Share = Field(1.0, description="How much, from 0 to 1.")


class AnalysisResult(Received):
    """What the analysis found."""

    label: Word | None = Field(None, description="The verdict, such as likely_ghost.")
    score: Share | None = Field(None, description="The verdict's score.")
    confidence: Share | None = Field(None, description="How sure the service is of the whole.")
    field_confidence: dict[FieldName, Share] | None = Field(None, max_length=MAX_FIELDS)
    fields: dict[FieldName, JsonValue] = Field(
        default_factory=dict,
        max_length=MAX_FIELDS,
        description="Extracted fields; null where nothing was found.",
    )
    evidence: list[Evidence] = Field(default_factory=list, max_length=MAX_LIST)
    factors: list[Factor] = Field(default_factory=list, max_length=MAX_LIST)
    notes: Sentence | None = None


class Analysis(Received):
    """An analysis and its result on `analyses`. The record's key is the input's hash, in UTF-8."""

    version: Literal[1] = 1
    id: Identity = Field(description="Of this analysis; a repeat that is sent again has the same.")
    service: Name
    operation: Name = Field(description="What was done, such as analyze_job.")
    platform: Name = GENERIC_PLATFORM
    model: Name = Field("none", description="The model that answered; none where there is none.")
    model_version: Word | None = None
    occurred_at: EpochMs = Field(
        description="When it ended: epoch milliseconds or ISO 8601 (UTC unless it says otherwise)."
    )
    input: AnalysisInput
    result: AnalysisResult
    duration_ms: Annotated[float, Field(ge=0, le=MAX_DURATION_MS)]
    tokens: Annotated[int, Field(ge=0, le=10**9), Whole] | None = None
    attempt: Annotated[int, Field(ge=1, le=1000), Whole] = Field(1, description="1 is the first.")
    extraction_method: Word | None = Field(None, description="Such as webllm, manual, hybrid.")
    fallback: Word | None = Field(None, description="The fallback that was used, if any.")
    errors: list[Sentence] = Field(
        default_factory=list, max_length=MAX_LIST, description="What went wrong on the way."
    )
    degraded: list[Word] = Field(
        default_factory=list,
        max_length=MAX_LIST,
        description="Dependencies that were slow or away, as the service saw them.",
    )
    cached: Identity | None = Field(
        None, description="The analysis whose stored answer this is: no evidence of consistency."
    )
    remediates: Identity | None = Field(None, description="The analysis that this one repeats.")
