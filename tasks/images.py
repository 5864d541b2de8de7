"""The steps to an image of ours in AWS: drawn up, made on a node, verified, shared."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from blocks.aws_account import AwsAccount, Finding
from blocks.errors import VerificationFailed
from blocks.jump_host import JumpHost
from tasks import node_preparing
from tasks.installation import installation
from tasks.providers.aws import image_making, image_recipe, image_sharing
from tasks.providers.aws.image_catalogue import Image
from tasks.providers.aws.image_recipe import Recipe, Wish
from tasks.providers.aws.session import identity, session_of
from tasks.ssh import Login, Sessions
from tasks.ssh_jump import Jump
from tasks.steps import step
from tasks.telling import note
from tasks.telling_images import show_answers
from tasks.turns import turn

_LOGIN_S = 600
"""A node lets us in some time after EC2 calls it running."""

_LONGEST_S = 5400


@contextmanager
def one_maker_of(version: str, region: str) -> Iterator[None]:
    """Hold the right to make and copy a version's images of a region. Others wait.

    Raises:
        TimedOut: Somebody else held it for a quarter of an hour.
    """
    with turn(f"image-{version}-{region}"):
        yield


@step("draw up {wish.version} for {wish.region}")
def draw_up(wish: Wish) -> Recipe:
    """Check what was asked for, and look up what it means. Nothing is made.

    Raises:
        BadInput: With the field.
    """
    home = identity(wish.region)
    recipe = image_recipe.drawn_up(home, wish, installation(), home.caller().account_id)
    note(f"{recipe.name} begins with {recipe.base_name} ({recipe.base_image}), on a node {recipe.node_type}")
    return recipe


@step("look for {recipe.name}")
def find_image(recipe: Recipe) -> Image | None:
    """Return the image if it is there or on its way."""
    return image_making.find_image(identity(recipe.region), recipe)


@contextmanager
def builders_gone_afterwards(recipe: Recipe) -> Iterator[None]:
    """Remove every node that this image was made of at the end, whatever happens."""
    with image_making.builders_gone_afterwards(identity(recipe.region), recipe):
        yield


@step("launch a node for {recipe.name}")
def launch_builder(recipe: Recipe) -> None:
    """Launch the node that the image is made of."""
    image_making.launch_builder(identity(recipe.region), recipe)


@step("prepare the node of {recipe.name}", limit_s=_LONGEST_S)
def prepare_builder(recipe: Recipe, setup: str, jump_host: JumpHost | None) -> None:
    """Log in to the node, make it ready for MPI, ask it, and clean it.

    Raises:
        NodeUnreachable: Nobody is let in within ten minutes; with the reason.
        CommandFailed: It cannot be made ready; with what is missing.
        VerificationFailed: It answers wrongly.
    """
    node = image_making.running_builder(identity(recipe.region), recipe, is_behind=jump_host is not None)
    login = Login(recipe.user, image_making.key_of_builder(recipe), Jump(jump_host) if jump_host else None)
    with Sessions(login, timeout_s=_LOGIN_S) as sessions:
        session = sessions.to(node)
        for line in node_preparing.prepare(session, setup):
            note(line)
        answers = node_preparing.verify(session)
        show_answers(recipe.name, answers)
        node_preparing.require_good(session, answers)
        node_preparing.clean(session)


@step("take {recipe.name}", limit_s=_LONGEST_S)
def take_image(recipe: Recipe) -> None:
    """Stop the node and let AWS make the image of it."""
    image_making.take_image(identity(recipe.region), recipe)


@step("wait for {recipe.name}", limit_s=_LONGEST_S)
def image_ready(recipe: Recipe) -> Image:
    """Return the image when it can be launched."""
    return image_making.wait_for_image(identity(recipe.region), recipe)


@step("look for {version} in {region}")
def find_originals(version: str, region: str) -> list[Image]:
    """Return the images of a version where they were built, one for each kind of processor.

    Raises:
        NotFound: There is none; with the versions that there are.
    """
    home = identity(region)
    return image_sharing.originals(home, home.caller().account_id, region, version)


@step("share {original.name} in {region}", limit_s=_LONGEST_S)
def share_in_region(original: Image, built_in: str, account: AwsAccount, region: str) -> Finding:
    """Copy an image to a region if it is missing there, let the account launch it, and say whether it can."""
    home = identity(region)
    sharing = image_sharing.Sharing(built_in, home.caller().account_id, account.account_id, installation())
    return image_sharing.share(home, session_of(account), sharing, original, region)


def require_shared(account: AwsAccount, findings: Sequence[Finding]) -> None:
    """Fail the run of an image that the account cannot launch everywhere where it shall.

    Raises:
        VerificationFailed: With the regions, and why.
    """
    bad = [found for found in findings if found.state != "good"]
    if bad:
        told = "; ".join(f"{found.subject}: {found.text}" for found in bad)
        raise VerificationFailed(told, where=f"account {account.name}", advice="See the artifact of this run.")
