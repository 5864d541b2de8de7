"""Where our Prefect lives, and the environment its processes run in.

Nothing here imports Prefect: its settings are read when it is first imported, so they must stand before.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blocks.errors import BadInput
from tasks.home import home

ROOT = Path(__file__).resolve().parent.parent
POOL = "groundwork"
PREFECT_WORKER = "this-machine"
DEFAULT_PORT = 4200

THE_USERS_OWN = (
    "PREFECT_API_AUTH_STRING",
    "PREFECT_LOGGING_LEVEL",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
)
"""Of the Prefect settings that a user has in the environment, these reach our processes; the others belong
to some other Prefect."""

NOT_FOR_CLIENTS = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_SERVER_DATABASE_CONNECTION_URL")

NOBODY = Path(__file__).with_name("nobody.pem")
"""Whom clients of our own server trust, which speaks plain HTTP: nobody. Why that is said is told in the file."""

NO_PHONING_HOME = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


@dataclass(frozen=True)
class House:
    """Our Prefect on this machine: its folder under ``GROUNDWORK_HOME`` and the port of its server."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The UI's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The API's address, as ``PREFECT_API_URL`` wants it."""
        return f"{self.url}/api"


def house() -> House:
    """Return the house of ``GROUNDWORK_HOME`` on ``GROUNDWORK_PORT``. Makes its folder, 0700.

    Raises:
        BadInput: ``GROUNDWORK_PORT`` is no port.
    """
    folder = home() / "server"
    for made in (folder, folder / "tmp"):
        made.mkdir(mode=0o700, exist_ok=True)
    return House(folder, _port(os.environ.get("GROUNDWORK_PORT") or str(DEFAULT_PORT)))


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise BadInput(f"{text!r} is no port", where="GROUNDWORK_PORT", advice="Set it to a number from 1024 to 65535.")
    return int(text)


def client_environment(house: House) -> dict[str, str]:
    """Return the environment of whatever talks to our server: Prefect worker, flow runs, command line."""
    environment = {name: value for name, value in os.environ.items() if _is_welcome(name)}
    return environment | {
        **NO_PHONING_HOME,
        **_without_proxy(environment),
        "GROUNDWORK_HOME": str(house.folder.parent),
        "GROUNDWORK_LOGOS_URL": f"{house.url}/groundwork",
        "PREFECT_HOME": str(house.folder),
        "PREFECT_API_URL": house.api,
        "PREFECT_API_SSL_CERT_FILE": str(NOBODY),
        "PREFECT_UI_URL": house.url,
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_CLI_WRAP_LINES": "false",
        "PREFECT_LOGGING_COLORS": "false",
        # Three beats missed mark a run crashed; Prefect's default of 180 s would take nine minutes.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # The default is 10 s: as long as all the rest of starting a run.
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
        "PYTHONUNBUFFERED": "1",
        # The Prefect worker keeps things in a folder of a fixed name there, which the machine's first user owns.
        "TMPDIR": str(house.folder / "tmp"),
    }


def server_environment(house: House) -> dict[str, str]:
    """Return the environment of our server."""
    database = f"sqlite+aiosqlite:///{house.folder / 'prefect.db'}"
    return client_environment(house) | {
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(house.port),
        # Prefect's default is *: every web page in the user's browser could then start jobs here.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{house.url},http://localhost:{house.port}",
        # In memory, a server that is killed keeps the slots of its holders taken for good.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Time zones from the tzdata package: reading the system's takes a hundred times as long for each schedule.
        "PYTHONTZPATH": "",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        **{name: os.environ[name] for name in NOT_FOR_CLIENTS if os.environ.get(name)},
    }


def _is_welcome(name: str) -> bool:
    if name in THE_USERS_OWN:
        return name not in NOT_FOR_CLIENTS
    return not name.startswith("PREFECT_")


def _without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings by which no proxy stands between us and our own server."""
    direct = ("127.0.0.1", "localhost", *environment.get("NO_PROXY", environment.get("no_proxy", "")).split(","))
    value = ",".join(dict.fromkeys(place.strip() for place in direct if place.strip()))
    return {"NO_PROXY": value, "no_proxy": value}
