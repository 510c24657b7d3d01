"""The proxy's settings, in the real HAProxy, without the containers around it."""

import os
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nochat.keeper import free_port
from nochat.lab import checks
from nochat.lab.certificates import Authority
from nochat.lab.visitors import _none  # noqa: F401
