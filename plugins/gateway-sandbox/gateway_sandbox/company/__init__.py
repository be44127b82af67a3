"""A small company at work in both sandboxes: buyers, campaigns, and sales people."""

from gateway_sandbox.company.company import Company, Happening

__all__ = ["Company", "Happening"]
