"""What of our rights only a few moments need, asked as our role with its policies and no more."""

from typing import Any

import pytest

from blocks.errors import QuotaExceeded
from tasks.providers.aws import quotas
from tasks.providers.aws.quotas import Quota
from tasks.providers.aws.region import keeping
from tests.worlds.aws_regions import Standing, again, quick, site
from tests.worlds.aws_world import AwsWorld


def test_awss_own_value_of_a_quota_is_asked_as_our_role(prefect_worker: AwsWorld) -> None:
    """ACC-21, ACC-10: an account in which a quota was never changed may have no value of its own."""
    prefect_worker.fault("error", "service-quotas:GetServiceQuota", code="NoSuchResourceException", times=-1)
    with pytest.raises(QuotaExceeded, match="6 needed, 5 free"):
        quotas.check(site(prefect_worker).session, "us-east-1", {Quota.STANDARD_VCPUS: 6})


class Killed(BaseException):
    """What ends a process."""


@pytest.mark.parametrize("last", ["", "CreateKey", "EnableKeyRotation", "CreateAlias"])
def test_the_regions_key_rotates(prefect_worker: AwsWorld, last: str) -> None:
    """SEC-10: one key, with its name, that rotates; also when a run died after the named call, which was done."""
    quick(prefect_worker)
    place, kms = site(prefect_worker), Standing(prefect_worker).to("kms")

    def die(**_: Any) -> None:
        raise Killed

    if last:
        events = place.session.client("kms", place.region).meta.events
        events.register_first(f"after-call.kms.{last}", die, unique_id="die")
        with pytest.raises(Killed):
            keeping.ensure_key(place)
        events.unregister(f"after-call.kms.{last}", die, unique_id="die")
        place = again(place)
    arn = keeping.ensure_key(place)
    [alias] = [one for one in kms.list_aliases()["Aliases"] if one["AliasName"].startswith("alias/groundwork")]
    assert arn.endswith(alias["TargetKeyId"])
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is True
    assert Standing(prefect_worker).parts() == ["key"]
