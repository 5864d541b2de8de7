"""What EC2 looks at in a launch before it looks for capacity: numbers, names, type, image, processor, metadata, market.

Codes and words are EC2's as public bug reports quote them. Those of bad CpuOptions, and of a least number above the
most, are written nowhere: they are the nearest that EC2 has.
"""

import base64
import binascii
from typing import TYPE_CHECKING, Any

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from tests.worlds.aws.call import Answer, Call, CannotAnswer, Refused
from tests.worlds.aws.rules import images, spot
from tests.worlds.aws.rules.launch_tags import check_tags

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

MOST_USER_DATA = 16384
TAGGED = frozenset({"instance", "volume", "network-interface", "spot-instances-request"})

NOT_MODELLED = (
    "AdditionalInfo",
    "ElasticGpuSpecification",
    "ElasticInferenceAccelerators",
    "EnablePrimaryIpv6",
    "EnclaveOptions",
    "Ipv6AddressCount",
    "Ipv6Addresses",
    "KernelId",
    "LicenseSpecifications",
    "NetworkPerformanceOptions",
    "Operator",
    "RamdiskId",
    "SecondaryInterfaces",
)
PLACEMENT_NOT_MODELLED = ("Affinity", "HostId", "HostResourceGroupArn", "SpreadDomain")


