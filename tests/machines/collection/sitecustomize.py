"""Loaded by the modules' Python where PYTHONPATH names this folder: so that they find a stand-in.

azure.azcollection looks up an endpoint that is a URL with a function of azure-cli-core that the
version it pins itself (2.75.0) has no longer. Who uses the public Azure does not come by there.
"""

try:
    from azure.cli.core import cloud
except ImportError:  # another Python: that of Ansible itself
    pass
else:

    def get_cloud_from_metadata_endpoint(url: str) -> cloud.Cloud:
        """A cloud that answers there; where one logs in, the module is told."""
        return cloud.Cloud("another", endpoints=cloud.CloudEndpoints(resource_manager=url))

    if not hasattr(cloud, "get_cloud_from_metadata_endpoint"):
        cloud.get_cloud_from_metadata_endpoint = get_cloud_from_metadata_endpoint
