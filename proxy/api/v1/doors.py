"""The doors of `/v1`: who may come in, and under which address."""

from typing import Any

from proxy.api.doors import Door
from proxy.api.keyholders import CustomerKey
from proxy.api.permissions import Somebody
from proxy.api.v1.who import Allowed, Staff, StaffSession, StaffToken


class StaffDoor(Door):
    """For staff with the permission `needs`."""

    authentication_classes: Any = (StaffToken, StaffSession)
    permission_classes: Any = (Allowed,)
    needs = ""
    is_for_customers = False


class ForCustomers:
    """Mixed into doors of staff at which a customer sees what is its own, which is what `within` lets through."""

    authentication_classes: Any = (StaffToken, CustomerKey, StaffSession)
    is_for_customers = True


class AnyStaff(Door):
    """For staff; what is asked for decides whether they may."""

    authentication_classes: Any = (StaffToken, StaffSession)
    permission_classes: Any = (Staff,)


class CustomerDoor(Door):
    """For customers of the service alone; `holder` says which."""

    authentication_classes: Any = (CustomerKey,)
    permission_classes: Any = (Somebody,)
