"""Publish an analysis, so that opwatch scores it."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from opwatch_client import current, fitting, wire
from opwatch_client.fitting import Json
from opwatch_client.json_values import json_value
from opwatch_client.publisher import Publisher
from opwatch_client.records import LARGEST_BYTES, Record

NO_MODEL = "none"


def analysis(
    *,
    operation: str,
    duration_ms: float,
    text: str | None = None,
    input_hash: str | None = None,
    is_excerpt: bool = False,
    url: str | None = None,
    facts: Mapping[str, Any] | None = None,
    label: str | None = None,
    score: float | None = None,
    confidence: float | None = None,
    field_confidence: Mapping[str, float] | None = None,
    fields: Mapping[str, Any] | None = None,
    evidence: Iterable[str | Mapping[str, Any]] = (),
    factors: Iterable[Mapping[str, Any]] = (),
    notes: str | None = None,
    platform: str = wire.GENERIC,
    model: str = NO_MODEL,
    model_version: str | None = None,
    service: str | None = None,
    occurred_at_ms: int | None = None,
    tokens: int | None = None,
    attempt: int = 1,
    extraction_method: str | None = None,
    fallback: str | None = None,
    errors: Iterable[str] = (),
    degraded: Iterable[str] = (),
    cached: str | None = None,
    remediates: str | None = None,
) -> str:
    """Publish an analysis and return its id. Never raises, never waits.

    A value that does not fit is left out and counted. Without a duration, and without `text` and
    `input_hash`, there is nothing to score: it is dropped and counted.

    Args:
        operation: what was done, such as analyze_job.
        duration_ms: how long it took.
        text: what was analysed; the quotes are looked for in it. A longer one than 256 Ki
            characters is cut and marked as an excerpt.
        input_hash: of the content, the same for the same content; by default text's SHA-256.
        is_excerpt: `text` is only a part of what was analysed.
        url: where the input came from.
        facts: what is known to be true of the input, by field.
        label: the verdict, such as likely_ghost.
        score: the verdict's score, from 0 to 1.
        confidence: how sure the service is, from 0 to 1.
        field_confidence: the same by field.
        fields: extracted fields; None where nothing was found.
        evidence: passages of the text that support the result: quotes, or {quote, field}.
        factors: what speaks for or against: {description, direction: raises or lowers, weight}.
        notes: anything for a reader.
        platform: where the input is from.
        model: the model that answered.
        model_version: its version.
        service: only if it differs from the settings.
        occurred_at_ms: its end, else now.
        tokens: how many the model used.
        attempt: 1 is the first.
        extraction_method: such as webllm, manual, hybrid.
        fallback: the fallback that was used.
        errors: what went wrong on the way.
        degraded: dependencies that were slow or away.
        cached: the id of the analysis whose stored answer this is.
        remediates: the id of the analysis that this one repeats.
    """
    identity = wire.ids(1)[0]
    publisher = current.publisher()
    bad = publisher.bad
    try:
        result: dict[str, Any] = {
            "label": fitting.text(label, "label", wire.TEXT_LENGTH, bad),
            "score": fitting.share(score, "score", bad),
            "confidence": fitting.share(confidence, "confidence", bad),
            "field_confidence": fitting.by_field(
                field_confidence, "field_confidence", bad, fitting.fit_share
            ),
            "fields": fitting.by_field(fields, "fields", bad, json_value) or {},
            "evidence": fitting.items(evidence, "evidence", bad, fitting.fit_evidence),
            "factors": fitting.items(factors, "factors", bad, fitting.fit_factor),
            "notes": fitting.text(notes, "notes", fitting.SENTENCE_LENGTH, bad),
        }
        body: dict[str, Any] = {
            "version": 1,
            "id": identity,
            "service": wire.name(service or publisher.service, wire.UNNAMED),
            "operation": wire.name(operation, wire.UNNAMED),
            "platform": wire.name(platform, wire.GENERIC),
            "model": wire.name(model, NO_MODEL),
            "model_version": fitting.text(model_version, "model_version", wire.TEXT_LENGTH, bad),
            "occurred_at": fitting.moment(occurred_at_ms, "occurred_at_ms", bad),
            "input": _input(text, input_hash, is_excerpt, url, facts, bad),
            "result": fitting.present(result),
            "duration_ms": wire.number(duration_ms, wire.MAX_DURATION_MS),
            "tokens": fitting.whole(tokens, "tokens", fitting.MOST_TOKENS, bad),
            "attempt": fitting.whole(attempt, "attempt", fitting.MOST_ATTEMPTS, bad) or 1,
            "extraction_method": fitting.text(
                extraction_method, "extraction_method", wire.TEXT_LENGTH, bad
            ),
            "fallback": fitting.text(fallback, "fallback", wire.TEXT_LENGTH, bad),
            "errors": fitting.items(errors, "errors", bad, fitting.fit_sentence),
            "degraded": fitting.items(degraded, "degraded", bad, fitting.fit_word),
            "cached": fitting.text(cached, "cached", fitting.ID_LENGTH, bad),
            "remediates": fitting.text(remediates, "remediates", fitting.ID_LENGTH, bad),
        }
        for required in ("duration_ms", "input"):
            if body[required] is None:
                publisher.refuse_record("analyses", required)
                return identity
        publisher.scores.expect(fitting.utf8(identity))
        _publish(publisher, fitting.present(body))
    except Exception:  # noqa: BLE001 - measuring must never break what it measures
        publisher.refuse_record("analyses", "analysis")
    return identity


def _publish(publisher: Publisher, body: dict[str, Any]) -> None:
    """Publish the analysis; a text that makes its record too large is cut."""
    value = wire.encode(body)
    source = body["input"]
    while len(value) > LARGEST_BYTES and source.get("text"):
        source["text"] = source["text"][: len(source["text"]) // 2]
        source["is_excerpt"] = True
        value = wire.encode(body)
    publisher.append_record("analyses", Record(fitting.utf8(source["hash"]), value))


def _input(
    text: object,
    input_hash: object,
    is_excerpt: object,
    url: object,
    facts: object,
    bad: wire.Bad,
) -> dict[str, Json] | None:
    """Return the input; None if it has neither text nor hash."""
    whole = None if text is None else text if isinstance(text, str) else wire.text(text, 10**9)
    if text is not None and whole is None:
        bad("text")
    content = fitting.text(input_hash, "input_hash", fitting.ID_LENGTH, bad)
    if content is None and whole is not None:
        content = hashlib.sha256(fitting.utf8(whole)).hexdigest()
    if content is None:
        return None
    is_cut = whole is not None and len(whole) > fitting.INPUT_LENGTH
    return fitting.present(
        {
            "hash": content,
            "text": whole[: fitting.INPUT_LENGTH] if whole else None,
            "is_excerpt": is_cut or bool(is_excerpt),
            "url": fitting.text(url, "url", fitting.URL_LENGTH, bad),
            "facts": fitting.by_field(facts, "facts", bad, json_value),
        }
    )
