"""Where moto's answers are known not to be AWS's, and why that does no harm."""

import re

KNOWN: tuple[tuple[str, str, str], ...] = ()
"""(operation, what the model check says of it, as a regular expression, why it is let through)."""


def moto_is_off(operation: str, what: str) -> bool:
    """Tell whether this fault in an answer is a known one."""
    return any(name == operation and re.search(pattern, what) for name, pattern, _ in KNOWN)
