"""An image made on a real host and shared with an account, through a real Prefect server, in the AWS test world."""

import json
import sys
from pathlib import Path

import pytest

from blocks.errors import AccessDenied, BadInput, VerificationFailed
from blocks.local_machine import Hosts
from flows.aws_accounts import verify_account
from flows.aws_images import build_image, share_image
from tasks import aws_account_records as records
from tests.worlds.aws_accounts import account_ref, documents_in, newest, onboarded
from tests.worlds.aws_builders import Builders
from tests.worlds.aws_hosts import processes_of
from tests.worlds.aws_world import INSTALLATION, AwsWorld
from tests.worlds.local_hosts import require
from tests.worlds.prefect_server import PrefectServer

BIN = Path(sys.executable).parent
SETUP = f"""
set -e
mkdir -p /opt/mpi/bin
for name in mpiexec.hydra python; do
  printf '#!/bin/sh\\nexec {BIN}/%s "$@"\\n' $name >/opt/mpi/bin/$name
  chmod 755 /opt/mpi/bin/$name
done
"""
"""What a hosts' image has no files for: this machine's own MPI and Python, where a builder would have put them."""


@pytest.fixture
def place(prefect_worker: AwsWorld, no_accounts: AwsWorld) -> Builders:
    return Builders(no_accounts)


@pytest.mark.drill
def test_an_image_from_nothing_to_an_account(place: Builders, house: PrefectServer) -> None:
    """OPS-20, ACC-09, CLU-19: bootstrapped behind a jump host, verified, cleaned, shared; verify is green then."""
    require(Hosts.NAMESPACES)
    aws = place.aws
    aws.settings(hosts=True)
    aws.speed(20)
    place.build("2026.11", setup_script=SETUP, jump_host=place.jump_host)
    checks = json.loads(newest("checks-groundwork-2026-11-x86-64"))
    assert [row["good"] for row in checks] == ["yes"] * 4, checks
    assert "groundwork-2026.11-x86_64" in newest("image-groundwork-2026-11-x86-64")
    assert place.images() == ["groundwork-2026.11-x86_64"]
    assert set(place.nodes()) <= {"terminated"}
    assert processes_of(place.vpc) == {}

    account = onboarded(aws)
    assert {one.state for one in account.findings if one.subject.startswith("image")} == {"bad"}
    aws.fault("error", "ec2:CopyImage", code="UnauthorizedOperation", status=403, times=-1)
    with pytest.raises(VerificationFailed, match="image us-west-2: copy of groundwork-2026"):
        share_image(version="2026.11", account=account, regions=["us-east-1", "us-west-2"])
    assert newest("sharing-team-2026-11").count("| yes |") == 1
    aws.mend()
    told = ["-p", "version=v2026.11", "-p", f"account={json.dumps(account_ref('team'))}"]
    house.run_cli("share-image", *told, "-p", 'regions=["us-east-1", "us-west-2"]')
    assert newest("sharing-team-2026-11").count("| yes |") == 2
    verify_account(account=records.read("team"))
    found = {one.subject: one.state for one in records.read("team").findings if one.subject.startswith("image")}
    assert found == {
        "image us-east-1": "good", "image us-east-2": "bad", "image us-west-1": "bad", "image us-west-2": "good"
    }  # fmt: skip
    place.build("2026.11")
    assert len(place.images()) == 1
    assert len(aws.calls("ec2:RunInstances")) == 1


def test_an_identity_that_may_not(place: Builders) -> None:
    """OPS-20, ACC-10: the policy that would do is shown; put there, it does."""
    iam = place.aws.client("iam", INSTALLATION)
    iam.delete_user_policy(UserName="prefect-worker", PolicyName="groundwork")
    with pytest.raises(AccessDenied):
        place.build("1.0")
    (policy,) = documents_in(newest("installation-policy"))
    iam.put_user_policy(UserName="prefect-worker", PolicyName="groundwork", PolicyDocument=json.dumps(policy))
    with pytest.raises(BadInput, match="subnet-0123456789abcdef0"):
        build_image(version="1.0", subnet_id="subnet-0123456789abcdef0", security_group_id=place.group)
