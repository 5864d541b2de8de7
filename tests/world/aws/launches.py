"""Launches as tests of the world make them."""

from typing import Any

NAMES = {"x86_64": "al2023-ami-2023*-x86_64", "arm64": "al2023-ami-2023*-arm64"}


def image(ec2: Any, architecture: str = "x86_64") -> str:
    """Return a public image for a processor."""
    named = {"Name": "name", "Values": [NAMES[architecture]]}
    return str(ec2.describe_images(Owners=["amazon"], Filters=[named])["Images"][0]["ImageId"])


def launch(ec2: Any, count: int = 1, **told: Any) -> list[dict[str, Any]]:
    """Launch instances of a small type, unless told otherwise; return them as the answer tells them."""
    asked = {"InstanceType": "t3.micro", "MinCount": count, "MaxCount": count, **told}
    asked.setdefault("ImageId", image(ec2))
    found: list[dict[str, Any]] = ec2.run_instances(**asked)["Instances"]
    return found


def instances(ec2: Any, **told: Any) -> list[dict[str, Any]]:
    """Return the instances that DescribeInstances tells."""
    pages = ec2.get_paginator("describe_instances").paginate(**told)
    return [one for page in pages for found in page["Reservations"] for one in found["Instances"]]


def named(name: str, *values: str) -> list[dict[str, Any]]:
    """Return one filter."""
    return [{"Name": name, "Values": list(values)}]
