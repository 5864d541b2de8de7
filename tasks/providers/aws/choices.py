"""What a cluster's form can be filled in with, as an account itself tells it; and where there is nothing, why."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from blocks.errors import BadInput, NotFound
from tasks.providers.aws import image_catalogue, node_types, offers
from tasks.providers.aws.findings import require_none
from tasks.providers.aws.image_catalogue import ARCHITECTURES, Image
from tasks.providers.aws.node_types import NodeType
from tasks.providers.aws.session import AwsSession

_AT_ONCE = 4
_MOST_NAMED = 200
"""Values of one filter (Amazon EC2 User Guide, "List and filter your resources")."""


@dataclass(frozen=True)
class Wishes:
    """Which types of nodes are wanted: of a family as c5n, in a zone, with EFA, with GPUs, for a processor.

    Empty: any.
    """

    family: str = ""
    zone: str = ""
    efa: bool = False
    gpu: bool = False
    architecture: str = ""


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, as rows of texts. A list that is empty has its reason beside it."""

    region: str
    regions: tuple[str, ...]
    zones: tuple[str, ...]
    versions: tuple[tuple[str, ...], ...]
    types: tuple[tuple[str, ...], ...]
    why_no_versions: str = ""
    why_no_types: str = ""


def of_account(session: AwsSession, owner: str, region: str, wishes: Wishes) -> Choices:
    """Return what an account is offered in a region.

    Raises:
        CredentialsInvalid, AccessDenied: Nothing was told: that is not the same as nothing there.
        BadInput: The region is none of the account's; the zone is none of the region's.
    """
    known = offers.regions(session)
    require_none(offers.region_findings(known, region))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        zoned = threads.submit(offers.zones, session, region)
        imaged = threads.submit(_images, session, owner, region)
        asked = node_types.offered(
            session, region, wishes.family, efa=wishes.efa, gpu=wishes.gpu, architecture=wishes.architecture
        )
        places = offers.selling(session, region, asked if len(asked) <= _MOST_NAMED else ()) if asked else {}
        zones, (images, why) = zoned.result(), imaged.result()
    if wishes.zone and wishes.zone not in zones:
        raise BadInput(f"{region} has no zone {wishes.zone}", where="zone", advice=f"There are: {', '.join(zones)}.")
    processors = {image.architecture for image in images}
    rows = tuple(_row(one, places[one.name]) for one in asked.values() if _fits(one, places, wishes.zone, processors))
    return Choices(
        region=region,
        regions=tuple(sorted(name for name, is_on in known.items() if is_on)),
        zones=tuple(zones),
        versions=tuple((image.version, image.architecture) for image in images),
        types=rows,
        why_no_versions=why,
        why_no_types="" if rows else _why_no_types(wishes, processors),
    )


def _images(session: AwsSession, owner: str, region: str) -> tuple[list[Image], str]:
    found = [one for kind in ARCHITECTURES for one in image_catalogue.newest(session, owner, region, kind)]
    if found:
        return found, ""
    try:
        image_catalogue.find(session, owner, region, "")
    except NotFound as none:
        return [], f"{none.what}. {none.advice}"
    return [], ""


def _fits(one: NodeType, places: dict[str, list[str]], zone: str, processors: set[str]) -> bool:
    """Tell whether a type is sold, there, and has an image of ours; before there is any image, none is left out."""
    sold = places.get(one.name, [])
    return bool(sold) and (not zone or zone in sold) and (not processors or bool(processors & set(one.architectures)))


def _row(one: NodeType, zones: Iterable[str]) -> tuple[str, ...]:
    return (
        one.name,
        str(one.cores),
        f"{one.memory_gib:g}",
        " ".join(one.architectures),
        "yes" if one.efa else "",
        str(one.gpus or ""),
        " ".join(zones),
    )


def _why_no_types(wishes: Wishes, processors: set[str]) -> str:
    asked = [word for word, is_asked in (("EFA", wishes.efa), ("GPUs", wishes.gpu)) if is_asked]
    asked += [wishes.architecture] * bool(wishes.architecture)
    of_what = f" of {wishes.family}" if wishes.family else ""
    with_what = of_what + (f" with {' and '.join(asked)}" if asked else "")
    images = f" that our images ({', '.join(sorted(processors))}) run on" if processors else ""
    return f"AWS sells no type{with_what}{images} in {wishes.zone or 'this region'}: ask with fewer wishes"
