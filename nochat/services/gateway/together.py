"""Requests that many make at once, such as the sockets of a user who reconnects."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Together:
    """One request at a time for each key: callers who come meanwhile share the next one.

    No caller gets the answer to a request that began before its call: it may be too old.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Make a request, or share the next one.

        Args:
            key: identifies equal requests.
            question: makes the request.
        """
        if not (before := self._under_way.get(key)):
            task = self._under_way[key] = asyncio.create_task(self._run(key, question))
        elif not (task := self._next.get(key)):  # type: ignore[assignment]
            task = self._next[key] = asyncio.create_task(self._follow(before, key, question))
        task.add_done_callback(_retrieve)
        # One of them may be cancelled; the others go on waiting.
        answer: _T = await asyncio.shield(task)
        return answer

    async def _follow(
        self,
        before: asyncio.Task[Any],
        key: Hashable,
        question: Callable[[], Coroutine[Any, Any, _T]],
    ) -> _T:
        await asyncio.wait([before])
        self._under_way[key] = self._next.pop(key)
        return await self._run(key, question)

    async def _run(self, key: Hashable, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        try:
            return await question()
        finally:
            if self._under_way.get(key) is asyncio.current_task():
                del self._under_way[key]


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Retrieve the task's error: if all callers were cancelled, nobody else does."""
    if not task.cancelled():
        task.exception()
