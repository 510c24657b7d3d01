"""What the chat refuses, for somebody whose page is in Spanish: it goes by the code alone."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest_asyncio.fixture(loop_scope="session")
async def inés(visit):
    """Somebody at the page's door, in Spanish."""
    inés = await visit(f"inés-{new_id()[:8]}", locale="es-ES", offline=True)
    await inés.page.goto(inés.url)
    return inés


async def sign(visitor, button, name=""):
    await visitor.page.get_by_label("Nombre", exact=True).fill(name or visitor.name)
    await visitor.page.get_by_label("Contraseña", exact=True).fill("una buena contraseña")
    await visitor.page.get_by_role("button", name=button).click()


async def come_in(visitor):
    await sign(visitor, "Crear cuenta")
    await visitor.is_in("Lobby")


async def test_a_name_that_is_taken_is_said_in_spanish(inés, chat):
    async with Person(f"bob-{new_id()[:8]}", chat.url) as bob:
        await sign(inés, "Crear cuenta", bob.name)
    name = inés.page.get_by_label("Nombre", exact=True)
    await expect(name).to_have_accessible_description("ese nombre está ocupado; elige otro")


async def test_a_parameter_is_in_the_spanish_sentence(inés):
    await come_in(inés)
    page = inés.page
    await page.get_by_role("button", name="Buscar", exact=True).first.click()
    sought = page.locator("#search-text")
    await sought.evaluate("field => field.removeAttribute('maxlength')")
    await sought.fill("x" * 201)
    await sought.press("Enter")
    said = "No se ha podido: una búsqueda tiene 200 caracteres como mucho."
    await expect(page.locator("#search-status")).to_have_text(said)


async def test_refusals_of_the_controller_are_shown_in_spanish(inés, chat):
    await come_in(inés)
    room, name = new_id(), inés.name
    async with Person(f"bob-{new_id()[:8]}", chat.url) as bob:
        await bob.call("create", {"room": room, "title": f"Sala {room}"})
        await bob.join(room)
        await bob.call("moderate", {"room": room, "user": name, "action": "ban"})
        await bob.until(
            lambda: any(entry["type"] == "member.moderated" for entry in bob.heard[room].values())
        )
    await inés.page.goto(f"{inés.url}/#/room/{room}")
    await inés.page.get_by_role("dialog").get_by_role("button", name="Entrar").click()
    refusal = inés.page.get_by_text("No se ha podido: tienes prohibida la entrada en esta sala.")
    await expect(refusal).to_be_visible()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            {"error": "out of cheese", "code": "cheese.out", "params": {"most": 7}},
            "el chat lo rechaza por un motivo que esta página no conoce (cheese.out)",
        ),
        # The sentence beside a code is for others.
        (
            {"error": "out of cheese", "code": "rate.attempts", "params": {"wait": 7}},
            "demasiados intentos; espera 7 s",
        ),
        ({"error": "a proxy is out of cheese"}, "el chat no responde"),
    ],
    ids=["unknown", "known", "none"],
)
async def test_a_code_is_said_and_one_that_is_unknown_too(inés, answer, said):
    login = re.compile("/api/login$")
    await inés.page.route(login, lambda route: route.fulfill(status=429, json=answer))
    await sign(inés, "Entrar")
    await expect(inés.page.locator("#sign-in")).to_contain_text(said)
