"""The lab's errors: every message says what happened and what to do.

Most derive from a built-in exception as well, for code that catches those.
"""

from nochat.errors import NochatError


class LabError(NochatError):
    """Base of all errors that the lab raises."""


class NotAnswering(LabError, RuntimeError):
    """The server at a URL can't be used."""


class MachinesError(LabError, RuntimeError):
    """Machines can't be created or used."""


class ContainersError(LabError, RuntimeError):
    """An image can't be built, or a service does not come up."""


class LxcError(LabError, RuntimeError):
    """A command of LXC, or one inside a container, failed; the message is its output."""


class ContextError(LabError, RuntimeError):
    """The engine of another computer can't be used from here."""


class CloudError(LabError, RuntimeError):
    """This machine can't run a cloud."""


class AzureSettingsError(LabError, ValueError):
    """A setting of Azure is missing or wrong; the message says which."""


class NoPrices(LabError, RuntimeError):
    """Azure's list of prices can't be read, or lacks a price."""


class CourseError(LabError):
    """The course can't be run as asked; the message says what to change."""


class CheckFailed(LabError, AssertionError):
    """A step is not done yet; the message says what was seen and what to try."""


class GaveUp(LabError, TimeoutError):
    """A wait has timed out."""


class NotConnected(LabError, ConnectionError):
    """A client has no connection; the message says what to run.

    Args:
        name: the client's name.
        reason: the reason, if it is known.
    """

    def __init__(self, name: str, reason: str = "") -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(
            f"{name} is not connected{because}. Run the cell in which {name} comes in again."
        )
