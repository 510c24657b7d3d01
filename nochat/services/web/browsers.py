"""Names of browsers in lists of sessions, so that users know their own.

Only these names are stored: no version, no model, and no text that a visitor could inject.
"""

# The first match counts, as most browsers name others, too.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Macintosh": "Mac",
    "Linux": "Linux",
}
MOST = 512  # characters that are searched


def described(user_agent: str) -> str:
    """Return a browser and its system, as `Firefox on Linux`; unknown parts are left out."""
    looked_at = user_agent[:MOST]
    parts = (_first(names, looked_at) for names in (BROWSERS, SYSTEMS))
    return " on ".join(name for name in parts if name)


def _first(names: dict[str, str], text: str) -> str:
    return next((name for sign, name in names.items() if sign in text), "")
