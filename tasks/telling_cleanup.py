"""What a run tells people about the cleaning of a region."""

from collections.abc import Mapping, Sequence

from prefect.artifacts import create_table_artifact

from blocks.aws_account import AwsAccount
from tasks.providers.aws.removal import prices
from tasks.providers.aws.removal.things import Thing
from tasks.telling import note


def show_removal(
    account: AwsAccount, region: str, things: Sequence[tuple[Thing, str]], nodes: Mapping[str, float]
) -> None:
    """Show what is in a region, what becomes of each, and what it costs for an hour.

    Args:
        account: The account.
        region: The region.
        things: Each with what becomes of it: ``goes``, ``stays``, or why it is not touched.
        nodes: The price in USD of an hour by type of node.
    """
    rows = [
        {
            "what": thing.kind.value,
            "id": thing.id,
            "name": thing.name,
            "cluster": thing.cluster,
            "becomes": fate,
            "USD per hour": _told(prices.hourly_usd(thing, nodes)) if thing.standing == "ours" else "",
        }
        for thing, fate in things
    ]
    going = [thing for thing, fate in things if fate == "goes"]
    staying = [thing for thing, fate in things if fate == "stays"]
    saved, left = prices.total_usd(going, nodes), prices.total_usd(staying, nodes)
    title = f"Region {region} of {account.name}: {len(going)} things go, {len(staying)} stay"
    title += f"; saves about {saved:.3f} USD per hour ({saved * prices.HOURS_A_MONTH:.2f} per month)"
    title += f"; what stays costs {left:.3f}, and what is paid by use" if staying else ""
    create_table_artifact(rows, key=f"cleanup-{account.name}", description=title)
    note(title)


def _told(usd: float | None) -> str:
    return "by use" if usd is None else f"{usd:.4f}"
