"""Moto's server application, called inside this process."""

import io
import os
import traceback
from pathlib import Path
from typing import Any

# Moto reads these when it is imported; without them it launches unknown images, keys and instance types.
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "1")
os.environ.setdefault("MOTO_ENABLE_KEYPAIR_VALIDATION", "1")
os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "1")
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
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
        """Forget everything."""
        moto_api_backend.reset()
