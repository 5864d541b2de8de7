"""Moto's server application, called inside this process."""

import copy
import functools
import io
import os
import random
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Moto reads these when it is imported; without them it launches unknown images, keys and instance types.
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "1")
os.environ.setdefault("MOTO_ENABLE_KEYPAIR_VALIDATION", "1")
os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "1")
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

from moto.core import responses
from moto.core.base_backend import BackendDict, backend_lock
from moto.core.model_instances import reset_model_data
from moto.ec2 import utils as ec2_utils
from moto.ec2.models import amis
from moto.ec2.responses import subnets
from moto.iam.access_control import PermissionResult
from moto.iam.models import IAMBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from tests.worlds.aws.call import CannotAnswer

Request = tuple[dict[str, Any], bytes]


class Moto:
    """Moto, all services, all accounts."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)

    def answer(self, request: Request, account: str) -> Response:
        """Return moto's answer to a request of an account.

        Raises:
            CannotAnswer: Moto stumbled; most often the operation is not written.
        """
        environ, body = request
        headers = {"HTTP_X_MOTO_ACCOUNT_ID": account, "wsgi.input": io.BytesIO(body)}
        try:
            chunks, status, told = run_wsgi_app(self._app, {**environ, **headers}, buffered=True)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            named = f"{type(error).__name__}: {error}, {Path(where.filename).name}:{where.lineno}"
            raise CannotAnswer(f"moto has no answer ({named})") from error
        return Response(chunks, status, told)

    def reset(self) -> None:
        """Forget everything. Moto's own reset fills every store anew before it throws them away: 0.3 s for each."""
        with backend_lock:
            for stores in BackendDict._instances:
                if stores.service_name == "s3":
                    for store in stores.values():
                        store.reset()  # its objects are open files
                stores.clear()
            BackendDict._instances.clear()
        reset_model_data()


def _random_id(size: int = 8) -> str:
    return f"{random.getrandbits(4 * size):0{size}x}"


_made_policies: list[Any] = []
_make_policies = IAMBackend._init_aws_policies


def _policies(store: IAMBackend) -> list[Any]:
    if not _made_policies:
        _made_policies.extend(_make_policies(store))
    copies = [copy.copy(policy) for policy in _made_policies]
    for policy in copies:
        policy.account_id = store.account_id
    return copies


_read = amis.load_resource


def _images(resource: str) -> Any:
    return [] if resource.startswith("ec2/resources/ecs/") else _read(resource)


# Each account's store of EC2 begins with 1300 images, 1200 of them for containers, that of IAM with 1600 policies: half
# a second for each test. A class's methods are looked up anew for each request.
amis.load_resource = _images
ec2_utils.random_resource_id = _random_id
IAMBackend._init_aws_policies = _policies
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
# Where nobody names a zone moto draws one, and one in six of us-east-1 sells few types.
subnets.random = SimpleNamespace(choice=lambda zones: zones[0])
# The world judges buckets' policies itself; moto knows neither their principals nor their conditions.
FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL
