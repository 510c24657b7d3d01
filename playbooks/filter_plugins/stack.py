"""Filters for what a machine gets of docker/: one Compose file, and the files that it names."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).resolve().parents[2] / "docker"
REPLACED = ("command", "entrypoint")  # Other lists of an overlay are added.

Document = dict[str, Any]
Files = dict[str, dict[str, str]]  # by name: content, and mode in octal digits


def deployed(
    secrets: Mapping[str, str],
    files: Sequence[str],
    elsewhere: Sequence[str] = (),
    profiles: Sequence[str] = (),
    overlay: str = "",
    only: Sequence[str] = (),
) -> Document:
    """Return the Compose file of a machine.

    Args:
        secrets: the content of the secrets' files, by name.
        files: of docker/, each laid over those before it.
        elsewhere: servers that the machine does not have. Who needs one gets a network that leads
            out.
        profiles: of which the services are wanted, too.
        overlay: YAML of one more file, which the machine has of its own.
        only: services that are wanted; all of them if empty.
    """
    made: Document = {}
    for name in files:
        _lay(made, _without_builds(yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))))
    _lay(made, yaml.safe_load(overlay) or {})
    services: dict[str, Document] = {
        name: service
        for name, service in made["services"].items()
        if name not in elsewhere
        and name in (only or made["services"])
        and set(service.pop("profiles", profiles)) <= set(profiles)
    }
    for service in services.values():
        needs = service.get("depends_on", {})
        if needs.keys() & set(elsewhere):
            service["networks"] = [*service["networks"], "out"]
        service["depends_on"] = {need: how for need, how in needs.items() if need in services}
        if mark := _mark(service, made["secrets"], secrets):
            service["labels"] = {"nochat.files": mark}
    return {
        "services": services,
        "networks": made["networks"],
        "volumes": {volume: {} for volume in made["volumes"] if volume in services},
        "secrets": {secret: made["secrets"][secret] for secret in _used(services, "secrets")},
    }


def mounted(compose: Document) -> Files:
    """Return the files of docker/ that the containers of a Compose file see."""
    volumes = {
        volume for service in compose["services"].values() for volume in service.get("volumes", [])
    }
    names = {volume.split(":")[0][2:] for volume in volumes if volume.startswith("./")}
    files = {name: DOCKER / name for name in sorted(names) if (DOCKER / name).exists()}
    return {
        name: {
            "content": file.read_text(encoding="utf-8"),
            "mode": f"{file.stat().st_mode & 0o777:04o}",
        }
        for name, file in files.items()
    }


def secret_files(compose: Document, secrets: Mapping[str, str]) -> Files:
    """Return the files in .secrets that a Compose file wants.

    Containers read them by users of their own, and nobody else comes into the folder.
    """
    names = sorted(Path(secret["file"]).name for secret in compose["secrets"].values())
    return {f".secrets/{name}": {"content": secrets[name], "mode": "0644"} for name in names}


def stack_secrets(passwords: Mapping[str, str], database: str, **more: str) -> dict[str, str]:
    """Return the content of the secrets' files, by name, as docker/secrets makes them.

    Args:
        passwords: the playbooks' secrets.
        database: host of MariaDB.
        more: further ones, or in the place of those; empty ones are left out.
    """
    loader = SourceFileLoader("docker_secrets", str(DOCKER / "secrets"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    made: Mapping[str, str] = module.contents(
        rabbitmq=passwords["rabbitmq_password"],
        mariadb=passwords["mariadb_password"],
        mongodb=passwords["mongodb_password"],
        mariadb_root="",
        mongodb_root=passwords["mongodb_admin_password"],
        database=database,
    )
    return {**made, **{name: value for name, value in more.items() if value}}


def _lay(below: Document, above: Document) -> None:
    """Lay a part of a Compose file over another, as Compose does."""
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            _lay(old, value)
        elif isinstance(old, list) and key not in REPLACED:
            below[key] = [*old, *value]
        else:
            below[key] = value


def _without_builds(document: Document) -> Document:
    """Remove build sections: a machine builds nothing, and the variables name the images."""
    for service in document["services"].values():
        if service.pop("build", None):
            del service["image"]
    return document


def _mark(service: Document, files: Mapping[str, Document], secrets: Mapping[str, str]) -> str:
    """Return a mark that changes with the files of a container: Compose then makes it anew."""
    seen = [
        secrets[Path(files[secret]["file"]).name] for secret in _names(service.get("secrets", []))
    ]
    mounts = (
        DOCKER / volume.split(":")[0] for volume in service.get("volumes", []) if volume[:2] == "./"
    )
    seen += [file.read_text(encoding="utf-8") for file in mounts if file.exists()]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16] if seen else ""


def _used(services: Mapping[str, Document], what: str) -> list[str]:
    return sorted({name for service in services.values() for name in _names(service.get(what, []))})


def _names(given: Sequence[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else entry["source"] for entry in given]


class FilterModule:
    """The filters, as Ansible asks for them."""

    def filters(self) -> dict[str, Any]:
        """Return the filters, by name."""
        return {
            "deployed": deployed,
            "mounted": mounted,
            "secret_files": secret_files,
            "stack_secrets": stack_secrets,
        }
