"""Images made and shared: one image, nothing left, whatever happens (OPS-20, ACC-09, CLU-05).

Nodes are no hosts here: what happens on them is tried in tests/e2e/test_aws_image_flows.py.
"""

import os
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session

from blocks.aws_account import Feature, Variant
from blocks.errors import BadInput, NotFound, QuotaExceeded, WrongState
from tasks.providers.aws import image_making, image_recipe, image_sharing, images, policies
from tasks.providers.aws.image_recipe import Recipe, Wish
from tasks.providers.aws.image_sharing import Sharing
from tasks.providers.aws.policies.installation_policy import installation_rights
from tasks.providers.aws.session import AwsSession, assumed, identity
from tests.contract.least_rights import EXTERNAL_ID, role
from tests.world.aws.launches import image, instances, named
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

OURS = "0123456789ab"
HERE = "us-east-1"


@pytest.fixture(autouse=True)
def _is_prefect_worker(prefect_worker: AwsWorld) -> None:
    """This process is the Prefect worker, with its own policy; its clock is as quick as the world's."""
    prefect_worker.speed(60)


@pytest.fixture(autouse=True)
def _wait_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty seconds pass in one: for what waits too."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 20))


@pytest.fixture
def place(aws: AwsWorld) -> tuple[str, str]:
    """A subnet and a security group in the installation's own account."""
    ec2 = aws.client("ec2", INSTALLATION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    aws.advance(10)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    return subnet, ec2.create_security_group(GroupName="builders", Description="-", VpcId=vpc)["GroupId"]


def recipe(place: tuple[str, str], version: str = "2026.11", node_type: str = "c5.large", base: str = "") -> Recipe:
    wish = Wish(HERE, version, *place, node_type, base)
    return image_recipe.drawn_up(identity(HERE), wish, OURS, INSTALLATION)


def make(wanted: Recipe) -> str:
    """Make an image as the flow does, but for what happens on the node. Returns its id."""
    home = identity(HERE)
    with image_making.builders_gone_afterwards(home, wanted):
        if image_making.find_image(home, wanted) is None:
            image_making.launch_builder(home, wanted)
            image_making.running_builder(home, wanted, is_behind=True)
            image_making.take_image(home, wanted)
        return image_making.wait_for_image(home, wanted).image_id


def of_ours(aws: AwsWorld, region: str = HERE) -> list[dict[str, Any]]:
    """All images that the installation's account owns in a region."""
    found: list[dict[str, Any]] = aws.client("ec2", INSTALLATION, region=region).describe_images(Owners=["self"])[
        "Images"
    ]
    return found


def left(aws: AwsWorld, region: str = HERE) -> dict[str, int]:
    """What there is in the installation's account beside images."""
    ec2 = aws.client("ec2", INSTALLATION, region=region)
    return {
        "nodes": sum(one["State"]["Name"] != "terminated" for one in instances(ec2)),
        "disks": len(ec2.describe_volumes()["Volumes"]),
        "interfaces": len(ec2.describe_network_interfaces()["NetworkInterfaces"]),
        "keys": len(ec2.describe_key_pairs()["KeyPairs"]),
    }


NOTHING = {"nodes": 0, "disks": 0, "interfaces": 0, "keys": 0}


def writes(aws: AwsWorld) -> list[str]:
    """What the Prefect worker changed: the operations that succeeded, in their order."""
    looks = ("Describe", "Get")
    return [
        call["operation"]
        for call in aws.calls()
        if "prefect-worker" in str(call) and not call["operation"].startswith(looks)
    ]


def test_an_image_is_made_once_and_its_node_goes(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: tags, name, description; on the newest Amazon Linux; a second run finds it, and does nothing."""
    wanted = recipe(place)
    made = make(wanted)
    (found,) = of_ours(aws)
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    assert (found["ImageId"], found["Name"], found["State"]) == (made, "groundwork-2026.11-x86_64", "available")
    assert tags["groundwork:installation"] == OURS
    assert (tags["groundwork:version"], tags["groundwork:user"]) == ("2026.11", "ec2-user")
    assert not found["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    ec2 = aws.client("ec2", INSTALLATION)
    (snapshot,) = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert {tag["Key"] for tag in snapshot["Tags"]} >= {"groundwork:installation", "groundwork:version"}
    public = ec2.describe_images(Owners=["amazon"], Filters=named("name", "al2023-ami-2023*-x86_64"))["Images"]
    assert wanted.base_image == max(public, key=lambda one: one["CreationDate"])["ImageId"]
    assert left(aws) == NOTHING
    assert writes(aws) == ["RunInstances", "StopInstances", "CreateImage", "TerminateInstances"]
    assert make(wanted) == made
    assert len(writes(aws)) == 4


def test_the_node_bears_our_tags_and_asks_for_tokens(aws: AwsWorld, place: tuple[str, str]) -> None:
    """SEC-12: from its first moment, disk and interface too; IMDSv2 only; no disk stays; no key pair is made."""
    make(recipe(place))
    (asked,) = (call["params"] for call in aws.calls("ec2:RunInstances"))
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    tagged = {
        one["ResourceType"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in asked["TagSpecifications"]
    }
    assert set(tagged) == {"instance", "volume", "network-interface"}
    assert {tags["groundwork:installation"] for tags in tagged.values()} == {OURS}
    assert asked["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is True
    assert "KeyName" not in asked
    assert asked["ClientToken"]


def test_the_base_image_says_whom_nodes_let_in(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: an image of Ubuntu lets in ubuntu; who launches it reads that from the catalogue."""
    ec2 = aws.client("ec2", INSTALLATION)
    ubuntu = ec2.describe_images(Filters=named("name", "ubuntu/images/*") + named("architecture", "x86_64"))["Images"]
    wanted = recipe(place, node_type="t2.micro", base=ubuntu[0]["ImageId"])
    assert wanted.user == "ubuntu"


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "node_type": ("has no node type", {"node_type": "c9.large"}),
    "base_image": ("there is no image ami-0123456789abcdef0", {"base": "ami-0123456789abcdef0"}),
    "subnet_id": ("there is no subnet-0123456789abcdef0", {"subnet": "subnet-0123456789abcdef0"}),
    "security_group_id": ("there is no sg-0123456789abcdef0", {"group": "sg-0123456789abcdef0"}),
}


@pytest.mark.parametrize("field", WRONG)
def test_what_is_wrong_is_refused_before_anything_is_made(aws: AwsWorld, place: tuple[str, str], field: str) -> None:
    """CLU-05: with the field named."""
    words, told = WRONG[field]
    here = (told.pop("subnet", place[0]), told.pop("group", place[1]))
    with pytest.raises(BadInput, match=words) as error:
        recipe(here, **told)
    assert error.value.where == field
    assert writes(aws) == []


def test_processors_that_do_not_fit(aws: AwsWorld, place: tuple[str, str]) -> None:
    """CLU-05: an arm type makes an arm image; with an x86 image it is refused."""
    ec2 = aws.client("ec2", INSTALLATION)
    assert recipe(place, node_type="c7g.large").name == "groundwork-2026.11-arm64"
    with pytest.raises(BadInput, match="is for x86_64, and c7g") as error:
        recipe(place, node_type="c7g.large", base=image(ec2))
    assert error.value.where == "base_image"


def test_a_group_of_another_network(aws: AwsWorld, place: tuple[str, str]) -> None:
    """NET-01: EC2 would refuse the launch only."""
    ec2 = aws.client("ec2", INSTALLATION)
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="others", Description="-", VpcId=vpc)["GroupId"]
    with pytest.raises(BadInput, match="Choose both in one network") as error:
        recipe((place[0], group))
    assert error.value.where == "security_group_id"


