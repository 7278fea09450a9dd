import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from agents.runtime.logs import KINDS, MASK, Folder, configure, redactor
from agents.runtime.settings import Settings


@pytest.fixture(autouse=True)
def _put_logging_back() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in before[0]:
            root.removeHandler(handler)
    root.handlers[:], root.level = before
    for name in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def settings(**more: object) -> Settings:
    return Settings(_env_file=None, **{"log_format": "json", **more})


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def record(name: str, level: int, template: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, level, "here.py", 1, template, args, None)


def test_ours_and_a_librarys_come_out_in_one_form():
    stream = io.StringIO()
    configure(settings(), stream)

    structlog.get_logger("agents.measure").info("assigned", partition=3)
    logging.getLogger("aiokafka.client").error("no %s", "way")

    ours, theirs = lines(stream)
    assert (ours["event"], ours["level"], ours["partition"]) == ("assigned", "info", 3)
    assert (theirs["event"], theirs["logger"]) == ("no way", "aiokafka.client")
    assert ours.keys() - {"partition"} == theirs.keys()


def test_the_console_form_has_no_colours_where_there_is_no_terminal():
    stream = io.StringIO()
    configure(settings(log_format="console"), stream)

    structlog.get_logger("agents").warning("slow", seconds=3)

    assert "slow" in stream.getvalue()
    assert "seconds=3" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_libraries_are_heard_at_info_only_when_debugging():
    stream = io.StringIO()
    configure(settings(), stream)
    logging.getLogger("aiokafka.consumer").info("joined")
    assert stream.getvalue() == ""

    configure(settings(log_level="debug"), stream)
    logging.getLogger("aiokafka.consumer").info("joined")
    assert lines(stream)[0]["event"] == "joined"


def test_a_services_life_is_told_only_when_debugging():
    for level, told in (("info", 1), ("debug", 2)):
        configure(settings(log_level=level), stream := io.StringIO())
        logging.getLogger("agents.kafka.transport").info("[^--Consumer]: Starting...")
        logging.getLogger("agents.kafka.transport").error("[^--Consumer]: Crashed")
        assert len(lines(stream)) == told


def test_a_secret_is_masked_wherever_it_turns_up():
    stream = io.StringIO()
    chosen = settings(
        kafka_sasl_mechanism="PLAIN", kafka_username="svc", kafka_password='hun"ter2!'
    )
    configure(chosen, stream)

    log = structlog.get_logger("agents")
    log.info("connecting", options=chosen.kafka())
    log.info('said hun"ter2! aloud', url="kafka://svc:hun%22ter2%21@broker:9092")
    try:
        int('bad login hun"ter2!')
    except ValueError:
        log.exception("failed")

    assert "ter2" not in stream.getvalue()
    assert stream.getvalue().count(MASK) >= 4
    assert len(lines(stream)) == 3


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2, next", f"password={MASK}, next"),
        ("{'sasl_plain_password': 'a b'}", f"{{'sasl_plain_password': '{MASK}'}}"),
        ('{"api_key":"x\\"y"}', f'{{"api_key":"{MASK}"}}'),
        ("postgresql://u:p@127.0.0.1:5432/db", f"postgresql://u:{MASK}@127.0.0.1:5432/db"),
        ("password=None", "password=None"),
        ("no secrets, 5 tokens of time", "no secrets, 5 tokens of time"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str):
    assert redactor([])(text) == masked


def test_a_broker_outage_is_a_line_a_minute():
    folder = Folder(span_s=60)
    written = []
    for tenth in range(1800):  # three minutes
        for name, template in (
            ("aiokafka", "Unable connect to node with id %s: %s"),
            ("aiokafka.consumer.fetcher", "Failed fetch messages from %s: %s"),
            ("aiokafka.client", "Unable to update metadata from %s"),
        ):
            written += folder.fold(record(name, logging.ERROR, template, tenth), tenth / 10)

    assert len(written) == 3
    assert [getattr(one, "repeats", 0) for one in written] == [0, 1799, 1800]


def test_repeats_are_counted_and_told_at_the_end():
    stream = io.StringIO()
    configure(settings(), stream)
    for number in range(5):
        logging.getLogger("faust.tables").warning("table %s is odd", number)

    logging.getLogger().handlers[0].close()

    first, last = lines(stream)
    assert (first["event"], last["event"]) == ("table 0 is odd", "table 4 is odd")
    assert last["repeated"] == "4 times"
    assert "repeats" not in last


def test_our_own_warnings_that_differ_are_all_written():
    stream = io.StringIO()
    configure(settings(), stream)
    log = structlog.get_logger("agents")

    for name in ("lever", "workday", "lever"):
        log.warning("platform not admitted", platform=name)

    assert [line["platform"] for line in lines(stream)] == ["lever", "workday"]


def test_our_own_news_is_never_held():
    stream = io.StringIO()
    configure(settings(), stream)
    for _ in range(3):
        structlog.get_logger("agents").info("rebalanced")
    assert len(lines(stream)) == 3


def test_a_quiet_minute_begins_anew():
    folder = Folder(span_s=60)
    one = record("x", logging.INFO, "again")
    assert list(folder.fold(one, 0)) == [one]
    assert list(folder.fold(one, 100)) == [one]


def test_kinds_do_not_pile_up():
    folder = Folder()
    for number in range(2 * KINDS):
        list(folder.fold(record("x", logging.INFO, f"kind {number}"), 0))
    assert len(folder._kinds) == KINDS
