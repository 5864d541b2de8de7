"""The world's one server on loopback, and the second door in it for tests: ``/_world/<verb>``."""

import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from tests.worlds.aws import noting, people
from tests.worlds.aws.call import NoReply
from tests.worlds.aws.faults import Bucket, Fault
from tests.worlds.aws.hosts import hosts
from tests.worlds.aws.moto_inside import Moto
from tests.worlds.aws.world import World


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the world keeps its own record."""


class Server:
    """The world over HTTP. ``settings`` are those that each new world has at first."""

    def __init__(self, port: int = 0, **settings: Any) -> None:
        hosts.clean_after_killed_worlds()
        self._settings = settings
        self._moto = Moto()
        self._moto.reset()  # its stores are the process's, not the server's
        self.world = self._new_world()
        self._http: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._answer, threaded=True, request_handler=_Handler
        )
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Serve from now on, in threads of this process."""
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Serve no longer."""
        self._http.shutdown()
        self._http.server_close()
        noting.keep(self.world.records)
        hosts.close(self.world)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_world/"):
            return self._control(path.removeprefix("/_world/"), Request(environ))(environ, start_response)
        try:
            response = self.world.handle(environ)
        except NoReply:
            # Werkzeug has no word for it: the socket itself is closed under its hands.
            with suppress(OSError):  # the client may have done it
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            response = Response("", 500)
        except Exception:  # noqa: BLE001 # told to the client and to the test: a world with a fault of its own proves nothing
            response = self.world.cannot(traceback.format_exc())
        return response(environ, start_response)

    def _control(self, verb: str, request: Request) -> Response:
        verbs = self._verbs()
        if verb not in verbs:
            return Response(f"no such verb: {verb}\n", 404)
        told = json.loads(request.get_data() or b"{}")
        return Response(json.dumps(verbs[verb](**told), default=str), content_type="application/json")

    def _verbs(self) -> dict[str, Callable[..., Any]]:
        world = self.world
        return {
            "reset": self._reset,
            "advance": world.clock.advance,
            "speed": world.clock.run,
            "fault": lambda **told: world.faults.all.append(Fault(**told)),
            "throttle": lambda name, **told: world.faults.buckets.__setitem__(name, Bucket(**told)),
            "mend": world.faults.mend,
            "let_go": world.faults.let_go,
            "wait_hung": world.faults.wait_hung,
            "settings": world.settings.update,
            "end_sessions": world.keys.end_sessions,
            "calls": world.calls,
            "unanswered": lambda: world.unanswered,
            "jump": partial(hosts.jump, world),
        }

    def _reset(self) -> None:
        self.world.faults.let_go()
        noting.keep(self.world.records)
        hosts.close(self.world)
        self._moto.reset()
        self.world = self._new_world()

    def _new_world(self) -> World:
        world = World(self._moto)
        world.settings.update(self._settings)
        people.settle(world)
        return world
