"""Run pgbouncer in transaction mode in front of a PostgreSQL, where it is installed."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from stack.net import free_port

_CONFIGURATION = """
[databases]
opwatch = host=127.0.0.1 port={server} dbname=opwatch user=opwatch
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_login_retry = 1
"""


class Pgbouncer:
    """A pgbouncer with two connections to the server, whoever has one for a transaction."""

    def __init__(self, folder: Path, server_port: int) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise SystemExit("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
        self.port = free_port()
        file = folder / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(server=server_port, port=self.port))
        file.chmod(0o644)
        whom = {"user": "nobody"} if os.geteuid() == 0 else {}  # it refuses to run as root
        with (folder / "pgbouncer.log").open("wb") as log:
            self._process = subprocess.Popen([program, str(file)], stdout=log, stderr=log, **whom)
        until = time.monotonic() + 30
        while not self._listens():
            assert time.monotonic() < until, (folder / "pgbouncer.log").read_text()
            time.sleep(0.1)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._process.kill()
        self._process.wait(30)
