"""The fields of create-aws-cluster that only the account can judge: refused with their names, and nothing is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from blocks.aws_account import AwsAccount, Feature
from blocks.errors import GroundworkError
from tests.contract.plan_ground import changes, connected, planned, share_image
from tests.worlds.aws_world import CUSTOMER, AwsWorld

Prepare = Callable[[AwsWorld], None]


@pytest.fixture(autouse=True)
def _is_prefect_worker(prefect_worker: AwsWorld) -> None:
    """Clients of this process find the world, as the installation's identity."""


def nothing(_: AwsWorld) -> None:
    """The world is as it is."""


def bucket(region: str = "us-east-1", *, objects: int = 0, deleted: bool = False) -> Prepare:
    """A bucket of the customer's, with objects; deleted ones are hidden by a marker."""

    def prepare(aws: AwsWorld) -> None:
        s3 = aws.client("s3", region=region)
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket="groundwork-mine", **place)
        s3.put_bucket_versioning(Bucket="groundwork-mine", VersioningConfiguration={"Status": "Enabled"})
        for number in range(objects):
            s3.put_object(Bucket="groundwork-mine", Key=f"{number}", Body=b"x")
            if deleted:
                s3.delete_object(Bucket="groundwork-mine", Key=f"{number}")

    return prepare


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
    Case("bucket", {"bucket": "groundwork-mine"}, "there is no bucket groundwork-mine"),
    Case("bucket", {"bucket": "groundwork-mine"}, "is in us-west-2, the cluster in us-east-1", bucket("us-west-2")),
    Case("bucket", {"bucket": "groundwork-mine"}, "is not empty", bucket(objects=1)),
    Case("bucket", {"bucket": "groundwork-mine"}, "is not empty", bucket(objects=1, deleted=True)),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.field}-{number}" for number, case in enumerate(CASES)])
def test_a_field_that_the_account_refuses_is_named(aws: AwsWorld, case: Case) -> None:
    """CLU-03, CLU-05, CLU-06: and nothing was made, which the world's own record says."""
    account = connected(features=case.features)
    share_image(aws)
    if case.wishes.get("region") == "us-east-2":
        share_image(aws, region=case.wishes["region"])
    case.prepare(aws)
    before, things = len(aws.calls()), existing(aws)
    with pytest.raises(GroundworkError) as caught:
        planned(account, **case.wishes).require_feasible()
    assert caught.value.where == case.field
    assert case.says in caught.value.what
    assert changes(aws, since=before) == []
    assert existing(aws) == things


def existing(aws: AwsWorld) -> dict[str, int]:
    """How many things of the usual kinds the customer has."""
    ec2, counts = aws.client("ec2", CUSTOMER), {}
    for kind in ("vpcs", "subnets", "security_groups", "key_pairs", "placement_groups", "instances", "addresses"):
        told = getattr(ec2, f"describe_{kind}")()
        counts[kind] = sum(len(value) for value in told.values() if isinstance(value, list))
    counts["buckets"] = len(aws.client("s3", CUSTOMER).list_buckets()["Buckets"])
    return counts


@pytest.mark.parametrize("place", ["us-east-1", "us-west-2"])
def test_an_empty_bucket_of_the_region_is_taken(aws: AwsWorld, place: str) -> None:
    """CLU-06: us-east-1 is told as no place at all."""
    account: AwsAccount = connected()
    share_image(aws, region=place)
    bucket(place)(aws)
    planned(account, region=place, bucket="groundwork-mine").require_feasible()


def test_a_bucket_in_use_is_the_clusters_own_when_its_run_goes_on(aws: AwsWorld) -> None:
    """CLU-06, CLU-12: an earlier run of the same cluster may have written into it."""
    account = connected()
    share_image(aws)
    bucket(objects=1)(aws)
    planned(account, is_begun=True, bucket="groundwork-mine").require_feasible()
