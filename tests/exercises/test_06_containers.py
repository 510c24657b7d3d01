"""The exercises of notebook 06, proved both ways with images and containers of some MB."""

import pytest

from nochat.lab import exercise
from nochat.lab.exercise import own_image
from nochat.lab.exercise.catalogue import find
from tests.exercises import solutions
from tests.images import python_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BASE = "nochat-test/python"


@pytest.fixture(scope="module")
def base(docker_engine):
    return python_image(BASE)


# ---- 06a ----------------------------------------------------------------------------------------

HEAD = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
SECRET = "RUN --mount=type=secret,id=token {install} /run/secrets/token --no-cache\n"
INSTALL = "COPY install .\n" + SECRET.format(install="python3 install")
SERVE = "COPY serve .\nENV PORT=8080\n"
USER = "USER 10001\n"
RUN = 'CMD ["python3", "serve"]\n'
RIGHT = HEAD + INSTALL + SERVE + USER + RUN

# Another stage installs, with the token as a file: it stays behind, and the cache with it.
STAGES = f"""\
ARG BASE_IMAGE
FROM ${{BASE_IMAGE}} AS tools
COPY install token /
RUN python3 /install /token
FROM ${{BASE_IMAGE}}
COPY --from=tools /opt/page /opt/page
COPY serve /srv/
{USER}ENTRYPOINT ["/bin/sh", "-c", "exec env PORT=8080 python3 /srv/serve"]
""".replace("exec env PORT=8080", "PORT=8080 exec")
WRONG_IMAGES = {
    "build": RIGHT.replace("/run/secrets/token", "/run/secrets/tokens"),
    "layer": RIGHT.replace(
        INSTALL, "COPY install token /\nRUN python3 install token --no-cache\nRUN rm token\n"
    ),
    "history": RIGHT.replace(
        INSTALL,
        "ARG TOKEN\nCOPY install .\n"
        "RUN echo $TOKEN >t && python3 install t --no-cache && rm t install\n",
    ),
    "big": RIGHT.replace(" --no-cache", ""),
    "ended": RIGHT.replace("COPY serve", "COPY serve serve.py\n#"),
    "port": RIGHT.replace("ENV PORT=8080\n", ""),
    "root": RIGHT.replace(USER, ""),
    "answer": HEAD + INSTALL + USER + 'CMD ["python3", "-m", "http.server", "8080"]\n',
    "again": HEAD + "COPY serve .\nENV PORT=8080\n" + INSTALL + USER + RUN,
}


@pytest.fixture
def judged(base, tmp_path, monkeypatch):
    """Judges a Dockerfile with a text."""
    monkeypatch.setattr(own_image, "SECONDS", 5.0)

    async def judge(text):
        (tmp_path / "Dockerfile").write_text(text)
        return await exercise.check("06a", tmp_path, base=base)

    return judge


def given_image():
    """The notebook's solution, without the line that writes it to a file."""
    return solutions.solution("06a").partition("\n")[2]


async def test_the_untouched_recipe_makes_its_base(judged):
    stub = solutions.cell("exercise", "06a").source.partition("\n")[2]
    verdict = await judged(stub)
    assert verdict.mistake == "untouched", verdict


@pytest.mark.parametrize("recipe", [given_image, lambda: STAGES], ids=["given", "stages"])
async def test_a_small_image_without_the_secret_passes(recipe, judged):
    verdict = await judged(recipe())
    assert verdict.passed, verdict


@pytest.mark.parametrize("mistake", WRONG_IMAGES)
async def test_a_mistake_in_an_image_is_named(mistake, judged):
    verdict = await judged(WRONG_IMAGES[mistake])
    assert verdict.mistake == mistake, verdict


@pytest.mark.parametrize("answer", [..., "/nowhere/Dockerfile"])
async def test_what_is_no_recipe_is_said(answer):
    verdict = await exercise.check("06a", answer)
    assert verdict.mistake == "failed", verdict


def test_every_known_mistake_in_an_image_has_a_recipe_that_makes_it():
    assert {*WRONG_IMAGES} | {"untouched", "failed"} == {*find("06a").mistakes}
