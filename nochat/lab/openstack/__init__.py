"""A private cloud: real OpenStack on one machine, which ends with the process that started it.

For example::

    with openstack_cloud() as mine:
        mine.auth_url, mine.username, mine.environment
        mine.connect().compute.servers()
"""

from nochat.lab.errors import CloudError
from nochat.lab.openstack.cloud import Cloud
from nochat.lab.openstack.starter import openstack_cloud

__all__ = ["Cloud", "CloudError", "openstack_cloud"]
