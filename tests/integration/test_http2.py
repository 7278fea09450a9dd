"""HTTP/2 is spoken where it is offered, on one connection."""

import asyncio
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from streams.channels.response_meaning import Retry, Sent
from tests.integration.sending import client, made
from tests.receivers.certificates import Certificates
from tests.receivers.everyone import everyone
from tests.receivers.slack import PATH
from tests.unit.messages.samples import message


class Server:
    """Answers each stream with the next status, and `ok`; 0 says nothing."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.connections = 0
        self.streams = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        talk.initiate_connection()
        writer.write(talk.data_to_send())
        while data := await reader.read(65536):
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    self.answer(talk, event.stream_id)
            writer.write(talk.data_to_send())
        writer.transport.abort()

    def answer(self, talk: h2.connection.H2Connection, stream: int) -> None:
        self.streams += 1
        if status := self.statuses.pop(0):
            talk.send_headers(stream, [(":status", str(status))])
            talk.send_data(stream, b"ok", end_stream=True)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n",
        b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\1\0\0\0\0\0\x09a",  # of a stream that was never opened
    ],
)
async def test_a_peer_that_breaks_the_protocol_is_asked_again(said: bytes, tmp_path: Path):
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(24)
        await asyncio.sleep(0.05)
        writer.write(said)
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    async with everyone(tmp_path) as to:
        context = Certificates(tmp_path).server(protocols=("h2",))
        listening = await asyncio.start_server(breaks, "127.0.0.1", 0, ssl=context)
        url = f"https://localhost:{listening.sockets[0].getsockname()[1]}{PATH}"
        async with client(to) as http:
            sender = made("slack", to, http, SLACK_WEBHOOK_URL=url)
            answer = await sender.send(message(), 1, 10.0)
        listening.close()
    assert isinstance(answer, Retry)
    assert answer.ambiguous


async def test_http_2_is_spoken_where_it_is_offered(tmp_path: Path):
    async with everyone(tmp_path) as to:
        certificates = Certificates(tmp_path)
        server = Server(200, 503, 0)
        context = certificates.server(protocols=("h2",))
        listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
        url = f"https://localhost:{listening.sockets[0].getsockname()[1]}{PATH}"
        async with client(to) as http:
            sender = made("slack", to, http, SLACK_WEBHOOK_URL=url)
            answers = [await sender.send(message(), 1, limit_s) for limit_s in (10, 10, 0.5)]
        listening.close()
    assert [type(answer) for answer in answers] == [Sent, Retry, Retry]
    assert answers[1].answer == "503 ok"
    assert answers[2].ambiguous
    assert (server.connections, server.streams) == (1, 3)
