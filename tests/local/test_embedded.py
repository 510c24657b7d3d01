"""The embedded server, whatever becomes of whom it starts for."""

import asyncio

import pytest

from nochat.local.embedded import activity_server
from nochat.local.owner import owned
from nochat.settings import Settings


@pytest.mark.parametrize("turns", [1, 2, 20])
async def test_a_server_is_stopped_that_nobody_waits_for_any_longer(tmp_path, turns):
    async def start() -> None:
        async with activity_server(Settings(data_dir=str(tmp_path))) as ready:
            await ready()

    task = asyncio.create_task(start())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with owned(tmp_path / "activity", patience=0):
        pass  # which the server would own, were it there


async def test_a_server_answers_when_it_was_waited_for(tmp_path):
    async with activity_server(Settings(data_dir=str(tmp_path))) as ready:
        assert (await ready()).startswith("mongodb://127.0.0.1:")


async def test_another_s_server_is_not_started(tmp_path):
    url = "mongodb://elsewhere"
    async with activity_server(Settings(data_dir=str(tmp_path), activity_url=url)) as ready:
        assert await ready() == url
    assert not [*tmp_path.iterdir()]
