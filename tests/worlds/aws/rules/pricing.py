"""The price list: EC2's on-demand Linux prices of some families in three regions, as they were in January 2025.

The numbers are general knowledge and were not fetched: they make sums testable, and tell nobody what AWS costs. Of
every other type and region the list is empty: the world makes no prices up. By "GetProducts" in the "AWS Price List
API Reference", whose answers are lists of JSON texts; the shape of these is that of its public offer files.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from tests.worlds.aws.call import Answer, Call, CannotAnswer
from tests.worlds.aws.rules import answer

if TYPE_CHECKING:
    from tests.worlds.aws.world import World

PUBLISHED = "2025-01-15T00:00:00Z"

REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
}
"""Regions in which these prices are the same."""

_SIZES = {"large": 1, "xlarge": 2} | {f"{size}xlarge": 2 * size for size in (2, 4, 8, 9, 12, 16, 18, 24, 32)}

_OF_LARGE = {"c5": 0.085, "c6i": 0.085, "m5": 0.096, "m6i": 0.096, "r5": 0.126, "r6i": 0.126, "c5n": 0.108}
"""USD for an hour of the size ``large``: each of these families costs in proportion to its size."""

HOURLY_USD: dict[str, float] = {
    **{
        f"{family}.{size}": round(usd * times, 4)
        for family, usd in _OF_LARGE.items()
        for size, times in _SIZES.items()
        if f"{family}.{size}" in INSTANCE_TYPES
    },
    "t3.nano": 0.0052,
    "t3.micro": 0.0104,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "t3.xlarge": 0.1664,
    "t3.2xlarge": 0.3328,
    "g4dn.xlarge": 0.526,
    "g4dn.2xlarge": 0.752,
    "g4dn.4xlarge": 1.204,
    "g4dn.8xlarge": 2.176,
    "g4dn.12xlarge": 3.912,
    "g4dn.16xlarge": 4.352,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g5.4xlarge": 1.624,
    "g5.8xlarge": 2.448,
    "g5.12xlarge": 5.672,
    "g5.16xlarge": 4.096,
    "g5.24xlarge": 8.144,
    "g5.48xlarge": 16.288,
    "p4d.24xlarge": 32.7726,
}

_SAID_OF_ALL = {
    "availabilityzone": "NA",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
    "locationType": "AWS Region",
    "marketoption": "OnDemand",
    "operatingSystem": "Linux",
    "operation": "RunInstances",
    "preInstalledSw": "NA",
    "servicecode": "AmazonEC2",
    "servicename": "Amazon Elastic Compute Cloud",
    "tenancy": "Shared",
}

_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "TERM_MATCH": lambda told, wanted: told == wanted,
    "EQUALS": lambda told, wanted: told == wanted,
    "CONTAINS": lambda told, wanted: wanted in told,
    "ANY_OF": lambda told, wanted: told in wanted.split(","),
    "NONE_OF": lambda told, wanted: told not in wanted.split(","),
}


@answer("pricing", "GetProducts")
def _products(_: "World", call: Call) -> Answer:
    if call.region not in ("us-east-1", "eu-central-1", "ap-south-1"):
        raise CannotAnswer(f"AWS has no price list in {call.region}; ask in us-east-1")
    if call.params["ServiceCode"] != "AmazonEC2":
        raise CannotAnswer(f"the world knows no prices of {call.params['ServiceCode']}")
    filters = call.params.get("Filters", [])
    found = [product for product in _all() if _fits(product["product"]["attributes"], filters)]
    return {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product) for product in found]}


def _fits(attributes: dict[str, str], filters: list[dict[str, str]]) -> bool:
    for wanted in filters:
        name = "servicecode" if wanted["Field"] == "ServiceCode" else wanted["Field"]
        if name not in attributes:
            raise CannotAnswer(f"the world's products have no attribute {name}, but {', '.join(sorted(attributes))}")
        if not _MATCHES[wanted["Type"]](attributes[name], wanted["Value"]):
            return False
    return True


def _all() -> Iterator[dict[str, Any]]:
    for region, location in REGIONS.items():
        for name, usd in HOURLY_USD.items():
            yield _product(region, location, name, usd)


def _product(region: str, location: str, name: str, usd: float) -> dict[str, Any]:
    sku = hashlib.sha256(f"{region}/{name}".encode()).hexdigest()[:16].upper()
    term = f"{sku}.JRTCKXETXF"  # AWS's code for on-demand, in every offer
    price = {
        "unit": "Hrs",
        "description": f"${usd} per On Demand Linux {name} Instance Hour",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
        "beginRange": "0",
        "endRange": "Inf",
        "rateCode": f"{term}.6YS6EN2CT7",
        "appliesTo": [],
    }
    offer = {
        "sku": sku,
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": PUBLISHED,
        "priceDimensions": {f"{term}.6YS6EN2CT7": price},
        "termAttributes": {},
    }
    return {
        "product": {"productFamily": "Compute Instance", "attributes": _attributes(region, location, name), "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {term: offer}},
        "version": "20250115000000",
        "publicationDate": PUBLISHED,
    }


def _attributes(region: str, location: str, name: str) -> dict[str, str]:
    told = INSTANCE_TYPES[name]
    return {
        **_SAID_OF_ALL,
        "instanceType": name,
        "location": location,
        "memory": f"{told['MemoryInfo']['SizeInMiB'] / 1024:g} GiB",
        "regionCode": region,
        "usagetype": f"BoxUsage:{name}",
        "vcpu": str(told["VCpuInfo"]["DefaultVCpus"]),
    }
