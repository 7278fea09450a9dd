"""`opwatch report` says on a real PostgreSQL how long alerts lasted and what people did."""

from datetime import timedelta
from pathlib import Path

import asyncpg

from tests.integration.reporting import moment, reports, rows_of, run


def test_alerts_are_reported_with_what_people_did(tmp_path: Path, history: str):
    async def fill() -> None:
        connection = await asyncpg.connect(history)
        await put_alerts(connection)
        await connection.close()

    run(fill())
    report = reports(history, tmp_path)
    span = ("--from", "2026-03-01", "--to", "2026-03-15", "--format", "json")
    alerts = rows_of(report("alerts", *span))
    assert [
        (row["rule"], row["time_to_acknowledge"], row["time_to_resolve"]) for row in alerts
    ] == [
        ("quiet", None, 60.0),
        ("slow", None, None),
        ("slow", 300.0, 1800.0),
    ]
    assert [row["messages"] for row in alerts] == [0, 1, 2]
    assert [row["rule"] for row in rows_of(report("ignored", *span))] == ["slow"]
    pages = rows_of(report("pages", *span))
    assert [
        (row["week"], row["pages"], row["alerts"], row["acknowledged"], row["nobody_acted"])
        for row in pages
    ] == [("2026-03-09", 1, 1, 0, 1), ("2026-03-02", 2, 1, 1, 0)]
    table = report("alerts", *span[:4])
    assert "time to acknowledge: median 5 min, mean 5 min" in table.stderr


async def put_alerts(connection: asyncpg.Connection) -> None:
    """Store an acknowledged alert, one that nobody acted on, and one that was not sent."""
    episodes = (
        ("slow", "2026-03-04T10:00", 30),
        ("slow", "2026-03-10T10:00", None),
        ("quiet", "2026-03-11T10:00", 1),
    )
    for number, (rule, opened, lasted_min) in enumerate(episodes):
        opened_at = moment(opened)
        resolved_at = None if lasted_min is None else opened_at + timedelta(minutes=lasted_min)
        await connection.execute(
            "INSERT INTO opwatch.alerts (id, revision, state, why, fingerprint, rule, kind, series,"
            " labels, severity, unit, samples, evidence, span_start_at, span_end_at, since_at,"
            " opened_at, resolved_at, confirmed, judged, stale, summary, exemplars, routing,"
            " rules_hash) VALUES ($1, 1, 'opened', 'violated', 'f', $2, 'burn_rate', '*', '{}',"
            " 'high', 'x', 9, '{}', $3, $3, $3, $3, $4, true, true, false, 'sentence', '[]', '{}',"
            " 'hash')",
            *(f"alert-{number}", rule, opened_at, resolved_at),
        )
        for message in range(2 - number):
            await connection.execute(
                "INSERT INTO opwatch.notifications (id, fingerprint, alert, rule, severity,"
                " channel, event, reason, sentence, delivery, decided_at, cause) VALUES"
                " ($1, 'f', $2, $3, 'high', 'slack', 'opened', 'sent', 's', $1, $4, '{}')",
                *(f"{number}-{message}", f"alert-{number}", rule, opened_at),
            )
    await connection.execute(
        "INSERT INTO opwatch.acknowledgements (alert, fingerprint, command, by, at, comment)"
        " VALUES ('alert-0', 'f', 'c', 'sam', $1, 'mine')",
        moment("2026-03-04T10:05"),
    )
