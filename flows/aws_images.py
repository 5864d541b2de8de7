"""Making images for nodes in AWS, and letting accounts launch them."""

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import NodeType
from blocks.aws_image import GivenImageVersion, GroupId, ImageIdOrNone, SetupScript, SubnetId
from blocks.jump_host import JumpHost
from blocks.names import Region
from tasks.aws_accounts import read_again
from tasks.images import (
    builders_gone_afterwards,
    draw_up,
    find_image,
    find_originals,
    image_ready,
    launch_builder,
    one_maker_of,
    prepare_builder,
    require_shared,
    share_in_region,
    take_image,
)
from tasks.providers.aws.image_recipe import Wish
from tasks.providers.aws.images import REGIONS
from tasks.steps import sentence
from tasks.telling_images import show_image, show_sharing, telling_what_we_need


@sentence(name="build-image", run_name="build-image-{version}-{region}")
def build_image(  # noqa: PLR0917 # a run form
    version: GivenImageVersion,
    subnet_id: SubnetId,
    security_group_id: GroupId,
    region: Region = "us-east-1",
    node_type: NodeType = "c5.xlarge",
    base_image: ImageIdOrNone = "",
    setup_script: SetupScript = "",
    jump_host: JumpHost | None = None,
) -> None:
    """Make an image for nodes, in the account of the Prefect worker's own AWS identity, on one node for some minutes.

    The node is removed whatever happens. Where the version is there already, nothing is done; run it again after a
    crash, and it goes on. Afterwards run share-image.

    Args:
        version: What the image shall be called by, as 2026.11. On a command line with a v before it: v2026.11.
        subnet_id: Where the node stands: a subnet of our own account, with a way out to the internet for packages.
        security_group_id: A security group of the same network, which lets SSH in from here or from the jump host.
        region: Where the image is made; share-image copies it to others.
        node_type: The node's type. Its processor is the image's: c5.xlarge makes one for x86_64, c7g.xlarge for arm64.
        base_image: The image to begin with. Empty: the newest Amazon Linux 2023.
        setup_script: Lines of shell that root runs first: drivers, libraries, an MPI of your own.
        jump_host: The way to the node, where it has no address that we reach.
    """
    with telling_what_we_need(), one_maker_of(version, region):
        recipe = draw_up(Wish(region, version, subnet_id, security_group_id, node_type, base_image))
        with builders_gone_afterwards(recipe):
            if find_image(recipe) is None:
                launch_builder(recipe)
                prepare_builder(recipe, setup_script, jump_host)
                take_image(recipe)
            image = image_ready(recipe)
        show_image(recipe, image)


@sentence(name="share-image", run_name="share-image-{version}-with-{account.name}")
def share_image(
    version: GivenImageVersion,
    account: AwsAccount,
    regions: list[Region] = list(REGIONS),  # noqa: B006 # Prefect shows it in the form, and copies it
    built_in: Region = "us-east-1",
) -> None:
    """Let an account launch an image of ours in some regions; it is copied to those that lack it.

    Whether the account can is shown region by region. The run fails when it cannot in one of them.

    Args:
        version: The image's version, as build-image was given it. On a command line with a v before it.
        account: The account.
        regions: Where it shall be launched.
        built_in: Where build-image made it.
    """
    with telling_what_we_need(), one_maker_of(version, built_in):
        account = read_again(account)
        originals = find_originals(version, built_in)
        asked = [
            share_in_region.submit(original, built_in, account, region) for original in originals for region in regions
        ]
        found = [answer.result() for answer in asked]
    show_sharing(account, version, found)
    require_shared(account, found)
