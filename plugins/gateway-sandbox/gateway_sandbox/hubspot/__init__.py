"""A portal in memory that answers like HubSpot's API (v3, v4 and the date-versioned paths)."""

from gateway_sandbox.hubspot.app import CLIENT_SECRET, TOKEN, HubSpotSandbox
from gateway_sandbox.hubspot.catalogue import Property, options
from gateway_sandbox.hubspot.limits import OFF, Limits

__all__ = ["CLIENT_SECRET", "OFF", "TOKEN", "HubSpotSandbox", "Limits", "Property", "options"]
