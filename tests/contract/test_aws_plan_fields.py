"""The fields of create-aws-cluster that only the account can judge: refused with their names, and nothing is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from blocks.aws_account import AwsAccount, Feature, Variant, completed
from blocks.errors import GroundworkError
from tests.contract.plan_ground import changes, connected, planned, share_image
from tests.worlds.aws_fixtures import become_prefect_worker
from tests.worlds.aws_world import CUSTOMER, AwsWorld

BUCKET = "groundwork-mine"
Prepare = Callable[[AwsWorld], None]


@pytest.fixture(scope="module")
def aws_and_team(_one_aws_world: AwsWorld) -> Iterator[tuple[AwsWorld, AwsAccount]]:
    """One world for all cases, none of which may change it; and an account in it, with images in three regions."""
    _one_aws_world.reset()
    with pytest.MonkeyPatch.context() as patch:
        become_prefect_worker(patch, _one_aws_world)
        account = connected()
        for region in ("us-east-1", "us-east-2", "us-west-2"):
            share_image(_one_aws_world, region=region)
        yield _one_aws_world, account
    assert _one_aws_world.unanswered() == []


@pytest.fixture
def world(aws_and_team: tuple[AwsWorld, AwsAccount]) -> Iterator[AwsWorld]:
    """The world, as it was once a test is over."""
    aws, _ = aws_and_team
    yield aws
    aws.settings(limits={})
    s3 = aws.client("s3")
    for bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        told = s3.list_object_versions(Bucket=bucket)
        for thing in [*told.get("Versions", []), *told.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=thing["Key"], VersionId=thing["VersionId"])
        s3.delete_bucket(Bucket=bucket)


@pytest.fixture
def team(aws_and_team: tuple[AwsWorld, AwsAccount]) -> AwsAccount:
    """The account."""
    return aws_and_team[1]


def nothing(_: AwsWorld) -> None:
    """The world is as it is."""


def bucket(region: str = "us-east-1", *, objects: int = 0, deleted: bool = False) -> Prepare:
    """A bucket of the customer's, with objects; deleted ones are hidden by a marker."""

    def prepare(aws: AwsWorld) -> None:
        s3 = aws.client("s3", region=region)
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=BUCKET, **place)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for number in range(objects):
            s3.put_object(Bucket=BUCKET, Key=f"{number}", Body=b"x")
            if deleted:
                s3.delete_object(Bucket=BUCKET, Key=f"{number}")

    return prepare


def profile_without_role(aws: AwsWorld) -> None:
    aws.client("iam").create_instance_profile(InstanceProfileName="groundwork-node-mine")


def few_vcpus(aws: AwsWorld) -> None:
    aws.settings(limits={"L-1216C47A": 8})


def no_network_left(aws: AwsWorld) -> None:
    aws.settings(limits={"L-F678F1CE": 0})


@dataclass(frozen=True)
class Case:
    """A field, what is asked, how the world is, and what is said."""

    field: str
    wishes: dict[str, Any]
    says: str
    prepare: Prepare = nothing
    features: tuple[Feature, ...] = (Feature.EFS, Feature.SPOT)


CASES = [
    Case("account", {}, "connected without efs", features=(Feature.SPOT,)),
    Case("node_count", {"node_count": 3}, "12 needed, 8 free", few_vcpus),
    Case("region", {"region": "eu-south-9"}, "AWS has no region eu-south-9"),
    Case("region", {"region": "me-central-1"}, "me-central-1 is not enabled in the account"),
    Case("region", {}, "VPCs: 1 needed, 0 free", no_network_left),
    Case("node_type", {"node_type": "c5.yotta", "head_type": "c5.xlarge"}, "us-east-1 knows no type c5.yotta"),
    Case("node_type", {"node_type": "m6g.large"}, "images of ours for x86_64 only"),
    Case("head_type", {"head_type": "c5.yotta"}, "us-east-1 knows no type c5.yotta"),
    Case("head_type", {"head_type": "m6g.large"}, "one program cannot run on both"),
    Case("efa", {"efa": True}, "c5.xlarge (node_type) has no Elastic Fabric Adapter"),
    Case("spot", {"spot": True}, "connected without it", features=(Feature.EFS,)),
    Case("spot", {"spot": True, "node_type": "hpc7a.96xlarge", "region": "us-east-2"}, "not sold at the spot price"),
    Case("image_version", {"image_version": "2025.1"}, "no image groundwork-2025.1-x86_64 in us-east-1"),
    Case("zone", {"zone": "us-east-1z"}, "us-east-1z does not sell c5.xlarge"),
    Case("zone", {"zone": "us-east-1e"}, "us-east-1e does not sell c5.xlarge"),
    Case("zone", {"zone": "us-east-1d"}, "no subnet for nodes: the subnets are in us-east-1a and us-east-1b"),
    Case("vpc_id", {"vpc_id": "vpc-01234567", "subnet_id": "subnet-01234567"}, "there is no network vpc-01234567"),
    Case("instance_profile", {"instance_profile": "groundwork-node-other"}, "there is no instance profile"),
    Case("instance_profile", {"instance_profile": "groundwork-node-mine"}, "holds no role", profile_without_role),
    Case("bucket", {"bucket": BUCKET}, "there is no bucket groundwork-mine"),
    Case("bucket", {"bucket": BUCKET}, "is in us-west-2, the cluster in us-east-1", bucket("us-west-2")),
    Case("bucket", {"bucket": BUCKET}, "is not empty", bucket(objects=1)),
    Case("bucket", {"bucket": BUCKET}, "is not empty", bucket(objects=1, deleted=True)),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.field}-{number}" for number, case in enumerate(CASES)])
def test_a_field_that_the_account_refuses_is_named(world: AwsWorld, team: AwsAccount, case: Case) -> None:
    """CLU-03, CLU-05, CLU-06: and nothing was made, which the world's own record says."""
    case.prepare(world)
    account = team.model_copy(update={"features": completed(Variant.AUTOMATED, case.features)})
    before, things = len(world.calls()), existing(world)
    with pytest.raises(GroundworkError) as caught:
        planned(account, **case.wishes).require_feasible()
    assert caught.value.where == case.field
    assert case.says in caught.value.what
    assert changes(world, since=before) == []
    assert existing(world) == things


def existing(aws: AwsWorld) -> dict[str, int]:
    """How many things of the usual kinds the customer has."""
    ec2, counts = aws.client("ec2", CUSTOMER), {}
    for kind in ("vpcs", "subnets", "security_groups", "key_pairs", "placement_groups", "instances", "addresses"):
        told = getattr(ec2, f"describe_{kind}")()
        counts[kind] = sum(len(value) for value in told.values() if isinstance(value, list))
    counts["buckets"] = len(aws.client("s3", CUSTOMER).list_buckets()["Buckets"])
    return counts


@pytest.mark.parametrize("place", ["us-east-1", "us-west-2"])
def test_an_empty_bucket_of_the_region_is_taken(world: AwsWorld, team: AwsAccount, place: str) -> None:
    """CLU-06: us-east-1 is told as no place at all."""
    bucket(place)(world)
    planned(team, region=place, bucket=BUCKET).require_feasible()


def test_a_bucket_in_use_is_the_clusters_own_when_its_run_goes_on(world: AwsWorld, team: AwsAccount) -> None:
    """CLU-06, CLU-12: an earlier run of the same cluster may have written into it."""
    bucket(objects=1)(world)
    planned(team, is_begun=True, bucket=BUCKET).require_feasible()
