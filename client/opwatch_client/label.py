"""Publish what was true of an analysis after all."""

from typing import Any

from opwatch_client import current, fitting, wire
from opwatch_client.fitting import Json, Unfit
from opwatch_client.json_values import json_value
from opwatch_client.records import Record

VERDICT = "verdict"


def label(
    analysis: str | None = None,
    *,
    truth: Any,
    about: str = VERDICT,
    input_hash: str | None = None,
    verified: bool = False,
    source: str | None = None,
    at_ms: int | None = None,
) -> None:
    """Publish what was true of an analysis after all. Never raises, never waits.

    Of two about the same thing from the same source the later one counts.

    Args:
        analysis: the analysis' id, or in its place `input_hash`.
        truth: the true value; of the verdict the true label.
        about: a field of the result, or `verdict`.
        input_hash: the hash of the input that it is true of.
        verified: whether somebody checked it.
        source: who says so.
        at_ms: when it was found out, else now.
    """
    publisher = current.publisher()
    bad = publisher.bad
    try:
        subject = fitting.text(analysis, "analysis", fitting.ID_LENGTH, bad)
        content = fitting.text(input_hash, "input_hash", fitting.ID_LENGTH, bad)
        key = subject or content
        if key is None or (subject and content):
            publisher.refuse_record("labels", "analysis")
            return
        body: dict[str, Json] = {
            "version": 1,
            "analysis": subject,
            "input_hash": content,
            "about": fitting.text(about, "about", 100, bad) or VERDICT,
            "verified": bool(verified),
            "source": fitting.text(source, "source", wire.TEXT_LENGTH, bad),
            "at": fitting.moment(at_ms, "at_ms", bad),
        }
        try:
            body = fitting.present(body) | {"truth": json_value(truth)}
        except Unfit:
            publisher.refuse_record("labels", "truth")
            return
        publisher.append_record("labels", Record(fitting.utf8(key), wire.encode(body)))
    except Exception:  # noqa: BLE001 - measuring must never break what it measures
        publisher.refuse_record("labels", "label")
