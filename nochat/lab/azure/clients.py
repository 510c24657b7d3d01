"""The clients of Azure's SDK, for one account: at the public Azure or at another endpoint."""

import functools
import logging
from typing import TYPE_CHECKING, Any, Self

from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential

from nochat.lab.azure.settings import PUBLIC, Settings

if TYPE_CHECKING:
    from azure.mgmt.compute import ComputeManagementClient
    from azure.mgmt.network import NetworkManagementClient
    from azure.mgmt.resource.resources import ResourceManagementClient

SUBSCRIPTION_VERSION = "2022-12-01"
POLLING_SECONDS = 5  # if Azure does not say when to ask again
# The SDK's own retries after a failure: its default of ten takes minutes.
RETRIES = {"retry_total": 4, "retry_connect": 2, "retry_backoff_factor": 0.4}


class Clients:
    """Clients of Azure, each created on first use. Use it in `with`.

    They are imported on first use, too: the one for networks alone takes a second and a half.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Its warnings repeat the error.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        # For clouds other than the public one, the SDK itself reads AZURE_AUTHORITY_HOST.
        elsewhere = {} if settings.endpoint == PUBLIC else {"disable_instance_discovery": True}
        self._credential = ClientSecretCredential(
            settings.tenant_id, settings.client_id, settings.client_secret, **elsewhere, **RETRIES
        )

    @functools.cached_property
    def compute(self) -> "ComputeManagementClient":
        """Machines, disks, sizes, images."""
        from azure.mgmt.compute import ComputeManagementClient

        return ComputeManagementClient(*self._account, **self._options)

    @functools.cached_property
    def network(self) -> "NetworkManagementClient":
        """Networks, addresses, rules."""
        from azure.mgmt.network import NetworkManagementClient

        return NetworkManagementClient(*self._account, **self._options)

    @functools.cached_property
    def resources(self) -> "ResourceManagementClient":
        """Resource groups, and resources without a client of their own."""
        from azure.mgmt.resource.resources import ResourceManagementClient

        return ResourceManagementClient(*self._account, **self._options)

    def log_in(self) -> None:
        """Get a token.

        Raises:
            AzureError: the credentials are wrong, or Azure does not answer.
        """
        self._credential.get_token(f"{self._settings.endpoint}/.default")

    def subscription(self) -> dict[str, Any]:
        """Return the subscription itself, for which the clients have no method.

        Raises:
            AzureError: Azure refuses, or does not answer.
        """
        url = f"{self._settings.endpoint}/subscriptions/{self._settings.subscription_id}"
        request = HttpRequest("GET", url, params={"api-version": SUBSCRIPTION_VERSION})
        response = self.resources.send_request(request)
        response.raise_for_status()
        subscription: dict[str, Any] = response.json()
        return subscription

    def close(self) -> None:
        """Close the connections."""
        self._credential.close()
        for name in ("compute", "network", "resources"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _account(self) -> tuple[ClientSecretCredential, str]:
        return self._credential, self._settings.subscription_id

    @property
    def _options(self) -> dict[str, Any]:
        endpoint = self._settings.endpoint
        scopes = [f"{endpoint}/.default"]
        return {
            "base_url": endpoint,
            "credential_scopes": scopes,
            "polling_interval": POLLING_SECONDS,
            **RETRIES,
        }
