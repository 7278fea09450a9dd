"""How alerts stand is the same whether all is worked out anew or only what changed."""

from hypothesis import given
from hypothesis import strategies as st

from streams.audit.status import alert_statuses
from streams.dashboard.alert_board import AlertBoard
from tests.unit.messages.samples import breach, resolved
from tests.unit.streams.story_samples import Records

NAMES = ("lever", "ashby", "workday")
STEPS = ("open", "resolve", "told", "shared", "acknowledge", "silence", "end", "wait")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(NAMES)), max_size=25))
def test_it_says_at_every_step_what_the_whole_log_says(steps):
    records, board = Records(), AlertBoard()
    records.log = board  # type: ignore[assignment]  # it takes the same
    silence = ""
    for number, (step, name) in enumerate(steps):
        about = {"fingerprint": f"f-{name}", "labels": {"platform": name}, "series": name}
        if step == "open":
            records.breached(breach(id=f"{name}-{number}", **about))
        elif step == "resolve":
            records.breached(resolved(id=f"{name}-{number}", **about))
        elif step == "told":
            records.told(f"slack-{name}")
        elif step == "shared":
            delivery = {"delivery": f"d-{number}", "parcel": "shared"}
            records.decided("due", "mail", **delivery)
            records.decided("retry", "mail", attempt=1, **delivery)
        elif step in ("acknowledge", "silence"):
            offset = records.asked(step)
            cause = {"kind": "command", "topic": "commands", "offset": offset}
            records.decided("command_done", cause=cause)
            silence = f"silence-{offset}" if step == "silence" else silence
        elif step == "end" and silence:
            offset = records.asked("end_silence", silence=silence)
            cause = {"kind": "command", "topic": "commands", "offset": offset}
            records.decided("command_done", cause=cause)
        elif step == "wait":
            records.now_ms += 2_000_000
        expected = alert_statuses(board.log, records.now_ms)
        assert board.alerts(records.now_ms) == expected
        for status in expected:
            assert board.alert(status.breach.fingerprint, records.now_ms) == status
    assert board.alert("nothing", records.now_ms) is None
