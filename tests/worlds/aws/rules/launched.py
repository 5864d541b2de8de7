"""Moto's instance, with what moto does not keep of a launch, and with interfaces on more than one network card."""

from typing import Any

from moto.ec2.models.instances import Instance


class Launched(Instance):
    """An instance whose interfaces are attached from outside, in their order: the first is the primary one.

    ``kept`` holds members of the instance's document that moto has no place for.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        self.kept: dict[str, Any] = {}
        super().__init__(*args, **named)
        # Moto adds an instance's groups to those of each of its interfaces, where AWS has groups of interfaces only.
        self.security_groups = []

    def prep_nics(self, *_: Any, **__: Any) -> None:
        """Have no interface yet."""
        self.nics = {}

    def attach_eni(self, eni: Any, device_index: int) -> str:
        """Attach an interface; two cards may each have one of the same device index."""
        place = max(self.nics, default=-1) + 1
        attachment = super().attach_eni(eni, place)
        eni.device_index = int(device_index)
        return attachment

    def detach_eni(self, eni: Any) -> None:
        """Detach an interface."""
        self.nics = {place: nic for place, nic in self.nics.items() if nic is not eni}
        eni.device_index = None
        super().detach_eni(eni)
