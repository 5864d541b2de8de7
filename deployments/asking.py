"""Small questions to our own server, without importing Prefect (which takes seconds)."""

import base64
import json
import os
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from deployments.settings import House

_DIRECT = build_opener(ProxyHandler({}))


def ask(place: House, path: str, body: Any = None) -> Any:
    """Ask our server for a path below its API; with a body it is a POST. None means no answer, or a refusal."""
    headers = {"Content-Type": "application/json"}
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = Request(place.api + path, data=data, headers=headers)  # noqa: S310
    try:
        with _DIRECT.open(request, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None
