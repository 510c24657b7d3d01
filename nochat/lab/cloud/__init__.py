"""A cloud of one's own, gone with the process that started it, and an account in a real one.

Real OpenStack on one machine, and a stand-in for Azure.

For example::

    with cloud.openstack() as mine:
        mine.auth_url, mine.username, mine.environment
        mine.connect().compute.servers()

    with cloud.azure_stand_in() as azure:
        os.environ.update(azure.environment)
        cloud.AzureAccount.from_environment().plan()
"""

from nochat.lab.cloud._account import AzureAccount
from nochat.lab.cloud._azure import AzureStandIn, azure_stand_in
from nochat.lab.cloud._cloud import Cloud
from nochat.lab.cloud._openstack import CloudError, openstack

__all__ = [
    "AzureAccount",
    "AzureStandIn",
    "Cloud",
    "CloudError",
    "azure_stand_in",
    "openstack",
]
