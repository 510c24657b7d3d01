"""The registry of services, and the selection of those that the settings enable."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from nochat.bus import Queue
from nochat.errors import NochatError
from nochat.service import Service
from nochat.settings import OFF, Settings

# In the order of their start: each may need those before it.
NAMES = ("users", "activity", "notifications", "controller", "gateway", "web")

# Services that run only with their settings, as a queue without a consumer fills up.
OPTIONAL: dict[str, Callable[[Settings], bool]] = {
    "replica": lambda settings: settings.replica_url not in OFF,
    "log_shipper": lambda settings: bool(settings.logz_token),
}


def names(settings: Settings) -> list[str]:
    """List the chat's services that the settings enable."""
    return [*NAMES, *(name for name, wanted in OPTIONAL.items() if wanted(settings))]


def services(names: Iterable[str] = NAMES) -> list[Service[object]]:
    """Import the services of these names.

    Raises:
        NochatError: there is no service of that name.
    """
    names, known = list(names), [*NAMES, *OPTIONAL]
    for name in names:
        if name not in known:
            raise NochatError(f"there is no service {name!r}; there are: {', '.join(known)}")
    return [importlib.import_module(f"nochat.services.{name}").service for name in names]


def with_own(settings: Settings, own: Iterable[Service[object]]) -> list[Service[object]]:
    """Return the chat's services and a user's, which replace the chat's of the same name."""
    wanted = [*services(names(settings)), *own]
    return list({service.name: service for service in wanted}.values())


def own_module(file: str) -> ModuleType:
    """Import a user's file as a module of its name, with its folder on the path.

    Raises:
        NochatError: there is no such file, or another module has its name.
    """
    path = Path(file).resolve()
    if not path.is_file():
        raise NochatError(f"there is no file {file}")
    if known := sys.modules.get(path.stem):
        if getattr(known, "__file__", None) == str(path):
            return known
        raise NochatError(f"there is another module {path.stem!r}; give {file} another name")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and annotations look it up there
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def own_service(file: str) -> Service[object]:
    """Import the service in a user's file.

    Raises:
        NochatError: the file has no service.
    """
    if isinstance(service := getattr(own_module(file), "service", None), Service):
        return service
    raise NochatError(f"{file} has no `service = Service(…)`")


def queues(settings: Settings) -> list[Queue]:
    """List the queues of the chat's services, without those of a single instance."""
    wanted = services(names(settings))
    declared = [queue for service in wanted for queue in service.queues(settings)]
    return [queue for queue in declared if not queue.exclusive]
