"""Explanations of Azure's errors, with advice."""

import re

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

# Patterns of Azure's code and message, and what to do then; the first match counts.
ADVICE = (
    (
        r"AADSTS7000215",
        "AZURE_CLIENT_SECRET is not the secret's value. Its id looks like one, too. Make another: "
        "az ad app credential reset --id $AZURE_CLIENT_ID",
    ),
    (r"AADSTS7000222", "the secret is too old: az ad app credential reset --id $AZURE_CLIENT_ID"),
    (
        r"AADSTS700016",
        "AZURE_CLIENT_ID is not an application of this tenant: az ad app list --show-mine",
    ),
    (
        r"AADSTS90002|AADSTS900023|Unable to get authority|Invalid tenant",
        "AZURE_TENANT_ID is not a tenant: az account show --query tenantId",
    ),
    (r"AADSTS", "the four variables that log in come from: az ad sp create-for-rbac"),
    (
        r"AuthorizationFailed|LinkedAuthorizationFailed",
        "the application may not do this: az role assignment create --role Contributor "
        "--assignee $AZURE_CLIENT_ID --scope /subscriptions/$AZURE_SUBSCRIPTION_ID",
    ),
    (
        r"SubscriptionNotFound|InvalidSubscriptionId|InvalidAuthenticationTokenTenant",
        "AZURE_SUBSCRIPTION_ID is not a subscription that the application sees: az account list",
    ),
    (
        r"ReadOnlyDisabledSubscription|SubscriptionNotRegistered|DisabledSubscription",
        "the subscription is switched off, maybe because its credit is used up: see the portal",
    ),
    (
        r"MissingSubscriptionRegistration",
        "the subscription lacks a resource provider: az provider register --namespace NAME",
    ),
    (
        r"QuotaExceeded|[Qq]uota",
        "the subscription has too few cores left in this region: take a smaller AZURE_VM_SIZE or "
        "another AZURE_LOCATION, delete other machines, or ask for more in the portal (Quotas)",
    ),
    (
        r"SkuNotAvailable|AllocationFailed|OverconstrainedAllocationRequest",
        "Azure has no room for this size here now: take another AZURE_VM_SIZE or AZURE_LOCATION "
        "(az vm list-skus --location $AZURE_LOCATION --size Standard_B --output table), run again",
    ),
    (
        r"DnsRecordInUse|DnsRecordIsReserved",
        "somebody has this name: choose another AZURE_DNS_NAME",
    ),
    (r"InvalidDomainNameLabel", "AZURE_DNS_NAME: small letters, digits and -, a letter first"),
    (
        r"LocationNotAvailable|NoRegisteredProviderFound",
        "AZURE_LOCATION is not a region, or not one for you: "
        "az account list-locations --output table",
    ),
    (
        r"PlatformImageNotFound|ImageNotFound|imageReference",
        "there is no such image here; AZURE_VM_IMAGE_URN names it: az vm image list --all "
        "--location $AZURE_LOCATION --publisher Debian --output table",
    ),
    (
        r"vmSize|VM size",
        "AZURE_VM_SIZE is not a size of this region: az vm list-skus --location $AZURE_LOCATION",
    ),
    (r"[aA]dmin ?[uU]sername", "Azure forbids this user: choose another AZURE_SSH_USERNAME"),
    (
        r"ResourceGroupBeingDeleted|ResourceGroupDeletionBlocked",
        "the group is being deleted: wait a minute, then run the same again",
    ),
    (
        r"RequestDisallowedByPolicy",
        "a rule of the subscription forbids this; who set it up knows: another AZURE_LOCATION or "
        "AZURE_VM_SIZE may be allowed",
    ),
    (r"ScopeLocked", "a lock forbids to delete this: az lock list"),
    (r"TooManyRequests|429", "Azure got too many requests: wait some minutes, then run it again"),
    (
        r"ServiceRequestError|Connection refused|Failed to (establish|resolve)|TLS CA certificate",
        "nobody answers: is there a way to the internet? AZURE_MANAGEMENT_ENDPOINT is for others "
        "than the public Azure; a stand-in is gone with the process that started it",
    ),
)
OTHERWISE = "run the same again: it continues. To give up: vagrant destroy"


def code(error: AzureError) -> str:
    """Return Azure's code of the error; empty if it has none."""
    if isinstance(error, HttpResponseError) and error.error:
        return str(error.error.code or "")
    match = re.search(r"AADSTS\d+", str(error))
    return match[0] if match else ""


def explain(error: Exception) -> str:
    """Return a readable error for a failed request."""
    said, word = str(error), ""
    if isinstance(error, ServiceRequestError):
        word = "ServiceRequestError"
    elif isinstance(error, AzureError):
        word = code(error)
        if isinstance(error, HttpResponseError) and error.error and error.error.message:
            said = error.error.message
    # The rest are ids for Microsoft's support.
    said = re.split(r"\s+Trace ID:|\r?\n", said.strip())[0]
    shown = f"{word}: {said}" if word and word not in said else said
    return f"Azure says: {shown}\nTo do: {advice(f'{word} {said}')}"


def advice(said: str) -> str:
    """Return the advice for an error of Azure."""
    return next((text for pattern, text in ADVICE if re.search(pattern, said)), OTHERWISE)
