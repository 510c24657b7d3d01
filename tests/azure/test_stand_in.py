"""What the stand-in for Azure answers and refuses, and that it is as published."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

from nochat.lab.azure import parts
from nochat.lab.azure.clients import Clients
from nochat.lab.azure.explanations import code
from nochat.lab.azure.stand_in.starter import azure_stand_in
from nochat.lab.errors import CloudError
from tests.azure.published import problems
from tests.azure.student import Student

pytestmark = pytest.mark.slow


def subnet(student: Student, prefix: str):
    """Make a further one in the network."""
    body = {"properties": {"addressPrefix": prefix}}
    group = student.settings.resource_group_name
    with Clients(student.settings) as clients:
        made = clients.network.subnets.begin_create_or_update(group, parts.NETWORK, "more", body)
        return made.result()


def test_a_subnet_is_inside_its_network_and_outside_others(student):
    student.act("create")
    assert subnet(student, "10.198.19.0/24").provisioning_state == "Succeeded"
    for prefix, said in (
        ("10.198.18.128/25", "NetcfgSubnetRangesOverlap"),
        ("10.199.0.0/24", "NetcfgInvalidSubnet"),
    ):
        with pytest.raises(HttpResponseError) as refused:
            subnet(student, prefix)
        assert code(refused.value) == said


def test_all_that_is_answered_is_as_published(student):
    from azure.mgmt.compute import models as compute
    from azure.mgmt.network import models as network
    from azure.mgmt.resource.resources import models as resources

    student.act("create", dns_name="lia")
    group, name = student.settings.resource_group_name, "containers-host"
    where = student.settings.location
    with Clients(student.settings) as clients:
        c, n, r = clients.compute, clients.network, clients.resources
        answers = [
            (compute, "VirtualMachine", c.virtual_machines.get(group, name)),
            (compute, "VirtualMachine", c.virtual_machines.get(group, name, expand="instanceView")),
            (
                compute,
                "VirtualMachineInstanceView",
                c.virtual_machines.instance_view(group, name),
            ),
            (compute, "Disk", c.disks.get(group, f"{name}-disk")),
            *(
                (compute, "ResourceSku", sku)
                for sku in c.resource_skus.list(filter=f"location eq '{where}'")
            ),
            *(
                (compute, "VirtualMachineSize", size)
                for size in c.virtual_machine_sizes.list(where)
            ),
            *((compute, "Usage", usage) for usage in c.usage.list(where)),
            *(
                (compute, "VirtualMachineImageResource", image)
                for image in c.virtual_machine_images.list(where, "Debian", "debian-13", "13-gen2")
            ),
            (network, "VirtualNetwork", n.virtual_networks.get(group, parts.NETWORK)),
            (network, "Subnet", n.subnets.get(group, parts.NETWORK, parts.SUBNET)),
            *((network, "Subnet", part) for part in n.subnets.list(group, parts.NETWORK)),
            (network, "Subnet", subnet(student, "10.198.19.0/24")),
            (
                network,
                "NetworkSecurityGroup",
                n.network_security_groups.get(group, f"{name}-rules"),
            ),
            (network, "PublicIPAddress", n.public_ip_addresses.get(group, f"{name}-address")),
            (network, "NetworkInterface", n.network_interfaces.get(group, f"{name}-card")),
            (
                network,
                "DnsNameAvailabilityResult",
                n.check_dns_name_availability(where, domain_name_label="lia"),
            ),
            *((network, "Usage", usage) for usage in n.usages.list(where)),
            (resources, "ResourceGroup", r.resource_groups.get(group)),
            (resources, "Provider", r.providers.get("Microsoft.Compute")),
            *((resources, "GenericResourceExpanded", resource) for resource in r.resources.list()),
        ]
        for models, model, answer in answers:
            assert list(problems(models, getattr(models, model), answer.as_dict())) == [], model
        vm = answers[0][2]
        assert vm["properties"]["provisioningState"] == "Succeeded"
        fqdn = n.public_ip_addresses.get(group, f"{name}-address").dns_settings.fqdn
        assert fqdn == "lia.westeurope.cloudapp.azure.com"
    # It does find what is not.
    complaints = problems(
        compute, compute.VirtualMachine, {"nonsense": 1, "properties": {"vmId": 1}}
    )
    assert "nonsense is unknown" in set(complaints)


def test_real_machines_need_root(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(CloudError, match="root"):
        azure_stand_in(machines=True)


@pytest.mark.parametrize(
    ("query", "token", "status", "said"),
    [
        ("", True, 400, "MissingApiVersionParameter"),
        ("?api-version=yesterday", True, 400, "InvalidApiVersionParameter"),
        ("?api-version=2025-04-01", False, 401, "InvalidAuthenticationToken"),
        ("?api-version=2025-04-01", None, 401, "AuthenticationFailed"),
        ("?api-version=2025-04-01", True, 404, "ResourceGroupNotFound"),
    ],
)
def test_wrong_requests_are_refused_as_azure_refuses_them(student, query, token, status, said):
    from azure.core import PipelineClient

    path = f"/subscriptions/{student.azure.subscription}/resourcegroups/nochat"
    url = f"{student.azure.url}{path}{query}"
    headers = {}
    if token is not None:
        with Clients(student.settings) as clients:
            given = clients._credential.get_token(f"{student.azure.url}/.default").token
        headers["Authorization"] = f"Bearer {given if token else 'made up'}"
    with PipelineClient(url) as client:
        answer = client.send_request(HttpRequest("GET", url, headers=headers))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, said)
    assert (status == 401) == ("WWW-Authenticate" in answer.headers)


def test_resources_in_use_can_not_be_deleted(student):
    student.act("create")
    with Clients(student.settings) as clients:
        network = clients.network
        for kind, name, word in (
            (network.network_interfaces, "containers-host-card", "NicInUse"),
            (
                network.network_security_groups,
                "containers-host-rules",
                "InUseNetworkSecurityGroupCannotBeDeleted",
            ),
            (
                network.public_ip_addresses,
                "containers-host-address",
                "PublicIPAddressCannotBeDeleted",
            ),
            (network.virtual_networks, parts.NETWORK, "InUseSubnetCannotBeDeleted"),
            (clients.compute.disks, "containers-host-disk", "OperationNotAllowed"),
        ):
            with pytest.raises(HttpResponseError) as refused:
                kind.begin_delete("nochat", name)
            assert code(refused.value) == word
