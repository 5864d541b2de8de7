"""Tags in EC2: reserved keys, too many of them, of the wrong kind, on what is not there.

Moto makes a thing first and refuses its tags then, or takes any. Codes and words: "Tag your Amazon EC2 resources", and
AWS's real answers from public bug reports.
"""

from typing import TYPE_CHECKING, Any

from tests.worlds.aws import models
from tests.worlds.aws.call import Answer, Call, Refused
from tests.worlds.aws.rules import answer, refuse
from tests.worlds.aws.rules.lookups import there_is

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MOST = 50
"""Tags on one resource; not adjustable. Those of AWS itself (``aws:``) do not count."""

_KINDS: dict[str, set[str]] = {
    "AllocateAddress": {"elastic-ip"},
    "AuthorizeSecurityGroupEgress": {"security-group-rule"},
    "AuthorizeSecurityGroupIngress": {"security-group-rule"},
    "CreateInternetGateway": {"internet-gateway"},
    "CreateKeyPair": {"key-pair"},
    "CreateLaunchTemplate": {"launch-template"},
    "CreateNatGateway": {"natgateway"},
    "CreateNetworkAcl": {"network-acl"},
    "CreateNetworkInterface": {"network-interface"},
    "CreatePlacementGroup": {"placement-group"},
    "CreateRouteTable": {"route-table"},
    "CreateSecurityGroup": {"security-group"},
    "CreateSnapshot": {"snapshot"},
    "CreateSubnet": {"subnet"},
    "CreateVolume": {"volume"},
    "CreateVpc": {"vpc"},
    "CreateVpcEndpoint": {"vpc-endpoint"},
    "ImportKeyPair": {"key-pair"},
}
"""What each operation makes, as its tag specifications must say."""


@refuse("ec2", "CreateTags", "DeleteTags")
def _all_are_there(world: "World", call: Call) -> None:
    for wanted in call.params["Resources"]:
        there_is(world.backend(call), wanted)
    if call.operation == "CreateTags":
        for wanted in call.params["Resources"]:
            _fit(call.params["Tags"], world.backend(call).tags.get(wanted, {}))


def _of_request(_: "World", call: Call) -> None:
    allowed = _KINDS.get(call.operation)
    for told in call.params.get("TagSpecifications", []):
        kind = told.get("ResourceType")
        if allowed and kind not in allowed:
            raise Refused("InvalidParameter", f"'{kind}' is not a valid taggable resource type for this operation.")
        if not told.get("Tags"):
            raise Refused("InvalidParameter", "Tag specification must have at least one tag")
        _fit(told["Tags"], {})


def _fit(tags: list[dict[str, Any]], there: dict[str, str]) -> None:
    keys = [tag.get("Key", "") for tag in tags]
    for tag in tags:
        _fits(tag.get("Key", ""), tag.get("Value") or "")
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise Refused("InvalidParameterValue", f"Duplicate tag key '{twice}' specified.")
    if sum(not key.startswith("aws:") for key in {*keys, *there}) > MOST:
        raise Refused("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")


def _fits(key: str, value: str) -> None:
    if key.lower().startswith("aws:"):
        text = f"Value ( {key} ) for parameter key is invalid."
        reason = "Tag keys starting with 'aws:' are reserved for internal use"
        raise Refused("InvalidParameterValue", f"{text} {reason}")
    if not 0 < len(key) <= 128:
        text = f"Tag key exceeds the maximum length of 128 characters: '{key}'" if key else "Tag key cannot be empty"
        raise Refused("InvalidParameterValue", text)
    if len(value) > 256:
        text = f"Tag value exceeds the maximum length of 256 characters: '{value}'"
        raise Refused("InvalidParameterValue", text)


for _operation in models.service_model("ec2").operation_names:
    _shape = models.operation_model("ec2", _operation).input_shape
    if _shape is not None and "TagSpecifications" in _shape.members:
        refuse("ec2", _operation)(_of_request)


@answer("ec2", "CreateTags")
def _create_tags(world: "World", call: Call) -> Answer:
    told = {tag["Key"]: tag.get("Value") or "" for tag in call.params["Tags"]}
    world.backend(call).create_tags(call.params["Resources"], told)
    return {}


@answer("ec2", "DeleteTags")
def _delete_tags(world: "World", call: Call) -> Answer:
    told = {tag["Key"]: tag.get("Value") for tag in call.params.get("Tags", [])}
    for wanted in call.params["Resources"]:
        held = world.backend(call).tags[wanted]
        # Without tags to delete, all go; without a value, any.
        for key in [key for key in held if not told or (key in told and told[key] in (None, held[key]))]:
            if not key.startswith("aws:"):
                del held[key]
    return {}
