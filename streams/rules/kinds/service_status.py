"""Judge whether a service is down, degraded or silent."""

from schemas.rule_kinds import ServiceStatus
from schemas.rules import SEVERITIES
from schemas.spans import as_text
from streams.rules.firing import NO_SEVERITY, Verdict
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence, Kind
from streams.rules.needed_windows import Needs


class ServiceStatusKind(Kind[ServiceStatus]):
    """A rule of the kind service_status."""

    needs_operations = False
    series_kinds = frozenset({"service"})
    needs = Needs()
    lookback_ms = 0

    def judge(self, history: History, minute: int) -> Verdict | None:
        """Return the verdict on how it was at the minute's end, or is; None while it is unknown.

        A service that is silent is down as well.
        """
        window = history.at(minute)
        if window is None or window.status in ("", "unknown"):
            return None
        status, wanted = window.status, self.rule.status
        is_wanted = status in wanted or (status == "silent" and "down" in wanted)
        severity = SEVERITIES.index(self.rule.severity) if is_wanted else NO_SEVERITY
        return Verdict(severity, is_wanted, True, None, 0, None, 1)

    def evidence(self, history: History, minute: int) -> Evidence:
        """Return its status."""
        window = history.at(minute)
        return {"status": window.status if window else None}

    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return its status."""
        return f"{series} is {evidence.get('status') or 'unknown'}"

    def condition(self) -> str:
        """Return in which status a breach opens."""
        wait = f" for {as_text(self.rule.for_ms)}" if self.rule.for_ms else ""
        return " or ".join(self.rule.status) + wait
