"""Code in messages: the page and the server say the same of every text."""

import json
import random
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from nochat.protocol.events import MessageSent
from nochat.protocol.requests import RoomInfo, RoomState
from nochat.services.notifications import notify
from nochat.services.notifications.markdown import without_code
from tests.clients.test_node_client import BIN, CHECKOUT

CASES = json.loads((Path(__file__).parents[1] / "clients" / "markdown_cases.json").read_text())
MEMBERS = ["ana", "bob", "eve", "zoe"]
LETTERS = [
    "`",
    "``",
    "```",
    "````",
    "\n",
    "\n",
    "> ",
    ">",
    " ",
    "- ",
    "  ",
    "1. ",
    "\t",
    "a",
    " @ana ",
]
SHOWN = """
import { parse } from "./nochat/services/web/static/markdown.js";
function found(tree) {
  if (tree?.type === "mention") return [tree];
  return tree && typeof tree === "object" ? Object.values(tree).flatMap(found) : [];
}
let texts = "";
for await (const part of process.stdin) texts += part;
console.log(JSON.stringify(JSON.parse(texts).map((text) => found(parse(text)).length)));
"""


def mentioning():
    return [case for case in CASES if set(case.get("mentions", [])) & set(MEMBERS)]


@pytest.mark.parametrize("case", mentioning(), ids=lambda case: ascii(case["text"]))
async def test_mentions_in_code_notify_nobody(case):
    async def request(_):
        return RoomState(room=RoomInfo(room="r", members=MEMBERS))

    said = MessageSent("r", 1, "zoe", "c1", case["text"])
    told = await notify(said, SimpleNamespace(bus=SimpleNamespace(request=request)))
    assert [notice.user for notice in told] == sorted(case["mentions"])


def test_the_page_and_the_server_take_the_same_for_code():
    """In any text: a name outside code is a mention for both."""
    chance = random.Random(7)
    texts = ["".join(chance.choices(LETTERS, k=chance.randint(1, 40))) for _ in range(4000)]
    here = [without_code(text).count("@ana") for text in texts]
    node = shutil.which("node", path=BIN) or "node"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", SHOWN],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=50,
        cwd=CHECKOUT,
        check=True,
    )
    there = json.loads(done.stdout)
    assert [text for text, one, other in zip(texts, here, there, strict=True) if one != other] == []
    assert sum(here) > 1000


@pytest.mark.parametrize("part", ["`", "```\n", "> ", ">\n", "> ```\n", "`" * 90, "a`"])
def test_long_texts_take_no_time(part):
    text = part * (4000 // len(part))
    assert len(without_code(text)) == len(text)
