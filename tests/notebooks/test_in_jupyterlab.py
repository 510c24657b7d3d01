"""The first notebooks by hand, in a real JupyterLab: the keyboard is theirs, not a frame's."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from nochat.lab.checks import until
from nochat.lab.page import browser
from nochat.local import doctor
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE = 90_000  # milliseconds, for kernels that start on a busy machine


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab as `make lab` opens it, on a copy of the notebooks: the folder, the address."""
    for name in ("tools", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    env = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    env |= {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, tmp_path / "tools" / "lab.py"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    while "Ctrl-C here stops it." not in said:
        line = process.stdout.readline()
        assert line, f"it ended before it was open:\n{said}"
        said += line
    yield tmp_path / "notebooks", re.search(r"http://\S+", said)[0]
    process.terminate()
    process.stdout.close()
    process.wait()


@pytest.fixture
async def view():
    doctor.require("chromium")
    async with browser() as chromium:
        page = await chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield page


def cell(view, text):
    return view.locator(".jp-CodeCell", has_text=text).first


async def run_from(view, text, times):
    """Click on a cell and run it, and the next ones, by the keyboard, once there is a kernel."""
    await view.get_by_text("| Idle").wait_for()
    await cell(view, text).locator(".cm-content").click()
    await run(view, times)


async def run(view, times):
    for _ in range(times):
        await view.keyboard.press("Shift+Enter")


async def test_in_00_a_frame_takes_no_key_from_the_notebook(lab, view):
    folder, address = lab
    await view.goto(address)
    await run_from(view, "port: int", 7)
    frame = view.frame_locator("iframe")
    await frame.get_by_role("button", name="Create account").wait_for()

    await run(view, 2)
    shown = cell(view, "health =").locator(".jp-OutputArea-output")
    await shown.get_by_text("its process runs").wait_for()
    assert await frame.get_by_role("alert").all_inner_texts() == [], "an empty log-in was sent"
    await view.keyboard.press("Control+s")
    file = folder / "00_start_here.ipynb"
    assert await until(lambda: "<b>The chat is up</b>" in file.read_text())

    await frame.get_by_label("Name", exact=True).fill("me")
    await frame.get_by_label("Password", exact=True).fill("my own password")
    await view.keyboard.press("Tab")
    await frame.get_by_role("button", name="Create account").click()
    await frame.locator("#text:focus").wait_for()
    await view.keyboard.type("In the frame, I write.")
    await view.keyboard.press("Enter")
    await frame.get_by_role("log").get_by_text("In the frame, I write.").wait_for()


async def test_in_01_the_page_in_the_frame_outlives_that_the_program_starts_again(lab, view):
    _, address = lab
    await view.goto(address.replace("00_start_here", "01_socket_chat"))
    await run_from(view, "port: int", 42)
    frame = view.frame_locator("iframe")
    await frame.get_by_text("bob: No style, but it works!").wait_for()

    await run(view, 6)
    await cell(view, "uvicorn rooms:app").get_by_text("server listens at").wait_for()
    await frame.get_by_label("Message").fill("I am still here")
    await frame.get_by_role("button", name="Send").click()
    await frame.get_by_text("you: I am still here").wait_for()
