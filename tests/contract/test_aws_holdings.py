"""What of ours is in an account, and that "nothing" is AWS's own word (ACC-18, ACC-22)."""

import json

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.errors import AccessDenied, CredentialsInvalid, GroundworkError
from tasks.providers.aws.holdings import TAG, held
from tasks.providers.aws.session import AwsSession, session_with
from tests.world.aws.launches import launch
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld


def owner(secret: str = "") -> AwsSession:
    """The customer's root user."""
    root = root_key(CUSTOMER)
    keys = AwsCredentials(aws_access_key_id=root.access_key, aws_secret_access_key=SecretStr(secret or root.secret))
    return session_with(keys)


def tagged(kind: str, **tags: str) -> list[dict[str, object]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def volume(aws: AwsWorld, installation: str = "home", region: str = "us-east-1", account: str = CUSTOMER) -> str:
    """Make a tagged volume; return its ARN."""
    ec2 = aws.client("ec2", account, region=region)
    made = ec2.create_volume(
        AvailabilityZone=f"{region}a",
        Size=1,
        TagSpecifications=tagged("volume", **{TAG: installation} if installation else {"x": "y"}),
    )
    return f"arn:aws:ec2:{region}:{account}:volume/{made['VolumeId']}"


def test_what_is_ours_is_found_wherever_it_is(prefect_worker: AwsWorld) -> None:
    """ACC-22: an account that still holds something would be forgotten, and nobody could remove it any more."""
    ec2 = prefect_worker.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", **{TAG: "home"}))["Vpc"]["VpcId"]
    key = prefect_worker.client("kms").create_key(Tags=[{"TagKey": TAG, "TagValue": "home"}])["KeyMetadata"]["Arn"]
    here, there = volume(prefect_worker), volume(prefect_worker, region="eu-west-1")
    volume(prefect_worker, "")
    volume(prefect_worker, account=INSTALLATION)
    here_too = {here, key, f"arn:aws:ec2:us-east-1:{CUSTOMER}:vpc/{vpc}"}
    assert set(held(owner(), [])) == here_too
    found = held(owner(), ["us-east-1", "eu-west-1"])
    assert set(found) == here_too | {there}
    assert len(found) == 4


def test_two_installations_in_one_account(prefect_worker: AwsWorld) -> None:
    """SEC-05: another Groundwork's things must neither hold us back nor be counted as ours."""
    ours, theirs = volume(prefect_worker, "home"), volume(prefect_worker, "theirs")
    assert held(owner(), [], "home") == [ours]
    assert held(owner(), [], "nobody") == []
    assert set(held(owner(), [])) == {ours, theirs}


def test_all_pages_are_read(prefect_worker: AwsWorld) -> None:
    """ACC-22: what is on the second page is held, too."""
    made = {volume(prefect_worker) for _ in range(7)}
    prefect_worker.settings(page_size=3)
    assert set(held(owner(), [])) == made
    assert len(prefect_worker.calls("resourcegroupstaggingapi:GetResources")) == 3


def test_an_empty_account(prefect_worker: AwsWorld) -> None:
    """The list is empty when AWS says so, for each region that was asked."""
    assert held(owner(), ["eu-west-1"]) == []
    regions = [call["region"] for call in prefect_worker.calls("resourcegroupstaggingapi:GetResources")]
    assert regions == ["us-east-1", "eu-west-1"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AuthFailure", CredentialsInvalid),
        ("UnrecognizedClientException", CredentialsInvalid),
        ("ExpiredTokenException", CredentialsInvalid),
        ("AccessDeniedException", AccessDenied),
    ],
)
@pytest.mark.parametrize("nth", [1, 2], ids=["first region", "second region"])
def test_what_cannot_be_seen_is_no_empty_list(
    prefect_worker: AwsWorld, code: str, kind: type[GroundworkError], nth: int
) -> None:
    """ACC-18: half a list, or an empty one, would be taken for the whole."""
    prefect_worker.fault("error", "resourcegroupstaggingapi:GetResources", nth=nth, code=code)
    with pytest.raises(kind, match=f"what is ours in {'us-east-1' if nth == 1 else 'eu-west-1'}"):
        held(owner(), ["eu-west-1"])


def test_wrong_keys_hold_nothing_but_say_so(prefect_worker: AwsWorld) -> None:
    """ACC-18: with keys that AWS does not know."""
    volume(prefect_worker)
    with pytest.raises(CredentialsInvalid):
        held(owner("wrong"), [])


def test_a_page_that_fails(prefect_worker: AwsWorld) -> None:
    """ACC-18: the first page's things alone are not the whole, either."""
    for _ in range(4):
        volume(prefect_worker)
    prefect_worker.settings(page_size=3)
    prefect_worker.fault(
        "error", "resourcegroupstaggingapi:GetResources", nth=2, times=-1, code="AccessDeniedException"
    )
    with pytest.raises(AccessDenied):
        held(owner(), [])


def test_who_may_not_ask(prefect_worker: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """ACC-18: a policy without tag:GetResources is told by that name."""
    iam = prefect_worker.client("iam")
    iam.create_user(UserName="ann")
    allowed = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="ann", PolicyName="its", PolicyDocument=document)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    keys = AwsCredentials(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=SecretStr(key["SecretAccessKey"]))
    with pytest.raises(AccessDenied, match="not allowed to do tag:GetResources"):
        held(session_with(keys), [])


def test_what_is_gone_or_given_up_holds_nobody_back(prefect_worker: AwsWorld) -> None:
    """ACC-22, CLN-11: for an hour EC2 tells of a node that is gone, and for 30 days KMS of a key that was given up."""
    ec2, kms = prefect_worker.client("ec2"), prefect_worker.client("kms")
    [node] = launch(ec2, TagSpecifications=tagged("instance", **{TAG: "home"}))
    key = kms.create_key(Tags=[{"TagKey": TAG, "TagValue": "home"}])["KeyMetadata"]
    prefect_worker.advance(60)
    assert len(held(owner(), [])) == 2
    ec2.terminate_instances(InstanceIds=[node["InstanceId"]])
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=30)
    prefect_worker.advance(120)
    index = prefect_worker.client("resourcegroupstaggingapi").get_resources()["ResourceTagMappingList"]
    assert key["Arn"] in {told["ResourceARN"] for told in index}
    assert held(owner(), []) == []
