"""A cloud of one's own, gone with the process that started it: real OpenStack on one machine.

For example::

    with cloud.openstack() as mine:
        mine.auth_url, mine.username, mine.environment
        mine.connect().compute.servers()
"""

from nochat.lab.cloud._cloud import Cloud
from nochat.lab.cloud._openstack import CloudError, openstack

__all__ = ["Cloud", "CloudError", "openstack"]
