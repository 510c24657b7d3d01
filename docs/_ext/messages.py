"""The AsyncAPI document, to download and as tables."""

import json
from pathlib import Path

from generated import replace_pages, table
from sphinx.application import Sphinx

from nochat.cli.asyncapi import document


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}


def write_pages(app: Sphinx) -> None:
    api = document()
    pages = {"index.md": page(api), "nochat.asyncapi.json": json.dumps(api, indent=2) + "\n"}
    replace_pages(Path(app.srcdir) / "messages", pages)


def page(api: dict) -> str:
    heads = ["message", "exchange", "routing key", "others", "meaning"]
    return f"""# The messages

{api["info"]["description"]}

All of it is in an AsyncAPI {api["asyncapi"]} document, which tools of many languages read:
{{download}}`nochat.asyncapi.json`. `nochat.cli.asyncapi.document()` makes it from the structs of
`nochat.protocol`.

{table(heads, [row(api, name) for name in api["channels"]])}
## Why the chat says no

What says no has one of these codes, over the bus, by REST and over sockets alike; `params` has what
stands in braces. Go by the code: sentences change. Services of your own declare codes of their own,
and tomorrow's chat may have more of them.

{table(["code", "the sentence in English"], codes(api))}
## What each carries

{"".join(fields(api, name) for name in api["components"]["messages"])}
"""


def row(api: dict, name: str) -> list[str]:
    channel, message = api["channels"][name], api["components"]["messages"][name]
    exchange = channel.get("bindings", {}).get("amqp", {}).get("exchange", {}).get("name")
    address = channel["address"]
    return [
        f"`{name}`",
        f"`{exchange}`" if exchange else "the default one",
        f"`{address}`" if address else "as the request says",
        api["operations"][name]["action"],
        message["summary"].split("\n")[0],
    ]


def codes(api: dict) -> list[list[str]]:
    entries = api["components"]["schemas"]["Code"]["oneOf"]
    return [[f"`{entry['const']}`", entry["description"]] for entry in entries]


def fields(api: dict, name: str) -> str:
    schema = api["components"]["schemas"][api["components"]["messages"][name]["title"]]
    rows = [
        [f"`{field}`", kind(rule), "" if field in schema.get("required", []) else "yes"]
        for field, rule in schema["properties"].items()
        if field not in {"id", "correlation_id", "at"}
    ]
    reply = api["operations"][name].get("reply", {}).get("messages", [])
    names = " or ".join(f"`{reference['$ref'].rpartition('/')[2]}`" for reference in reply)
    answer = f"The reply is {names}.\n\n" if names else ""
    return f"### {name}\n\n{answer}{table(['field', 'kind', 'optional'], rows)}\n"


def kind(rule: dict) -> str:
    """A JSON schema's rule in a few words."""
    if "anyOf" in rule:
        return " or ".join(kind(one) for one in rule["anyOf"])
    if rule.get("const") == "":
        return "empty"
    if "$ref" in rule:
        return rule["$ref"].rpartition("/")[2]
    if rule.get("type") == "array":
        return f"list of {kind(rule['items'])}" if rule.get("items") else "list"
    words = [str(rule.get("type") or f"`{rule.get('enum', [rule.get('const')])[0]}`")]
    words += [f"{label} {rule[key]}" for key, label in LIMITS.items() if key in rule]
    return ", ".join(words)


LIMITS = {
    "minLength": "at least",
    "maxLength": "at most",
    "minimum": "from",
    "maximum": "to",
}
