"""A page in a notebook: a frame for the student, a picture for the site."""

import html
import struct
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from IPython.display import Image

from nochat.lab import page
from nochat.lab.people import Person
from nochat.lab.waiting import GaveUp
from nochat.local import doctor
from nochat.local.processes import free_port

URL = "http://127.0.0.1:8000/?a=1&b=2"


@pytest.fixture
def shown(monkeypatch):
    """What a cell displays."""
    outputs = []
    monkeypatch.setattr(page, "display", outputs.append)
    monkeypatch.delenv("NOCHAT_COURSE", raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return outputs


@pytest.fixture
def course(monkeypatch, shown):
    """The course runner executes the notebook."""
    monkeypatch.setenv("NOCHAT_COURSE", "1")
    return shown


def size(png):
    return struct.unpack(">II", png[16:24])


async def test_a_student_gets_the_live_page_and_a_link(shown):
    await page.show(URL, height=321)
    [frame] = shown
    assert 'height="321"' in frame.data
    assert 'const address = "http://127.0.0.1:8000/?a=1&b=2";' in html.unescape(frame.data)
    assert '<a href="http://127.0.0.1:8000/?a=1&amp;b=2"' in frame.data
    assert "ssh" not in frame.data


@pytest.mark.slow
async def test_a_frame_without_a_page_says_so_and_shows_the_page_when_it_is_there(shown):
    doctor.require("chromium")
    port = free_port()
    await page.show(f"http://127.0.0.1:{port}/?<b>", height=321)
    async with page.browser() as chromium:
        notebook = await chromium.new_page()
        await notebook.set_content(shown[0].data)
        frame = notebook.frame_locator("iframe")
        said = f"Nothing answers at http://127.0.0.1:{port}/?<b> now. Run the cell that starts it"
        await frame.get_by_text(said).wait_for()
        with ThreadingHTTPServer(("127.0.0.1", port), Greeter) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            await frame.get_by_text("hello").wait_for()
            server.shutdown()


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@pytest.mark.slow
async def test_a_picture_of_a_page_that_is_not_there_says_what_to_run(course):
    doctor.require("chromium")
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(GaveUp, match=rf"{url} does not show .*REFUSED.* To do: run the cell that"):
        await page.show(url)


async def test_a_further_page_of_the_chat_is_framed_at_its_address(shown):
    await page.show("http://127.0.0.1:8000", path="manage")
    assert 'const address = "http://127.0.0.1:8000/manage";' in html.unescape(shown[0].data)
    assert '<a href="http://127.0.0.1:8000/manage"' in shown[0].data


@pytest.mark.parametrize(("port", "option"), [("22", ""), ("2222", "-p 2222 ")])
async def test_over_ssh_there_is_the_line_that_makes_it_reachable(shown, monkeypatch, port, option):
    monkeypatch.setenv("SSH_CONNECTION", f"198.51.100.1 50000 203.0.113.5 {port}")
    monkeypatch.setattr(page.getpass, "getuser", lambda: "student")
    await page.show(URL)
    expected = f"<code>ssh -N {option}-L 8000:127.0.0.1:8000 student@203.0.113.5</code>"
    assert expected in shown[0].data


@pytest.mark.slow
async def test_for_the_site_it_is_a_picture_of_the_real_page(course, running):
    doctor.require("chromium")
    await page.show(running.url, height=300)
    link, picture = course
    assert running.url in link.data
    assert 'href="../index.html#two-commands"' in link.data  # the chat is gone when it is read
    assert isinstance(picture, Image)
    assert size(picture.data) == (page.WIDTH, 300)


@pytest.mark.slow
async def test_a_visitor_of_the_picture_is_in_the_chat(course, running):
    doctor.require("chromium")
    async with Person("host", running.url) as host:
        await page.show(running.url, visitor="guest")
        joined = [entry for entry in host.heard["lobby"].values() if entry.get("user") == "guest"]
    assert joined


@pytest.mark.slow
async def test_the_management_is_pictured_for_a_manager(course, running):
    doctor.require("chromium")
    async with Person("chief", running.url):
        await page.show(running.url, path="manage", visitor="chief")
        running.promote("chief")
        await page.show(running.url, path="manage", visitor="chief")
    _, closed_door, _, management = course
    assert len(management.data) > 2 * len(closed_door.data)


async def test_without_chromium_the_link_and_a_word_on_it(course, monkeypatch):
    absent = [replace(component, ways=()) for component in doctor.COMPONENTS]
    monkeypatch.setattr(doctor, "COMPONENTS", absent)
    await page.show(URL)
    link, note = course
    assert "http://127.0.0.1:8000/" in link.data
    assert "No picture of it: chromium is not on this machine" in note.data


@pytest.mark.slow
async def test_people_meet_on_the_page_and_what_each_sees_is_shown(shown, running):
    doctor.require("chromium")
    await page.talk(running.url, ["tina", "tom"])
    assert shown[0].data.count("data:image/png;base64,") == 2
    assert 'alt="What tina sees"' in shown[0].data
    async with Person("tina", running.url) as tina:
        history = (await tina.call("history", {"room": "lobby"}))["entries"]
    said = {entry["text"] for entry in history if "text" in entry}
    assert {"Hello, tina is here.", "Hello, tom is here."} <= said
