"""What AWS refuses of a request by the service's model alone: lengths, ranges, patterns, enums, what is missing.

boto3 lets most of it through. EC2's front door looks at numbers only, since its enums grow faster than clients do;
S3 has words of its own for each header.
"""

import re

from tests.worlds.aws import models
from tests.worlds.aws.call import Call, Refused

_CODES = {
    "ec2": "InvalidParameterValue",
    "efs": "BadRequest",
    "logs": "InvalidParameterException",
    "pricing": "InvalidParameterException",
    "resourcegroupstaggingapi": "InvalidParameterException",
}


def refuse_malformed(call: Call) -> None:
    """Refuse a request that the service's model does not allow.

    Raises:
        Refused: With the service's code for it; ``ValidationError`` or ``ValidationException`` where it has none.
    """
    if call.service == "s3":
        return
    wrong = models.problems(models.operation_model(call.service, call.operation).input_shape, call.params)
    if call.service == "ec2":
        wrong = [what for what in wrong if re.search(r": -?\d+ is outside ", what)]
    if wrong:
        count = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected"
        raise Refused(_code(call), f"{count}: {'; '.join(wrong)}", 400)


def _code(call: Call) -> str:
    is_query = models.service_model(call.service).protocol == "query"
    return _CODES.get(call.service, "ValidationError" if is_query else "ValidationException")
