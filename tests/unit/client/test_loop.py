"""A forked child leaves the parent's connections alone."""

import asyncio
import os
import socket

from opwatch_client.loop import Loop


def test_child_that_cleans_up_leaves_the_parents_sockets_watched():
    near, far = socket.socketpair()
    loop = Loop()
    heard = asyncio.Event()
    loop.add_reader(near.fileno(), heard.set)

    child = os.fork()
    if child == 0:
        loop.remove_reader(near.fileno())
        os._exit(0 if loop.is_closed() else 1)
    status = os.waitpid(child, 0)[1]

    assert os.waitstatus_to_exitcode(status) == 0
    assert not loop.is_closed()
    far.send(b"x")
    loop.run_until_complete(asyncio.wait_for(heard.wait(), 2))
    loop.close()
    assert loop.is_closed()
    near.close()
    far.close()
