"""What a run tells people about a cluster that could be made: the plan, and what an account is offered."""

from collections.abc import Iterable, Iterator, Sequence

from prefect.artifacts import create_markdown_artifact

from tasks.providers.aws.choices import Choices
from tasks.providers.aws.findings import Severity
from tasks.providers.aws.plan import Part, Plan
from tasks.telling import note

_SIGNS = {
    Severity.ERROR: "**refused**",
    Severity.WARNING: "**refused, unless ignored**",
    Severity.IGNORED: "ignored",
    Severity.NOTE: "note",
}
_NOT_IN_IT = (
    "Disks, the NAT gateway, the elastic IP, shared files and traffic come on top; the price list does not sum them."
)


def show_plan(plan: Plan) -> None:
    """Show what would be made, what it costs and needs, and what stands in its way."""
    spec = plan.spec
    text = "\n".join(
        [
            f"# Cluster {spec.name}: {spec.node_count} nodes in {spec.region}\n",
            *_table(("", ""), _summary(plan)),
            "\n## What stands in its way, or is good to know\n",
            *_table(("field", "", "what"), _findings(plan)),
            "\n## What is made\n",
            *_table(("what", "how many", "whose", "USD an hour"), map(_part, plan.parts)),
            "\n## What it needs\n",
            *(f"* {line}" for line in plan.quotas),
            f"* actions: {', '.join(f'`{action}`' for action in plan.permissions)}" if plan.permissions else "",
        ]
    )
    create_markdown_artifact(text, key=f"plan-{spec.name}", description=f"Plan of cluster {spec.name}")
    note(f"plan of {spec.name}: {_in_short(plan)}; it is in this run's artifact")
    for found in plan.findings:
        doubt = f" ({found.doubt})" if found.doubt else ""
        note(f"{found.severity}: {found.field}: {found.text}{doubt}")


def _in_short(plan: Plan) -> str:
    return f"{plan.spec.node_count} nodes, {plan.ranks} ranks, {_money(plan.hourly_usd)} an hour"


def _money(usd: float | None) -> str:
    return "USD not known" if usd is None else f"USD {usd:.4f}"


def _summary(plan: Plan) -> Iterator[tuple[str, ...]]:
    spec = plan.spec
    price = "at most, at the spot price" if spec.spot else "for its nodes, on demand"
    yield "ranks, one for each core" if not spec.slots_per_node else "ranks", str(plan.ranks)
    yield "costs", f"{_money(plan.hourly_usd)} an hour {price}. {_NOT_IN_IT}"
    yield "starts from", f"{plan.image.name} ({plan.image.image_id})" if plan.image else "no image"


def _findings(plan: Plan) -> Iterator[tuple[str, ...]]:
    for found in plan.findings:
        doubt = f" (`{found.doubt}`)" if found.doubt else ""
        yield found.field, _SIGNS[found.severity] + doubt, f"{found.text}. {found.advice}".strip()


def _part(part: Part) -> tuple[str, ...]:
    whose = f"the {part.of}'s" + (", there already" if part.is_there else "")
    return part.what, str(part.count), whose, "" if part.usd is None else f"{part.usd:.4f}"


def show_choices(told: Choices, account: str) -> None:
    """Show what a cluster's form can be filled in with; of each list that is empty, why."""
    lists = (
        ("Regions", ("region",), [(name,) for name in told.regions], ""),
        ("Zones", ("zone",), [(name,) for name in told.zones], ""),
        ("Image versions", ("version", "processor"), told.versions, told.why_no_versions),
        (
            "Types of nodes",
            ("type", "cores", "GiB", "processor", "EFA", "GPUs", "zones"),
            told.types,
            told.why_no_types,
        ),
    )
    text = [f"# What {account} is offered in {told.region}"]
    for title, head, rows, why in lists:
        text += [f"\n## {title}\n", *(_table(head, rows) if rows else [why])]
    create_markdown_artifact(
        "\n".join(text),
        key=f"choices-{account}-{told.region}",
        description=f"What {account} is offered in {told.region}",
    )
    note(f"{len(told.types)} types of nodes, {len(told.versions)} images: they are in this run's artifact")
    for why in filter(None, (told.why_no_versions, told.why_no_types)):
        note(why)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        yield f"| {' | '.join(cells)} |"
