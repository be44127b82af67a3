"""An org in memory that answers like Salesforce's REST API."""

from gateway_sandbox.salesforce.app import SalesforceSandbox
from gateway_sandbox.salesforce.deploying import DeployFailed
from gateway_sandbox.salesforce.fields import Field, RowError
from gateway_sandbox.salesforce.rules import DuplicateRule
from gateway_sandbox.salesforce.tokens import CONSUMER_KEY, CONSUMER_SECRET, USERNAME

__all__ = [
    "CONSUMER_KEY",
    "CONSUMER_SECRET",
    "USERNAME",
    "DeployFailed",
    "DuplicateRule",
    "Field",
    "RowError",
    "SalesforceSandbox",
]
