"""Networks, rules, addresses and cards in the stand-in for Azure: their computed fields."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from nochat.lab.azure.stand_in import users
from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import Resource, Store, etag, mac_address
from nochat.lab.azure.stand_in.users import ADDRESS, CARD

# Reserved for documentation: it has no real addresses.
ADDRESSES = ipaddress.ip_network("203.0.113.0/24")
TAKEN = {"chat", "www"}  # names of other customers
RESERVED = 4  # addresses that Azure reserves at the start of each subnet
# Name, priority, direction, access, source, destination.
DEFAULTS = (
    ("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
    ("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
    ("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
)


def fill_network(store: Store, network: Resource, _: Resource | None) -> None:
    """Fill in a network with its subnets."""
    properties = network["properties"]
    spaces = [
        ipaddress.ip_network(prefix) for prefix in properties["addressSpace"]["addressPrefixes"]
    ]
    properties.update(enableDdosProtection=False, virtualNetworkPeerings=[])
    properties["subnets"] = [
        _child(network, "subnets", subnet, _subnet(spaces, subnet))
        for subnet in properties.get("subnets", [])
    ]


def _subnet(spaces: Iterable[Any], subnet: Resource) -> dict[str, Any]:
    given = subnet["properties"]
    inside = ipaddress.ip_network(given["addressPrefix"])
    if not any(inside.subnet_of(space) for space in spaces):
        raise Refusal(
            400,
            "NetcfgInvalidSubnet",
            f"Subnet '{subnet['name']}' is not valid because its IP address range is outside the "
            "IP address range of virtual network.",
        )
    return {
        "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
        **given,
    }


def put_subnet(network: Resource, name: str, body: Resource) -> Resource:
    """Create or change a subnet of an existing network.

    Raises:
        Refusal: its range is outside the network's, or overlaps another subnet's.
    """
    properties = network["properties"]
    spaces = [
        ipaddress.ip_network(prefix) for prefix in properties["addressSpace"]["addressPrefixes"]
    ]
    given = {"name": name, "properties": body.get("properties", {})}
    made = _child(network, "subnets", given, _subnet(spaces, given))
    others = [subnet for subnet in properties["subnets"] if subnet["name"].lower() != name.lower()]
    inside = ipaddress.ip_network(made["properties"]["addressPrefix"])
    for other in others:
        if inside.overlaps(ipaddress.ip_network(other["properties"]["addressPrefix"])):
            raise Refusal(
                400,
                "NetcfgSubnetRangesOverlap",
                f"Subnet '{name}' is not valid because its IP address range overlaps with that of "
                f"an existing subnet in virtual network '{network['name']}'.",
            )
    properties["subnets"] = [*others, made]
    return made


def fill_rules(store: Store, group: Resource, _: Resource | None) -> None:
    """Fill in a security group, with the default rules of all groups."""
    properties = group["properties"]
    properties["securityRules"] = [
        _child(group, "securityRules", rule, rule["properties"])
        for rule in properties.get("securityRules", [])
    ]
    priorities = [
        (rule["properties"]["direction"], rule["properties"]["priority"])
        for rule in properties["securityRules"]
    ]
    if len({*priorities}) < len(priorities):
        raise Refusal(
            400,
            "SecurityRuleConflict",
            "Security rules have the same Priority and Direction. Rules cannot have both the same.",
        )
    properties["defaultSecurityRules"] = [
        _child(
            group,
            "defaultSecurityRules",
            {"name": name},
            {
                "priority": priority,
                "direction": direction,
                "access": access,
                "protocol": "*",
                "sourceAddressPrefix": source,
                "sourcePortRange": "*",
                "destinationAddressPrefix": destination,
                "destinationPortRange": "*",
            },
        )
        for name, priority, direction, access, source, destination in DEFAULTS
    ]


def fill_address(store: Store, address: Resource, known: Resource | None) -> None:
    """Fill in a public address, which is assigned at once."""
    properties = address["properties"]
    address["sku"] = {"tier": "Regional", **address.get("sku", {"name": "Standard"})}
    properties.setdefault("publicIPAddressVersion", "IPv4")
    properties.update(idleTimeoutInMinutes=4, ipTags=[])
    taken = {other["properties"].get("ipAddress") for other in store.of(ADDRESS)}
    free = (str(host) for host in list(ADDRESSES.hosts())[9:] if str(host) not in taken)
    properties["ipAddress"] = known["properties"]["ipAddress"] if known else next(free)
    if names := properties.get("dnsSettings"):
        label = names["domainNameLabel"]
        if is_taken(store, label, address["id"]):
            raise Refusal(
                400,
                "DnsRecordInUse",
                f"DNS record {label}.{address['location']}.cloudapp.azure.com is already used by "
                "another public IP.",
            )
        names["fqdn"] = f"{label}.{address['location']}.cloudapp.azure.com"


def is_taken(store: Store, label: str, except_id: str = "") -> bool:
    """Return whether another address has a name already."""
    labels = {
        address["properties"].get("dnsSettings", {}).get("domainNameLabel")
        for address in store.of(ADDRESS)
        if address["id"] != except_id
    }
    return label in labels | TAKEN


def fill_card(store: Store, card: Resource, known: Resource | None) -> None:
    """Fill in a network card with an address of its subnet."""
    properties = card["properties"]
    before = known["properties"] if known else {}
    if group := properties.get("networkSecurityGroup"):
        store.refer(group, card)
    for at, config in enumerate(properties["ipConfigurations"]):
        given = config["properties"]
        if public := given.get("publicIPAddress"):
            address = store.refer(public, card)
            if (user := _card_of(store, address["id"])) not in (None, card["id"]):
                raise Refusal(
                    400,
                    "PublicIPAddressInUse",
                    f"Resource {card['id']} references public IP {address['id']} which is used "
                    f"by {user}.",
                )
        private = (
            before["ipConfigurations"][at]["properties"]["privateIPAddress"]
            if before
            else _free(store, card, given["subnet"])
        )
        filled = {"privateIPAddressVersion": "IPv4", "primary": at == 0, **given}
        filled["privateIPAddress"] = private
        properties["ipConfigurations"][at] = _child(card, "ipConfigurations", config, filled)
    properties.update(
        dnsSettings={
            "dnsServers": [],
            "appliedDnsServers": [],
            "internalDomainNameSuffix": "stand-in.internal.cloudapp.net",
        },
        macAddress=before.get("macAddress", mac_address()),
        enableAcceleratedNetworking=False,
        enableIPForwarding=False,
        vnetEncryptionSupported=False,
        hostedWorkloads=[],
        tapConfigurations=[],
        nicType="Standard",
    )


def _free(store: Store, card: Resource, reference: Resource) -> str:
    network_id, _, name = reference["id"].rpartition("/subnets/")
    network = store.refer({"id": network_id}, card)
    subnets = {
        subnet["name"].lower(): subnet["properties"] for subnet in network["properties"]["subnets"]
    }
    if name.lower() not in subnets:
        store.refer(reference, card)  # raises
    used = {
        config["properties"]["privateIPAddress"]
        for other in store.of(CARD)
        for config in other["properties"]["ipConfigurations"]
    }
    hosts = list(ipaddress.ip_network(subnets[name.lower()]["addressPrefix"]).hosts())
    return next(str(host) for host in hosts[RESERVED - 1 :] if str(host) not in used)


def _card_of(store: Store, address: str) -> str | None:
    for card, config in users.configs(store):
        if users.same(config["properties"].get("publicIPAddress"), address):
            return str(card["id"])
    return None


def _child(parent: Resource, kind: str, given: Resource, properties: dict[str, Any]) -> Resource:
    """Return a part of a network resource, with an id of its own."""
    name = given["name"]
    return {
        "id": f"{parent['id']}/{kind}/{name}",
        "name": name,
        "type": f"{parent['type']}/{kind}",
        "etag": etag(),
        "properties": {**properties, "provisioningState": "Succeeded"},
    }
