"""The plan of a cluster: what is made, what it costs and needs, what stands in its way; and nothing is changed."""

from datetime import timedelta

import pytest

from blocks.aws_account import AwsAccount, Feature
from blocks.aws_cluster import Doubt
from blocks.errors import AccessDenied, BadInput, CredentialsInvalid, QuotaExceeded, WrongState
from tasks.providers.aws.findings import Severity
from tasks.providers.aws.plan import Asker, Plan, features_of, make
from tasks.providers.aws.session import session_of
from tests.contract.plan_ground import changes, connected, made, planned, said, share_image, spec, verified
from tests.worlds.aws_regions import NEEDED, Standing, lay, quick, site
from tests.worlds.aws_regions import OWNER as LAB
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

pytestmark = pytest.mark.usefixtures("prefect_worker")

VCPUS = "L-1216C47A"


def parts(plan: Plan) -> dict[str, int]:
    return {part.what: part.count for part in plan.parts}


def test_a_plan_tells_all_and_changes_nothing(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-07: resources with counts, what nodes cost, quotas, permissions; by calls that only read."""
    before = aws.calls()
    plan = planned(team, node_count=4, node_type="c5.4xlarge", head_type="c5.xlarge")
    plan.require_feasible()
    assert changes(aws, since=len(before)) == []
    assert parts(plan) | {"head: c5.xlarge": 1, "workers: c5.4xlarge": 3, "network interfaces": 4} == parts(plan)
    assert {"VPC": 1, "NAT gateway": 1, "elastic IP": 1, "mount targets": 2}.items() <= parts(plan).items()
    assert plan.hourly_usd == pytest.approx(0.17 + 3 * 0.68)
    assert "vCPUs of standard types: 52 needed, 1152 free (0 of 1152 in use)" in plan.quotas
    assert {"VPCs", "elastic IPs", "EFS file systems"} <= {line.partition(":")[0] for line in plan.quotas}
    assert {"ec2:RunInstances", "ec2:CreateVpc", "elasticfilesystem:CreateFileSystem"} <= set(plan.permissions)
    assert plan.image is not None
    assert plan.image.version == "2026.11"


@pytest.mark.parametrize(
    ("node_type", "architecture", "ranks"),
    [("c5.4xlarge", "x86_64", 32), ("m6g.4xlarge", "arm64", 64), ("c5.xlarge", "x86_64", 8), ("t3.micro", "x86_64", 4)],
)
def test_ranks_are_cores(aws: AwsWorld, node_type: str, architecture: str, ranks: int) -> None:
    """CON-05: four c5.4xlarge have 32 cores in 64 threads; m6g has one thread a core, so all of its 16 vCPUs count."""
    account = connected()
    share_image(aws, architecture=architecture)
    plan = planned(account, node_count=4, node_type=node_type)
    plan.require_feasible()
    assert plan.ranks == ranks


def test_ranks_of_two_types_are_added(team: AwsAccount) -> None:
    """CON-05: the head's cores and the workers'; or what was asked for."""
    asked = {"node_count": 3, "node_type": "c5.4xlarge", "head_type": "c5.xlarge"}
    assert planned(team, **asked).ranks == 2 + 8 + 8
    assert planned(team, **asked, slots_per_node=5).ranks == 15


# ------------------------------------------------------------------------------------------------------------ quotas


def test_a_quota_that_is_too_small_is_told_with_the_numbers(aws: AwsWorld, team: AwsAccount) -> None:
    """ACC-21, CLU-07: need 33, have 32, before anything is made; and it cannot be set aside."""
    aws.settings(limits={VCPUS: 32})
    planned(team, node_count=8).require_feasible()
    plan = planned(team, node_count=16, node_type="t3.micro", head_type="m5.large", ignore_warnings=list(Doubt))
    plan.require_feasible()
    plan = planned(team, node_count=17, node_type="t3.micro", ignore_warnings=list(Doubt))
    with pytest.raises(QuotaExceeded) as caught:
        plan.require_feasible()
    assert caught.value.where == "node_count"
    assert "34 needed, 32 free (0 of 32 in use). Ask for more at https://us-east-1.console" in str(caught.value)


def test_spot_nodes_count_for_their_own_quota(aws: AwsWorld, team: AwsAccount) -> None:
    """ACC-21: the quota of full price says nothing of them, and the world refuses what the plan refuses."""
    aws.settings(limits={VCPUS: 0, "L-34B43A08": 8})
    planned(team, node_count=4, node_type="t3.micro", spot=True).require_feasible()
    with pytest.raises(QuotaExceeded, match="spot vCPUs of standard types: 10 needed, 8 free"):
        planned(team, node_count=5, node_type="t3.micro", spot=True).require_feasible()


def test_what_stands_already_is_not_needed_again(aws: AwsWorld, team: AwsAccount) -> None:
    """ACC-21: a run that goes on where an earlier one ended is not stopped by what that one made."""
    aws.settings(limits={VCPUS: 8, "L-F678F1CE": 0})
    with pytest.raises(QuotaExceeded, match="VPCs: 1 needed, 0 free"):
        planned(team, node_count=4, node_type="t3.micro").require_feasible()
    planned(team, node_count=16, is_begun=True).require_feasible()


def test_a_plan_says_what_the_region_has(aws: AwsWorld) -> None:
    """CLU-07, NET-01: as many things as laying it makes; what stands is told as there, and its quotas are not asked."""
    quick(aws)
    place = site(aws)
    account = verified(AwsAccount(external_id="x", account_id=CUSTOMER, features=list(NEEDED)))
    asker = Asker(place.session, account, INSTALLATION, LAB.installation)
    before = make(asker, spec())
    assert {part.is_there for part in before.parts if part.of == "region"} == {False}
    lay(place)
    after = make(asker, spec())
    assert made(Standing(aws).tagged()) == said(before.parts, "region") == said(after.parts, "region")
    assert {part.is_there for part in after.parts if part.of == "region"} == {True}
    assert {line.partition(":")[0] for line in after.quotas} == {"vCPUs of standard types"}


# ------------------------------------------------------------------------------------------------------- permissions


def test_only_what_the_plan_needs_is_asked(aws: AwsWorld) -> None:
    """CLU-07: an account without backups can have clusters."""
    account = connected(features=[Feature.EFS, Feature.SPOT])
    share_image(aws)
    plan = planned(account)
    plan.require_feasible()
    assert "ec2:CreateSnapshot" not in plan.permissions
    assert Feature.SPOT not in features_of(plan.spec, account)
    assert Feature.SPOT in features_of(spec(spot=True), account)


def test_a_simulator_that_may_not_be_asked_stops_nothing(aws: AwsWorld) -> None:
    """CLU-08: an organisation may forbid the question."""
    team = connected(is_verified=False)
    share_image(aws)
    aws.fault("error", "iam:SimulatePrincipalPolicy", code="AccessDenied", status=403, times=-1)
    plan = planned(team)
    plan.require_feasible()
    assert any(one.severity is Severity.NOTE and "cannot be asked" in one.text for one in plan.findings)


# ------------------------------------------------------------------------------------------------------------- money


def test_a_price_that_is_not_known_stops_nothing(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-07: neither a type without a price, nor a list that may not be asked."""
    plan = planned(team, node_type="c5d.large", head_type="c5.xlarge", node_count=2)
    plan.require_feasible()
    assert plan.hourly_usd is None
    assert any("what c5d.large costs is not known" in one.text for one in plan.findings)
    aws.fault("error", "pricing:GetProducts", code="AccessDeniedException", status=400, times=-1)
    plan = planned(team)
    plan.require_feasible()
    assert plan.hourly_usd is None


# --------------------------------------------------------------------------------------------------- images and types


def test_no_image_has_its_reason(aws: AwsWorld) -> None:
    """CLU-04: not shared, not built, and not seen at all are three different answers."""
    account = connected()
    with pytest.raises(BadInput, match=r"image_version: .*None was built for this region: run build-image"):
        planned(account).require_feasible()
    made = share_image(aws)
    aws.client("ec2", INSTALLATION).modify_image_attribute(
        ImageId=made, LaunchPermission={"Remove": [{"UserId": CUSTOMER}]}
    )
    with pytest.raises(BadInput, match=r"image_version: .*not shared with the account: run share-image"):
        planned(account).require_feasible()
    aws.fault("error", "ec2:DescribeImages", principal=CUSTOMER, code="AuthFailure", status=401, times=-1)
    with pytest.raises(CredentialsInvalid, match="AWS does not know these credentials"):
        planned(account)


def test_a_version_that_is_not_there_is_answered_with_those_that_are(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-02, CLU-04."""
    share_image(aws, "2026.12")
    with pytest.raises(BadInput, match=r"image_version: .*There are: 2026\.12, 2026\.11\."):
        planned(team, image_version="2025.1").require_feasible()
    newest, older = planned(team).image, planned(team, image_version="2026.11").image
    assert newest is not None
    assert older is not None
    assert (newest.version, older.version) == ("2026.12", "2026.11")


def test_a_type_fits_its_image(aws: AwsWorld, team: AwsAccount) -> None:
    """CLU-05: an arm type with an x86 image is refused; with an image of its own it is not."""
    with pytest.raises(BadInput, match=r"node_type: m6g.large is arm64, and there are images of ours for x86_64 only"):
        planned(team, node_type="m6g.large").require_feasible()
    share_image(aws, architecture="arm64")
    plan = planned(team, node_type="m6g.large")
    plan.require_feasible()
    assert plan.image is not None
    assert plan.image.architecture == "arm64"


def test_efa_needs_a_type_with_it(team: AwsAccount) -> None:
    """CLU-05: c5n has one, c5 has none, and the head needs it too."""
    planned(team, node_count=1, node_type="c5n.18xlarge", efa=True).require_feasible()
    with pytest.raises(BadInput, match=r"efa: c5\.xlarge \(node_type\) has no Elastic Fabric Adapter"):
        planned(team, efa=True).require_feasible()
    with pytest.raises(BadInput, match=r"efa: c5\.xlarge \(head_type\) has no Elastic Fabric Adapter"):
        planned(team, node_count=2, node_type="c5n.18xlarge", head_type="c5.xlarge", efa=True).require_feasible()


# ------------------------------------------------------------------------------------------------------- the account


def test_an_account_without_a_way_in_is_none(aws: AwsWorld) -> None:
    """CLU-03: invited, and not connected."""
    with pytest.raises(WrongState, match="has no way in yet"):
        session_of(AwsAccount(external_id=""))


def test_questions_are_few(team: AwsAccount, aws: AwsWorld) -> None:
    """CLU-17, CLU-07: each is asked once; permissions are not asked again where the night's verification did."""
    before = len(aws.calls())
    planned(team).require_feasible()
    asked = [f"{call['service']}:{call['operation']}" for call in aws.calls()[before:]]
    assert "iam:SimulatePrincipalPolicy" not in asked
    assert len(asked) <= 20, asked
    before = len(aws.calls())
    planned(verified(team, age=timedelta(days=2))).require_feasible()
    assert "SimulatePrincipalPolicy" in {call["operation"] for call in aws.calls()[before:]}


def test_what_the_night_found_counts(team: AwsAccount) -> None:
    """CLU-08: an action that was missing then is a doubt now, if the plan needs it."""
    with pytest.raises(AccessDenied, match="elasticfilesystem:CreateFileSystem is not allowed"):
        planned(verified(team, efs="elasticfilesystem:CreateFileSystem is not allowed")).require_feasible()
    planned(verified(team, backup="ec2:CreateSnapshot is not allowed")).require_feasible()
