"""Run the receivers: lines for a shell, or one of JSON, say where they are; then what arrives.

GET  /received            on the control port: everything that arrived, as JSON
POST /says/slack          503 503 429:2 hang:5 cut   what it says next, one a request
POST /says/mail           data=451 later|rcpt=550 no|data=cut
"""

import argparse
import asyncio
import contextlib
import json
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.receivers.everyone import Everyone, everyone
from tests.receivers.http import Arrived, Receiver
from tests.receivers.mail import MailSay
from tests.receivers.says import Status, parse
from tests.receivers.showing import record, shown


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.receivers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, help="where receivers-ca.pem goes")
    parser.add_argument("--no-tls", action="store_true", help="http:// in place of https://")
    parser.add_argument("--json", action="store_true", help="show what arrives as JSON lines")
    parser.add_argument("--quiet", action="store_true", help="show nothing of what arrives")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        made = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asyncio.run(_run(given, made))


async def _run(given: argparse.Namespace, folder: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    received: list[dict[str, Any]] = []

    def take(name: str, arrived: Any) -> None:
        received.append(record(name, arrived))
        if not given.quiet:
            print(json.dumps(received[-1]) if given.json else shown(received[-1]), flush=True)

    async with everyone(folder, tls=not given.no_tls) as all_of_them:
        for name, receiver in all_of_them.http.items():
            receiver.on_arrival = lambda arrived, name=name: take(name, arrived)
        all_of_them.mail.on_arrival = lambda arrived: take("mail", arrived)
        async with Receiver(lambda asked: _control(asked, all_of_them, received)) as control:
            where = _where(all_of_them, control)
            print(json.dumps(where) if given.json or given.quiet else _pasted(where), flush=True)
            await stop.wait()


def _where(all_of_them: Everyone, control: Receiver) -> dict[str, Any]:
    ports = {name: receiver.port for name, receiver in all_of_them.http.items()}
    return {
        "ports": ports | {"mail": all_of_them.mail.port, "control": control.port},
        "urls": all_of_them.urls,
        "environment": all_of_them.environment,
        "control": control.url,
    }


def _pasted(where: dict[str, Any]) -> str:
    """Return where the receivers are, as lines for a shell."""
    lines = [f"export {name}={shlex.quote(it)}" for name, it in where["environment"].items()]
    urls = [
        f"# {name}: {url}" for name, url in (where["urls"] | {"control": where["control"]}).items()
    ]
    return "\n".join(["# paste these lines into the shell of the alert worker", *lines, *urls])


def _control(
    asked: Arrived, all_of_them: Everyone, received: list[dict[str, Any]]
) -> tuple[list[str], Status]:
    if asked.path == "/received":
        body = json.dumps({"received": received, "open": all_of_them.incidents.open}).encode()
        return [], Status(status=200, body=body, headers={"content-type": "application/json"})
    name = asked.path.removeprefix("/says/")
    try:
        if name == "mail":
            all_of_them.mail.says(*map(_mail_say, asked.body.decode().split("|")))
        else:
            all_of_them.http[name].says(*map(parse, asked.body.decode().split()))
    except (KeyError, ValueError) as error:
        return [], Status(status=400, body=repr(error).encode())
    return [], Status(status=200)


def _mail_say(text: str) -> MailSay:
    stage, _, reply = text.strip().partition("=")
    if stage not in ("ehlo", "auth", "mail", "rcpt", "data"):
        raise ValueError(stage)
    return MailSay(stage=stage, reply=reply)  # type: ignore[arg-type]  # just checked


if __name__ == "__main__":
    sys.exit(main())
