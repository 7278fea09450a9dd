"""How alerts stand is the same whether all is worked out anew or only what changed."""

from hypothesis import given
from hypothesis import strategies as st

from streams.audit.status import alert_statuses
from streams.dashboard.alert_board import AlertBoard
from tests.unit.messages.samples import breach, resolved
from tests.unit.streams.story_samples import Records

NAMES = ("lever", "ashby", "workday")
STEPS = ("open", "resolve", "told", "shared", "acknowledge", "silence", "end", "wait")


STORIES = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(NAMES)), max_size=25)


@given(STORIES)
def test_it_says_at_every_step_what_the_whole_log_says(steps):
    for board, now_ms in told(steps):
        expected = alert_statuses(board.log, now_ms)
        assert board.alerts(now_ms) == expected
        for status in expected:
            assert board.alert(status.breach.fingerprint, now_ms) == status
        assert board.alert("nothing", now_ms) is None


@given(STORIES, STORIES)
def test_what_is_left_stands_as_before_when_the_rest_is_forgotten(steps, later):
    whole = forgetting = None
    for whole in told([*steps, *later]):  # noqa: B007 - the last one counts
        pass
    for number, forgetting in enumerate(told([*steps, *later])):
        if number == len(steps):
            board, now_ms = forgetting
            board.forget(now_ms)
    if whole is None or forgetting is None:
        return
    (board, now_ms), (less, _) = whole, forgetting
    less.forget(now_ms)
    left = less.alerts(now_ms)
    names = {status.breach.fingerprint for status in left}
    expected = [it for it in board.alerts(now_ms) if it.breach.fingerprint in names]
    assert left == expected
    gone = [it for it in board.alerts(now_ms) if it.breach.fingerprint not in names]
    assert {it.state for it in gone} <= {"resolved"}


def told(steps):
    """Yield the board and the clock after each step."""
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
        yield board, records.now_ms
