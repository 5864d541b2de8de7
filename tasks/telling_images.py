"""What a run tells people about images: what a node answered, what was made, who may launch it where."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from blocks.aws_account import AwsAccount, Finding
from blocks.errors import AccessDenied
from tasks.node_preparing import Answer
from tasks.providers.aws.image_catalogue import Image
from tasks.providers.aws.image_recipe import Recipe
from tasks.providers.aws.policies.installation_policy import installation_policy
from tasks.telling import note
from tasks.telling_accounts import SIGNS, as_json, cell


def show_answers(image: str, answers: Sequence[Answer]) -> None:
    """Show what a node answered before an image was made of it."""
    rows = [
        {"asked": one.question, "good": "yes" if one.is_good else "NO", "answered": " ".join(one.got.split())}
        for one in answers
    ]
    create_table_artifact(rows, key=key_of("checks", image), description=f"What the node of {image} answered")
    note(f"{sum(one.is_good for one in answers)} of {len(answers)} checks are good")


def show_image(recipe: Recipe, image: Image) -> None:
    """Show an image that is there, and what comes next."""
    rows = {
        "Image": f"`{image.image_id}` {image.name}",
        "Region": recipe.region,
        "Processor": image.architecture,
        "Nodes let in": f"`{image.user}`",
        "Made at": image.created_at,
        "Encrypted": "yes: **it can be launched by no other account**" if image.is_encrypted else "no",
    }
    table = "| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows.items())
    then = f"Next, let an account launch it: `share-image` with version `{image.version}`."
    create_markdown_artifact(f"{table}\n{then}\n", key=key_of("image", image.name), description=f"Image {image.name}")
    note(f"{image.name} is {image.image_id} in {recipe.region}")


def show_sharing(account: AwsAccount, version: str, findings: Sequence[Finding]) -> None:
    """Show in which regions an account may launch a version."""
    rows = "".join(f"| {one.subject} | {SIGNS[one.state]} | {cell(one.text)} |\n" for one in findings)
    title = f"Version {version} for account {account.name} ({account.account_id})"
    create_markdown_artifact(
        f"{title}\n\n| where | good | found |\n|---|---|---|\n{rows}",
        key=key_of("sharing", f"{account.name}-{version}"),
        description=f"Version {version} for account {account.name}",
    )
    good = sum(one.state == "good" for one in findings)
    note(f"{account.name} may launch version {version} in {good} of {len(findings)} places")
    for one in findings:
        if one.state != "good":
            note(f"{one.subject}: {one.state}: {one.text}")


@contextmanager
def telling_what_we_need() -> Iterator[None]:
    """Show the policy that the Prefect worker's own identity needs, where it may not do what images take."""
    try:
        yield
    except AccessDenied:
        text = f"The Prefect worker's own AWS identity needs this policy:\n\n{as_json(installation_policy())}"
        create_markdown_artifact(text, key="installation-policy", description="What Groundwork's own identity needs")
        note("what Groundwork's own AWS identity needs is in this run's artifact")
        raise


def key_of(kind: str, name: str) -> str:
    """Return an artifact's key: Prefect takes small letters, digits and dashes."""
    return f"{kind}-{name}".replace(".", "-").replace("_", "-")
