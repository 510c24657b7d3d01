"""The mapping of relational databases' errors to ours, with readable messages.

`Unavailable` is for temporary errors: callers wait and retry. All other errors are permanent.
"""

from sqlalchemy.exc import DBAPIError, TimeoutError

from nochat.errors import NochatError, RequestFailed, Unavailable
from nochat.protocol.reasons import text_not_stored

CHECK = "is it running, and is NOCHAT_USERS_URL right?"

# MariaDB's and MySQL's numbers.
BUSY = {1020, 1205, 1213, 1040, 1203, 1226}
FULL = {3, 1021, 1114, 1041, 1037}
READ_ONLY = {1290, 1836, 1792}
DENIED = {1044, 1045, 1049, 1129, 1130, 1142, 1143, 1227, 1370, 1698}
DOES_NOT_FIT = {1366, 1406, 1264, 1292, 3988}
GONE = {1053, 1077, 1152, 1159, 1160, 1161, 1184, 1927}  # the client's own are from 2000 on

# SQLite's, without the extension in the higher bits.
SQLITE = {
    "busy": {5, 6},
    "full": {13},
    "read-only": {8},
    "closed": {3, 14, 23},
    "fit": {18, 25},
    "gone": {10},
    "damaged": {11, 26},
}


def of(error: Exception, address: str) -> NochatError:
    """Return our error for a database's error.

    Args:
        error: an error of SQLAlchemy, or a failed encoding of a text.
        address: the database's URL, without its password.
    """
    subject = f"the users' database at {address}"
    said = getattr(error, "orig", None) or error
    match _kind(error):
        case "fit":
            return RequestFailed(text_not_stored())
        case "gone":
            return Unavailable(f"{subject} does not answer ({said}); {CHECK}")
        case "busy":
            return Unavailable(f"{subject} is busy ({said}); try again")
        case "full":
            return Unavailable(f"{subject} has no space left ({said}); make room on its disk")
        case "read-only":
            return Unavailable(f"{subject} is read-only now ({said}); make it writable")
        case "denied":
            return NochatError(
                f"{subject} refuses the account ({said}); are the name, the password and the "
                "database in NOCHAT_USERS_URL right, and its rights?"
            )
        case "closed":
            return NochatError(f"{subject} can't be opened ({said}); is its file writable?")
        case "damaged":
            return NochatError(
                f"{subject} is damaged, or not a database ({said}); restore a backup"
            )
        case _:
            return NochatError(f"{subject} refuses the request ({said})")


def _kind(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "fit"
    if isinstance(error, TimeoutError):  # no connection of the pool became free
        return "busy"
    if not isinstance(error, DBAPIError):
        return ""
    if (code := getattr(error.orig, "sqlite_errorcode", None)) is not None:
        return next((kind for kind, codes in SQLITE.items() if code & 0xFF in codes), "")
    number = error.orig.args[0] if error.orig and error.orig.args else 0
    if error.connection_invalidated or _is_of_the_client(number) or number in GONE:
        return "gone"
    kinds = {
        "busy": BUSY,
        "full": FULL,
        "read-only": READ_ONLY,
        "denied": DENIED,
        "fit": DOES_NOT_FIT,
    }
    return next((kind for kind, codes in kinds.items() if number in codes), "")


def _is_of_the_client(number: object) -> bool:
    """Return whether the error is the client's: no connection, or a broken one."""
    return not isinstance(number, int) or number == 0 or 2000 <= number < 3000
