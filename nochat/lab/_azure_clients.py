"""The clients of Azure's SDK, for one account: at the public Azure or at another endpoint."""

import functools
import logging
from typing import Any, Self

from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from nochat.lab._azure_settings import PUBLIC, Settings

logging.getLogger("azure.identity").setLevel(logging.ERROR)  # Its warnings repeat the error.
POLLING_SECONDS = 5  # where Azure does not say when to ask again
# Of the SDK's own tries after a failure: its default of ten takes minutes.
RETRIES = {"retry_total": 4, "retry_connect": 2, "retry_backoff_factor": 0.4}


class Clients:
    """What speaks to Azure, each made when it is first wanted. Use it in `with`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Where others than the public Azure log in, AZURE_AUTHORITY_HOST says, to the SDK itself.
        elsewhere = {} if settings.endpoint == PUBLIC else {"disable_instance_discovery": True}
        self._credential = ClientSecretCredential(
            settings.tenant_id, settings.client_id, settings.client_secret, **elsewhere, **RETRIES
        )

    @functools.cached_property
    def compute(self) -> ComputeManagementClient:
        """Machines, disks, sizes, images."""
        return ComputeManagementClient(*self._account, **self._options)

    @functools.cached_property
    def network(self) -> NetworkManagementClient:
        """Networks, addresses, rules."""
        return NetworkManagementClient(*self._account, **self._options)

    @functools.cached_property
    def resources(self) -> ResourceManagementClient:
        """Groups of resources, and whatever has no client of its own."""
        return ResourceManagementClient(*self._account, **self._options)

    def log_in(self) -> None:
        """Get a token.

        Raises:
            AzureError: the credentials are wrong, or nobody answers.
        """
        self._credential.get_token(f"{self._settings.endpoint}/.default")

    def read(self, path: str, version: str) -> dict[str, Any]:
        """Ask for something below the subscription that the SDK has no method for.

        Raises:
            AzureError: Azure says no, or nobody answers.
        """
        url = f"/subscriptions/{self._settings.subscription_id}{path}?api-version={version}"
        response = self.resources.send_request(HttpRequest("GET", self._settings.endpoint + url))
        response.raise_for_status()
        found: dict[str, Any] = response.json()
        return found

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
