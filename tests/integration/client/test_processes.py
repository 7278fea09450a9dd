"""A process publishes its operations however it ends, forks or is started."""

from tests.integration.client.published import names, read
from tests.ports import lasting_port


def test_short_script_loses_nothing_at_its_exit(kafka: str, topic: str, script):
    # By name: resolving it while Python exits must need no executor.
    address = kafka.replace("127.0.0.1", "localhost")

    run = script(
        """
        with opwatch.operation("first"):
            pass
        opwatch.record(operation="last", success=True, duration_ms=1)
        """,
        OPWATCH_KAFKA_BOOTSTRAP=address,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert names(read(kafka, topic)) == ["first", "last"]


def test_script_that_ends_by_an_exception_publishes_it(kafka: str, topic: str, script):
    run = script(
        """
        import asyncio
        async def main():
            async with opwatch.operation("parse"):
                raise SystemExit(7)
        asyncio.run(main())
        """
    )

    assert run.returncode == 7
    (operation,) = read(kafka, topic)
    assert operation.error_type == "SystemExit"


def test_script_whose_kafka_is_away_ends_with_one_line(script):
    run = script(
        """
        with opwatch.operation("a"):
            pass
        """,
        OPWATCH_KAFKA_BOOTSTRAP=f"127.0.0.1:{lasting_port()}",
    )

    assert run.returncode == 0
    assert run.stderr.count("cannot publish") == 1
    assert "aiokafka" not in run.stderr
    assert len(run.stderr.splitlines()) <= 2


def test_forked_child_and_parent_each_publish_their_own(kafka: str, topic: str, script):
    run = script(
        """
        import gc, os, sys
        with opwatch.operation("before"):
            pass
        assert opwatch.flush(20)
        opwatch.record(operation="waiting", success=True, duration_ms=1)
        child = os.fork()
        if child == 0:
            assert opwatch.stats().pending == 0
            with opwatch.operation("child"):
                pass
            gc.collect()
            sys.exit(3)  # the whole exit: what it inherited is cleaned up in here
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        for _ in range(3):
            with opwatch.operation("after"):
                pass
            assert opwatch.flush(2)  # the parent's connection lives on
        assert opwatch.stats().failures == 0
        """
    )

    assert run.returncode == 0, run.stderr
    assert names(read(kafka, topic)) == ["after", "after", "after", "before", "child", "waiting"]


def test_spawned_and_forked_workers_of_multiprocessing_publish(kafka: str, topic: str, script):
    run = script(
        """
        import multiprocessing

        def work(name):
            with opwatch.operation(name):
                pass
            assert opwatch.close()

        if __name__ == "__main__":
            with opwatch.operation("parent"):
                pass
            for method in ("fork", "spawn"):
                process = multiprocessing.get_context(method).Process(target=work, args=(method,))
                process.start()
                process.join()
                assert process.exitcode == 0
        """
    )

    assert run.returncode == 0, run.stderr
    assert names(read(kafka, topic)) == ["fork", "parent", "spawn"]
