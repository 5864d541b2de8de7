"""Plans where AWS says no: an action that is denied, another external id, somebody else's bucket."""

import json

import pytest

from blocks.aws_account import AwsAccount
from blocks.aws_cluster import Doubt
from blocks.errors import AccessDenied, BadInput
from tasks.providers.aws.findings import Severity
from tests.contract.plan_ground import connected, planned, share_image
from tests.worlds.aws_world import AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")


def test_a_missing_permission_is_a_doubt(aws: AwsWorld) -> None:
    """CLU-08: the action is named; set aside by name, it is shown as ignored, and the definition remembers who did."""
    account = connected(is_verified=False)
    iam = aws.client("iam")
    deny = {"Effect": "Deny", "Action": "ec2:CreatePlacementGroup", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName="groundwork-team", PolicyName="no", PolicyDocument=document)
    share_image(aws)
    with pytest.raises(AccessDenied, match="ec2:CreatePlacementGroup is not allowed") as caught:
        planned(account).require_feasible()
    assert "permissions in ignore_warnings" in str(caught.value)
    plan = planned(account, ignore_warnings=[Doubt.PERMISSIONS])
    plan.require_feasible()
    assert [one.severity for one in plan.findings if one.doubt is Doubt.PERMISSIONS] == [Severity.IGNORED]
    assert plan.spec.ignore_warnings == (Doubt.PERMISSIONS,)


def test_another_external_id_sees_nothing(team: AwsAccount) -> None:
    """ACC-18: what was not seen is not told as nothing there."""
    with pytest.raises(AccessDenied, match="cannot be assumed"):
        planned(team.model_copy(update={"external_id": "another-one"}))


def test_somebody_elses_bucket_is_refused(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-06: names of buckets are the whole world's."""
    aws.client("s3", "333333333333").create_bucket(Bucket="groundwork-mine")
    with pytest.raises(BadInput, match="bucket: groundwork-mine is not ours to use"):
        planned(team, bucket="groundwork-mine").require_feasible()
