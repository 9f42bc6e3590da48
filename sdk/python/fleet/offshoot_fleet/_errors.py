"""Reasons why a delivery is refused."""

from __future__ import annotations

from offshoot import OffshootError


class DeliveryError(OffshootError, ValueError):
    """Delivery that was refused; nothing is changed."""


class StaleError(DeliveryError):
    """Delivery that is older than the one that is there."""


class ConflictError(DeliveryError):
    """Second, different delivery of one board in one round."""


class WithdrawnError(DeliveryError):
    """Delivery of a board that was withdrawn."""


class FullError(DeliveryError):
    """Delivery for which the merged head has no room."""
