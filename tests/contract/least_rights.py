"""The customer's account with our role, our things and foreign ones in it, and how to ask what the role may do."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.aws_account import Feature, Variant
from tasks.providers.aws import policies
from tasks.providers.aws.role import create_role
from tasks.providers.aws.session import AwsSession, assumed, session_with
from tests.world.aws.identities import trust
from tests.world.aws.launches import image, launch
from tests.worlds.aws.keys import root_key
from tests.worlds.aws_world import CUSTOMER, INSTALLATION, AwsWorld

EXTERNAL_ID = "groundwork-0f5c1d5e2b9a4c7d"
OURS = [{"Key": "groundwork:installation", "Value": "test"}]
ASSUME = trust(f"arn:aws:iam::{CUSTOMER}:root")
DENIED = {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}
ZONE = "us-east-1a"
NUMBERS = itertools.count(1)
EVERY = {
    Variant.AUTOMATED: list(Feature),
    Variant.RESTRICTED: [feature for feature in Feature if feature is not Feature.NETWORKS],
}


def tagged(*kinds: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": OURS} for kind in kinds]


def role(name: str, documents: dict[Feature, policies.Policy]) -> str:
    """Let the product make a role in the customer's account."""
    root = root_key(CUSTOMER)
    keys = AwsCredentials(aws_access_key_id=root.access_key, aws_secret_access_key=SecretStr(root.secret))
    return create_role(
        session_with(keys),
        role_name=name,
        external_id=EXTERNAL_ID,
        identity_account_id=INSTALLATION,
        policies=documents,
    )


@dataclass
class Things:
    """A VPC with what is in it, either ours (with our tag) or somebody else's."""

    ec2: Any
    is_ours: bool
    profile: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ec2 = self.ec2
        self._keep("vpc", ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
        self._keep(
            "subnet",
            ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=ZONE)["Subnet"]["SubnetId"],
        )
        name = f"group-{next(NUMBERS)}"
        self._keep("group", ec2.create_security_group(GroupName=name, Description="-", VpcId=self.vpc)["GroupId"])
        profile = {"IamInstanceProfile": {"Name": self.profile}} if self.profile else {}
        node = launch(ec2, SubnetId=self.subnet, SecurityGroupIds=[self.group], **profile)[0]
        self._keep("node", node["InstanceId"])
        volume = ec2.create_volume(AvailabilityZone=ZONE, Size=8)
        self._keep("volume", volume["VolumeId"])
        self._keep("address", ec2.allocate_address(Domain="vpc")["AllocationId"])

    def _keep(self, kind: str, thing_id: str) -> None:
        self.ids[kind] = thing_id
        if self.is_ours:
            self.ec2.create_tags(Resources=[thing_id], Tags=OURS)

    def __getattr__(self, kind: str) -> str:
        if kind.startswith("__") or "ids" not in self.__dict__ or kind not in self.ids:
            raise AttributeError(kind)
        return self.ids[kind]


class Ground:
    """The customer's account: our role in it for one variant, our things and foreign ones."""

    def __init__(self, aws: AwsWorld, variant: Variant) -> None:
        self.aws, self.root = aws, aws.client("ec2")
        self.iam = aws.client("iam")
        profile = "nodes" if variant is Variant.RESTRICTED else "groundwork-node-x"
        self._profile(profile)
        if variant is Variant.AUTOMATED:
            self._profile("foreign")
        self.profile = profile
        self.own = Things(self.root, is_ours=True, profile=profile)
        self.foreign = Things(self.root, is_ours=False, profile=profile)
        self.image = image(self.root)
        documents = policies.permission_policies(
            variant,
            EVERY[variant],
            account_id=CUSTOMER,
            **({"vpc_id": self.own.vpc, "instance_profile": profile} if variant is Variant.RESTRICTED else {}),
        )
        arn = role(f"groundwork-{variant.value}", documents)
        self.us: AwsSession = assumed(arn, EXTERNAL_ID)

    def _profile(self, name: str) -> None:
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=ASSUME, Tags=[] if name == "foreign" else OURS)
        self.iam.create_instance_profile(InstanceProfileName=name)
        self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)

    @cached_property
    def ec2(self) -> Any:
        """EC2 as we come into the account."""
        return self.us.client("ec2")

    def to(self, service: str) -> Any:
        """Another service as we come into the account."""
        return self.us.client(service)

    def launch(self, into: Things | None = None, **changed: Any) -> Any:
        """Launch a node as the product would, with some of it changed; dry."""
        place = into or self.own
        asked = {
            "ImageId": self.image,
            "InstanceType": "t3.micro",
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": place.subnet,
            "SecurityGroupIds": [place.group],
            "IamInstanceProfile": {"Name": self.profile},
            "TagSpecifications": tagged("instance", "volume", "network-interface"),
            "DryRun": True,
        }
        return self.ec2.run_instances(**{name: value for name, value in {**asked, **changed}.items() if value})


Ask = Callable[[Ground], Any]


def dry(operation: str, **told: Any) -> Ask:
    """Ask EC2 whether a call could be made. ``own.x`` and ``foreign.x`` stand for ids."""

    def ask(ground: Ground) -> Any:
        return getattr(ground.ec2, operation)(**_filled(ground, told), DryRun=True)

    return ask


def _filled(ground: Ground, told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _filled(ground, value) for name, value in told.items()}
    if isinstance(told, list):
        return [_filled(ground, value) for value in told]
    if isinstance(told, str) and told.startswith(("own.", "foreign.")):
        of, _, kind = told.partition(".")
        return (ground.own if of == "own" else ground.foreign).ids[kind]
    return told


def real(service: str, operation: str, **told: Any) -> Ask:
    """Make a call of another service."""
    return lambda ground: getattr(ground.to(service), operation)(**told)


def outcome(call: Callable[[], Any]) -> str:
    """Return ``allowed``, ``denied``, or what else AWS said."""
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in DENIED:
            return "denied"
        return "allowed" if code == "DryRunOperation" else str(error)
    return "allowed"
