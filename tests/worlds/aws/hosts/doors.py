"""What the world listens at for its hosts' sake: one SSH jump host, and the socket at which hosts speak to the world.

The jump host stands at the router's address of every VPC at once. Its user's name is the VPC: ``ssh -J vpc-1@...``.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh

from tasks.keys import key_pair

Reach = Callable[[str, str, int], tuple[str, int]]
"""Returns the loopback address and port behind which (VPC, private address, port) is; ``Unreachable`` with a reason."""
Hear = Callable[[dict[str, Any]], tuple[int, str]]
"""Answers a command typed on a host: its exit code, and what it says to standard error."""


class Unreachable(Exception):
    """The jump host does not get there; the message says why."""


class Doors:
    """Both, in a thread with a loop of its own, until they are closed."""

    def __init__(self, socket_path: Path, *, hear: Hear, reach: Reach) -> None:
        self._socket_path, self._hear, self._reach = socket_path, hear, reach
        self._private_key, self._public_key = key_pair()
        host_private, self._host_key = key_pair()
        self._host_private = asyncssh.import_private_key(host_private)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._port = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)

    def jump(self) -> dict[str, Any]:
        """Return how one enters the jump host; the user is the VPC behind it that one wants to reach."""
        return {
            "host": "127.0.0.1",
            "port": self._port,
            "host_key": self._host_key,
            "private_key": self._private_key,
        }

    def close(self) -> None:
        """Close both. Hosts see that the world is gone, and go too."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> int:
        self._ears = await asyncio.start_unix_server(self._listen, str(self._socket_path))
        self._gate = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: Gate(self._public_key, self._reach),
            server_host_keys=[self._host_private],
            keepalive_interval=15,
            backlog=512,
        )
        return self._gate.get_port()

    async def _shut(self) -> None:
        self._ears.close()
        self._gate.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one command. A VPC's keeper says nothing: it waits here for the world's end."""
        try:
            line = await reader.readline()
            if line:
                answer = await asyncio.to_thread(self._hear, json.loads(line))
                writer.write(json.dumps(answer).encode())
                await writer.drain()
        except ConnectionError:
            pass  # The host ended meanwhile.
        finally:
            writer.close()


class Gate(asyncssh.SSHServer):
    """One connection to the jump host: it forwards and does nothing else."""

    def __init__(self, public_key: str, reach: Reach) -> None:
        self._key = asyncssh.import_public_key(public_key)
        self._reach = reach

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key == self._key

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Coroutine[Any, Any, Any]:
        vpc = str(self._connection.get_extra_info("username"))
        return self._forward(vpc, dest_host, dest_port)

    async def _forward(self, vpc: str, address: str, port: int) -> Any:
        try:
            place = await asyncio.to_thread(self._reach, vpc, address, port)
        except Unreachable as error:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(error)) from error
        return await self._connection.forward_connection(*place)
