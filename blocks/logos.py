"""Where the pictures of our blocks are served: by our own server, so that the UI needs no outside network."""

import os

from pydantic import HttpUrl


def logo(noun: str) -> HttpUrl:
    """Return the address of a block type's picture on the Prefect server's own UI."""
    place = os.environ.get("GROUNDWORK_LOGOS_URL", "http://127.0.0.1:4200/groundwork")
    return HttpUrl(f"{place}/{noun}.svg")
