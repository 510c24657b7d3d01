"""What users write is text: nothing of it is ever executed, wherever it is shown."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from nochat.lab.people import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATIC = Path(__file__).parents[2] / "nochat" / "services" / "web" / "static"
HIT = "window.__hit=1"
PAYLOADS = [
    f"<script>{HIT}</script>",
    f"</textarea><script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f"<svg onload={HIT}>",
    f"<svg><animate onbegin={HIT} attributeName=x dur=1s>",
    f"<iframe srcdoc='<script>parent.{HIT}</script>'>",
    f'<a href="javascript:{HIT}">click</a>',
    f"javascript:{HIT}",
    f"data:text/html,<script>{HIT}</script>",
    f"<body onpageshow={HIT}>",
    f"<details open ontoggle={HIT}>",
    f"<input autofocus onfocus={HIT}>",
    f"<video><source onerror={HIT}>",
    f"<math><mi xlink:href=javascript:{HIT}>",
    f"<style>@import 'javascript:{HIT}';</style>",
    "<meta http-equiv=refresh content=0;url=//x>",
    "<base href=//x/><form action=//x><button>go",
    f"{{{{constructor.constructor('{HIT}')()}}}}",
    f"${{{HIT}}} ${{{HIT}}}",
    f"'\"--><img src=x onerror={HIT}>",
    f"&lt;img src=x onerror={HIT}&gt; &#60;b&#62;",
    f"\\u003cimg src=x onerror={HIT}\\u003e",
    f"\u202egnp.exe \u2066<img src=x onerror={HIT}>",
    f"Z\u0351\u036b\u0343a\u200b\u200d\ufefflgo <img src=x onerror={HIT}>",
    "W" * 3000,
]
# What the small Markdown makes of attacks: payload and the text that is shown.
MARKED = {
    f"[click](javascript:{HIT})": f"[click](javascript:{HIT})",
    f"![x](javascript:{HIT}) <javascript:{HIT}>": f"![x](javascript:{HIT}) <javascript:{HIT}>",
    f"**<img src=x onerror={HIT}>**": f"<img src=x onerror={HIT}>",
    f"`</code><img src=x onerror={HIT}>`": f"</code><img src=x onerror={HIT}>",
    f"```\n</pre><script>{HIT}</script>\n```": f"</pre><script>{HIT}</script>",
    f"```onload={HIT}>\n<svg/onload={HIT}>\n```": f"onload={HIT}> <svg/onload={HIT}>",
    f"> </blockquote><svg onload={HIT}>": f"</blockquote><svg onload={HIT}>",
    f"- <details open ontoggle={HIT}>": f"<details open ontoggle={HIT}>",
    f'https://x.example/"onmouseover={HIT}': f'https://x.example/"onmouseover={HIT}',
    f"https://x.example/'><script>{HIT}</script>": f"https://x.example/'><script>{HIT}</script>",
    f"https://javascript:{HIT}": f"https://javascript:{HIT}",
    "https://x.example/\u202egpj.exe": "https://x.example/\u202egpj.exe",
    "\u202ehttps://x.example/ **\u2066b**": "\u202ehttps://x.example/ \u2066b",
    "https://bank.example@x.example/": "https://bank.example@x.example/",
    "*" * 4000: "*" * 4000,
    "> " * 1999 + "x": "> " * 1995 + "x",
    "`" * 2000 + " " + "[" * 1999: "`" * 2000 + " " + "[" * 1999,
}
SHORT = ["<b>", "<img/src=x>", "javascript:x", "\u202ertl", "{{1}}", "\"'>", "%3Cb%3E"]


async def is_unharmed(visitor):
    """Nothing ran, nothing of it is an element, and nothing makes the page wider."""
    page = visitor.page
    assert await page.evaluate("window.__hit") is None
    own = "details:not(.note > details)"  # but for those who came together
    strange = f"#chat :is(script, iframe, video, math, style, base, meta, {own}, a[href*=script])"
    assert await page.locator(f"{strange}, #chat img:not([src$='/icon.svg'])").count() == 0
    links = await page.locator("#lines a").evaluate_all(
        "links => links.map(({ href, target, rel }) => [href, target, rel])"
    )
    assert all(re.match(r"https?://[^@]+$", href) for href, _, _ in links)
    assert {tuple(more) for _, *more in links} <= {("_blank", "noopener noreferrer")}
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("getComputedStyle(document.body).direction") == "ltr"


@pytest.mark.slow
async def test_messages_edits_reactions_titles_and_results_are_text(visit, chat):
    async with Person("mallory", chat.url) as mallory:
        room = {"room": "payloads"}
        await mallory.call("create", room | {"title": PAYLOADS[2]})
        await mallory.until(lambda: "payloads" in mallory.heard)
        for number, payload in enumerate(PAYLOADS):
            title = re.sub("[\u202e\u2066]", "", payload[:80])  # which titles may not have
            other = {"room": f"payload-{number}", "title": title}
            await mallory.call("create", other)
            await mallory.says(payload, room="payloads")
        await mallory.until(lambda: PAYLOADS[-1] in mallory.texts("payloads"))
        said = {entry.get("text"): at for at, entry in mallory.heard["payloads"].items()}
        target = room | {"position": said[PAYLOADS[0]]}
        for emoji in SHORT:
            await mallory.call("react", target | {"emoji": emoji, "on": True})
        alice = await visit("alice")
        dialogs = []
        alice.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        await alice.arrive()
        await alice.page.get_by_label("Filter the other rooms").fill(PAYLOADS[2])
        await alice.page.locator("#join-payloads").click()
        await expect(alice.page.locator("#room-title")).to_have_text(PAYLOADS[2])
        texts = alice.page.locator("#lines .text")
        await expect(texts).to_have_text(PAYLOADS, use_inner_text=False)
        offered = alice.page.locator("#others .name")
        await alice.page.get_by_label("Filter the other rooms").fill("svg onload")
        await expect(offered.filter(has_text="<svg onload")).to_have_text(PAYLOADS[3])
        for emoji in SHORT:  # the chat keeps none that turns the text around it
            label = emoji.removeprefix("\u202e") + ", 1: mallory"
            await expect(alice.page.get_by_role("button", name=label)).to_be_visible()
        edited = room | {"position": said[PAYLOADS[-1]], "text": PAYLOADS[3] + " again"}
        await mallory.call("edit", edited)
        await expect(texts.last).to_have_text(PAYLOADS[3] + " again")
        await alice.page.get_by_role("button", name="Search").first.click()
        await alice.page.get_by_label("Search for").fill("onerror")
        await alice.page.keyboard.press("Enter")
        results = alice.page.locator("#results .what")
        await expect(results.filter(has_text="Zalgo").or_(results.first).first).to_be_visible()
        await expect(results.filter(has=alice.page.locator("mark"))).not_to_have_count(0)
        await alice.page.get_by_label("Search for").fill(PAYLOADS[2])
        await alice.page.keyboard.press("Enter")
        await is_unharmed(alice)
        assert dialogs == []


@pytest.mark.slow
async def test_the_fields_of_the_page_show_input_as_text(visit):
    """Own messages, titles, drafts, and names, of which the server lets few through."""
    eve = await visit("eve\u0301\u0301", viewport={"width": 360, "height": 740}, offline=True)
    await eve.page.goto(eve.url)
    await eve.page.get_by_label("Name", exact=True).fill(PAYLOADS[2])
    await eve.page.get_by_label("Password", exact=True).fill("a good password")
    await eve.page.get_by_role("button", name="Create account").click()
    name = eve.page.get_by_label("Name", exact=True)
    await expect(name).to_have_accessible_description(re.compile("^A name has"))
    eve.name = "_x.-_ªº"
    await eve.sign("Create account")
    await eve.is_in("Lobby")
    for payload in (PAYLOADS[3], PAYLOADS[17], PAYLOADS[22], PAYLOADS[24]):
        await eve.writes(payload)
        await expect(eve.page.locator("#lines .text").last).to_have_text(payload)
    await is_unharmed(eve)


@pytest.mark.slow
async def test_attacks_on_marks_and_links_are_text(visit, chat):
    """In the log, in the quote of an answer, in results and notices: drawn from a tree."""
    async with Person("marco", chat.url) as marco:
        mia = await (await visit("mia", viewport={"width": 360, "height": 740})).arrive()
        await marco.until(
            lambda: any(e.get("user") == "mia" for e in marco.heard["lobby"].values())
        )
        room = (await marco.call("direct", {"user": "mia"}))["room"]
        await marco.until(lambda: room in marco.heard)
        for payload in MARKED:
            await marco.says(payload, room=room)
        await marco.until(lambda: list(MARKED)[-1] in marco.texts(room))
        entries = list(marco.heard[room].values())
        for entry in [message for message in entries if "text" in message]:
            answer = {"client_id": f"to-{entry['position']}", "text": "so?"}
            await marco.call("message", {"room": room, "reply_to": entry["position"]} | answer)
        await mia.page.get_by_role("button", name="Rooms").click()
        await mia.page.locator("#directs .room").click()
        shown = [*MARKED.values(), *["so?"] * len(MARKED)]
        await expect(mia.page.locator("#lines .text")).to_have_text(shown, use_inner_text=False)
        quotes = mia.page.locator("#lines .quoted .excerpt")
        await expect(quotes).to_have_count(len(MARKED))
        begun = [re.sub(r"\s+", " ", text).strip()[:100] for text in MARKED.values()]
        told = [re.sub("[“”]|• ", "", text) for text in await quotes.all_text_contents()]
        assert [text[:100] for text in told] == begun
        # An override before a link does not turn the link.
        turned = mia.page.locator("#lines a", has_text="https://x.example/").last
        assert await turned.evaluate("link => getComputedStyle(link).unicodeBidi") == "isolate"
        assert await turned.evaluate("link => getComputedStyle(link).direction") == "ltr"
        await is_unharmed(mia)


async def test_no_module_makes_elements_from_text():
    """Nor runs text, nor needs what the Content-Security-Policy forbids."""
    ways = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    )
    forbidden = re.compile(rf"{ways}|\beval\(|new Function|setAttribute\(.style|javascript:")
    scripts = [script for script in STATIC.rglob("*.js") if "vendor" not in script.parts]
    assert len(scripts) > 20
    assert [script.name for script in scripts if forbidden.search(script.read_text())] == []
    for page in STATIC.glob("*.html"):
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|<style", page.read_text())