def test_no_quota_is_said_at_once_and_leaves_nothing(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: and a run after it makes the image."""
    wanted = recipe(place)
    aws.fault("error", "ec2:RunInstances", code="VcpuLimitExceeded", status=400)
    with pytest.raises(QuotaExceeded):
        make(wanted)
    assert left(aws) == NOTHING
    assert make(wanted)
    assert left(aws) == NOTHING


def test_trouble_on_the_node_leaves_nothing(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: a script that fails, a cancelled run: the node goes, and no image is made."""
    home, wanted = identity(HERE), recipe(place)

    def work() -> None:
        with image_making.builders_gone_afterwards(home, wanted):
            image_making.launch_builder(home, wanted)
            image_making.launch_builder(home, wanted)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert left(aws) == NOTHING
    assert of_ours(aws) == []
    assert writes(aws).count("RunInstances") == 1
    assert make(wanted)


def test_stale_answers(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: what was just made is not told of for a while: no second node, no second image, nothing left."""
    wanted = recipe(place)
    for operation in ("DescribeInstances", "DescribeImages"):
        for nth in (1, 2, 4, 6):
            aws.fault("stale", f"ec2:{operation}", nth=nth, principal="prefect-worker")
    assert make(wanted)
    aws.mend()
    assert len(of_ours(aws)) == 1
    assert left(aws) == NOTHING


def test_a_cancelled_run_whose_node_is_not_told_of_yet(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: it looks for the node that it asked for, until it is there to be removed."""
    home, wanted = identity(HERE), recipe(place)

    def work() -> None:
        with image_making.builders_gone_afterwards(home, wanted):
            image_making.launch_builder(home, wanted)
            aws.fault("stale", "ec2:DescribeInstances", times=3, principal="prefect-worker")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert left(aws) == NOTHING


def in_a_process(work: Callable[[], object], dies: Callable[[str], str] = lambda operation: "") -> int:
    """Do something in a forked process, and return its pid. ``dies`` says whether it dies before or after a call."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        send = URLLib3Session.send

        def send_or_die(session: Any, request: Any) -> Any:
            text = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
            when = dies(text.partition("Action=")[2].partition("&")[0])
            if when == "before":
                os._exit(9)
            answer = send(session, request)
            if when:
                os._exit(9)
            return answer

        URLLib3Session.send = send_or_die
        work()
        code = 0
    except BaseException:  # noqa: BLE001 # it shall not go on as a second parent
        traceback.print_exc()
    finally:
        os._exit(code)


def ends(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


POINTS = [
    (operation, when)
    for operation in ("RunInstances", "StopInstances", "CreateImage", "TerminateInstances")
    for when in ("before", "after")
]


def test_killed_at_any_call_that_writes_and_run_again(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: one image each, and nothing left. Every point has a version of its own, and all go at once."""
    wanted = [recipe(place, f"1.{number}") for number in range(len(POINTS))]
    killed = [
        in_a_process(lambda one=one: make(one), lambda operation, point=point: point[1] * (operation == point[0]))
        for one, point in zip(wanted, POINTS, strict=True)
    ]
    assert ends(killed) == [9] * len(POINTS)
    assert left(aws)["nodes"] >= 4
    assert ends([in_a_process(lambda one=one: make(one)) for one in wanted]) == [0] * len(POINTS)
    assert sorted(one["Name"] for one in of_ours(aws)) == sorted(one.name for one in wanted)
    assert {one["State"] for one in of_ours(aws)} == {"available"}
    assert len(aws.client("ec2", INSTALLATION).describe_snapshots(OwnerIds=["self"])["Snapshots"]) == len(POINTS)
    assert left(aws) == NOTHING


def customer(*features: Feature) -> AwsSession:
    """Our session in the customer's account, by its role."""
    return assumed(role("groundwork-access", policies.permission_policies(Variant.AUTOMATED, features)), EXTERNAL_ID)


def test_an_image_is_shared_in_every_region(aws: AwsWorld, place: tuple[str, str]) -> None:
    """ACC-09: copied where it is missing, permitted, seen by the account; its findings turn good; twice is once."""
    make(recipe(place))
    home, theirs = identity(HERE), customer()
    sharing = Sharing(HERE, INSTALLATION, CUSTOMER, OURS)
    (original,) = image_sharing.originals(home, INSTALLATION, HERE, "2026.11")
    before = images.findings(theirs, INSTALLATION, HERE)
    assert {one.state for one in before} == {"bad"}
    for _ in range(2):
        for region in images.REGIONS:
            found = image_sharing.share(home, theirs, sharing, original, region)
            assert (found.subject, found.state) == (f"image {region}", "good"), found.text
    after = images.findings(theirs, INSTALLATION, HERE)
    assert {one.state for one in after} == {"good"}
    for region in images.REGIONS:
        (there,) = of_ours(aws, region)
        assert there["Name"] == original.name
        assert {tag["Key"] for tag in there["Tags"]} >= {"groundwork:installation", "groundwork:version"}
        told = aws.client("ec2", INSTALLATION, region=region).describe_image_attribute(
            ImageId=there["ImageId"], Attribute="launchPermission"
        )
        assert told["LaunchPermissions"] == [{"UserId": CUSTOMER}]
    assert writes(aws).count("CopyImage") == len(images.REGIONS) - 1
    used = {action for call in aws.calls() if "prefect-worker" in str(call) for action, _ in call["actions"]}
    assert used == {right.action for right in installation_rights()}


def test_a_lost_answer_makes_no_second_copy(aws: AwsWorld, place: tuple[str, str]) -> None:
    """ACC-09: a copy is not told of at once either; its token finds it."""
    make(recipe(place))
    home, theirs = identity(HERE), customer()
    (original,) = image_sharing.originals(home, INSTALLATION, HERE, "2026.11")
    sharing = Sharing(HERE, INSTALLATION, CUSTOMER, OURS)
    image_sharing.share(home, theirs, sharing, original, "us-west-2")
    aws.fault("stale", "ec2:DescribeImages", ago=20, principal="prefect-worker")
    assert image_sharing.share(home, theirs, sharing, original, "us-west-2").state == "good"
    assert len(of_ours(aws, "us-west-2")) == 1


def test_one_region_does_not_hold_up_others(aws: AwsWorld, place: tuple[str, str]) -> None:
    """ACC-09: red with the reason where our own account may not copy; an encrypted image is never called shared."""
    make(recipe(place))
    home, theirs = identity(HERE), customer()
    (original,) = image_sharing.originals(home, INSTALLATION, HERE, "2026.11")
    sharing = Sharing(HERE, INSTALLATION, CUSTOMER, OURS)
    aws.fault("error", "ec2:CopyImage", code="UnauthorizedOperation", status=403)
    found = image_sharing.share(home, theirs, sharing, original, "us-west-2")
    assert found.state == "bad"
    assert "copy of groundwork-2026.11-x86_64 to us-west-2: not allowed" in found.text
    assert image_sharing.share(home, theirs, sharing, original, "us-east-2").state == "good"
    ec2 = aws.client("ec2", INSTALLATION, region="us-west-1")
    ec2.copy_image(SourceImageId=original.image_id, SourceRegion=HERE, Name=original.name, Encrypted=True)
    found = image_sharing.share(home, theirs, sharing, original, "us-west-1")
    assert (found.state, "encrypted" in found.text) == ("bad", True)


def test_an_account_that_cannot_be_asked_is_unverified(aws: AwsWorld, place: tuple[str, str]) -> None:
    """ACC-09: given is not seen."""
    make(recipe(place))
    (original,) = image_sharing.originals(identity(HERE), INSTALLATION, HERE, "2026.11")
    aws.fault("error", "ec2:DescribeImages", principal=CUSTOMER, code="UnauthorizedOperation", status=403, times=-1)
    sharing = Sharing(HERE, INSTALLATION, CUSTOMER, OURS)
    assert image_sharing.share(identity(HERE), customer(), sharing, original, HERE).state == "unverified"


def test_a_version_that_was_never_built(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: with the versions that there are."""
    with pytest.raises(NotFound, match="Run build-image first"):
        image_sharing.originals(identity(HERE), INSTALLATION, HERE, "2026.11")
    make(recipe(place, "2026.10"))
    with pytest.raises(NotFound, match=r"There are: 2026\.10\."):
        image_sharing.originals(identity(HERE), INSTALLATION, HERE, "2026.11")


def test_a_broken_image_is_named(aws: AwsWorld, place: tuple[str, str]) -> None:
    """OPS-20: an image that was switched off is not waited for, and no other takes its name."""
    made, wanted = make(recipe(place)), recipe(place)
    aws.client("ec2", INSTALLATION).disable_image(ImageId=made)
    with pytest.raises(WrongState, match=f"{made} is disabled"):
        make(wanted)