def check_request(asked: dict[str, Any]) -> None:
    """Refuse a launch for what stands in the request itself."""
    for member in NOT_MODELLED:
        if asked.get(member):
            raise CannotAnswer(f"a launch with {member}")
    placement = asked.get("Placement") or {}
    for member in PLACEMENT_NOT_MODELLED:
        if placement.get(member):
            raise CannotAnswer(f"a launch with Placement.{member}")
    if placement.get("Tenancy", "default") != "default":
        raise CannotAnswer("a launch on dedicated hosts")
    if (asked.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget"):
        raise CannotAnswer("capacity reservations")
    _check_counts(int(asked["MinCount"]), int(asked["MaxCount"]))
    if len(asked.get("ClientToken") or "") > 64:
        raise Refused("InvalidParameterValue", "ClientToken must be at most 64 ASCII characters")
    _check_market(asked)
    check_tags(asked.get("TagSpecifications") or [], TAGGED)
    check_metadata(asked.get("MetadataOptions") or {})
    user_data(asked)


def _check_counts(least: int, most: int) -> None:
    if most < 1 or least < 1:
        name = "Maximum" if most < 1 else "Minimum"
        raise Refused("InvalidParameterValue", f"{name} instance count must be greater than zero")
    if least > most:
        text = "Maximum instance count must not be smaller than minimum instance count"
        raise Refused("InvalidParameterValue", text)


def _check_market(asked: dict[str, Any]) -> None:
    market = asked.get("InstanceMarketOptions")
    tagged = [one.get("ResourceType") for one in asked.get("TagSpecifications") or []]
    if not market:
        if "spot-instances-request" in tagged and "TemplateTags" not in asked:
            text = "You cannot specify tags for Spot instances requests if there are no Spot instances requests being"
            raise Refused("InvalidParameterCombination", f"{text} created by the request.")
        return
    spot.check(market)


def check_metadata(options: dict[str, Any]) -> None:
    """Refuse ways to reach the metadata that are none, or do not go together."""
    hops = options.get("HttpPutResponseHopLimit")
    if hops is not None and not 1 <= int(hops) <= 64:
        raise Refused("InvalidParameterValue", f"Value ({hops}) for parameter HttpPutResponseHopLimit is invalid.")
    if options.get("HttpEndpoint") == "disabled" and (hops is not None or options.get("HttpTokens")):
        text = "You cannot specify HttpTokens or HttpPutResponseHopLimit when HttpEndpoint is disabled."
        raise Refused("InvalidParameterCombination", text)


def user_data(asked: dict[str, Any]) -> bytes:
    """Return the user data of a launch, decoded.

    Raises:
        Refused: It is not base64, or longer than 16 KB.
    """
    try:
        text = base64.b64decode(asked.get("UserData") or "", validate=True)
    except binascii.Error as error:
        raise Refused("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from error
    if len(text) > MOST_USER_DATA:
        raise Refused("InvalidParameterValue", f"User data is limited to {MOST_USER_DATA} bytes")
    return text


def kind_of(name: str, code: str = "InvalidParameterValue") -> Answer:
    """Return an instance type, as DescribeInstanceTypes tells it. ``code`` is what the operation refuses with.

    Raises:
        Refused: There is no such type.
    """
    if name not in INSTANCE_TYPES:
        raise Refused(code, f"Invalid value '{name}' for InstanceType.")
    kind: Answer = INSTANCE_TYPES[name]
    return kind


def check_offered(name: str, region: str, zone: str) -> None:
    """Refuse a type that AWS does not offer in a zone."""
    offered = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    zones = sorted(one["Location"] for one in offered if one["InstanceType"] == name)
    if zone not in zones:
        text = f"Your requested instance type ({name}) is not supported in your requested Availability Zone ({zone})."
        where = f" Please retry your request by not specifying an Availability Zone or choosing {', '.join(zones)}."
        raise Refused("Unsupported", text + (where if zones else ""))


def image_for(call: Call, asked: dict[str, Any], kind: Answer) -> Any:
    """Return the image of a launch.

    Raises:
        Refused: There is none, the caller may not use it, or it does not go with the type.
    """
    if not asked.get("ImageId"):
        raise Refused("MissingParameter", "The request must contain the parameter ImageId")
    image = images.find(call, asked["ImageId"])
    if image.state != "available":
        raise Refused("InvalidAMIID.Unavailable", f"The image ID '{image.id}' is not available")
    name, known = kind["InstanceType"], kind["ProcessorInfo"]["SupportedArchitectures"]
    if image.architecture not in known:
        text = (
            f"The architecture '{','.join(known)}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again."
        )
        raise Refused("InvalidParameterValue", text)
    if image.virtualization_type not in kind["SupportedVirtualizationTypes"]:
        needed = kind["SupportedVirtualizationTypes"][0]
        text = f"Virtualization type '{needed}' is required for instances of type '{name}'."
        raise Refused("InvalidParameterCombination", text)
    has_ena = images.image_document(image, call.account)["EnaSupport"]
    if kind["NetworkInfo"].get("EnaSupport") == "required" and not has_ena:
        text = f"Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{name}' instance type."
        raise Refused(
            "InvalidParameterCombination", f"{text} Ensure that you are using an AMI that is enabled for ENA."
        )
    return image


def processor(asked: dict[str, Any], kind: Answer) -> dict[str, Any]:
    """Return the cores and threads of an instance: those asked for, or its type's own.

    Raises:
        Refused: The type cannot have so many.
    """
    options, cpus, name = asked.get("CpuOptions") or {}, kind["VCpuInfo"], kind["InstanceType"]
    if options.get("AmdSevSnp") or options.get("NestedVirtualization"):
        raise CannotAnswer("CpuOptions other than cores and threads")
    cores, threads = options.get("CoreCount"), options.get("ThreadsPerCore")
    if (cores is None) != (threads is None):
        raise Refused("MissingParameter", "CoreCount and ThreadsPerCore must both be specified in CpuOptions")
    if cores is None:
        own = cpus.get("DefaultCores") or cpus["DefaultVCpus"]
        return {"CoreCount": own, "ThreadsPerCore": cpus.get("DefaultThreadsPerCore") or 1}
    for number, valid, member in (
        (int(cores), cpus.get("ValidCores", []), "CoreCount"),
        (int(threads), cpus.get("ValidThreadsPerCore", []), "ThreadsPerCore"),
    ):
        if number not in valid:
            raise Refused("InvalidParameterValue", f"The {member} {number} is not supported for instance type {name}.")
    return {"CoreCount": int(cores), "ThreadsPerCore": int(threads)}


def metadata(asked: dict[str, Any], image: Any) -> dict[str, Any]:
    """Return how an instance's metadata is reached: with tokens only, where the call or the image wants it."""
    is_second = images.kept_of(image, "ImdsSupport") == "v2.0"
    usual = {
        "HttpTokens": "required" if is_second else "optional",
        "HttpPutResponseHopLimit": 2 if is_second else 1,
        "HttpEndpoint": "enabled",
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": "disabled",
    }
    return {**usual, **(asked.get("MetadataOptions") or {})}


def public_key(world: "World", call: Call, asked: dict[str, Any]) -> str:
    """Return the public key of a launch in OpenSSH's form; empty without one.

    Raises:
        Refused: There is no such key pair.
    """
    name = asked.get("KeyName")
    if not name:
        return ""
    pair = world.backend(call).key_pairs.get(name)
    if pair is None:
        raise Refused("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    return str(pair.public_key).strip()
