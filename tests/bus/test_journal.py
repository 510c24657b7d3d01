"""The journal on disk: what was written is there after any crash, and nothing else is."""

import os
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import nochat.bus.journal
from nochat.bus import connect
from nochat.bus.journal import Acknowledged, Attempts, Declared, Journal, PublishedMessage
from nochat.bus.routing import Queue
from nochat.errors import BusError, NochatError
from nochat.protocol.events import MessageSent
from tests.bus.helpers import Seen, message, queue_of

QUEUES = ("one", "two")


def reopened(folder) -> Journal:
    journal = Journal(folder)
    journal.open()
    return journal


class Crashes(RuleBasedStateMachine):
    """Messages come and go, the process ends in every way, and a model says what must be left."""

    @initialize(small=st.booleans())
    def begin(self, small):
        self.patch = pytest.MonkeyPatch()
        if small:  # so that files are begun, and removed
            self.patch.setattr(nochat.bus.journal, "FILE_SIZE", 2000)
        self.folder = Path(tempfile.mkdtemp(dir=self.base))
        self.journal = reopened(self.folder)
        self.journal.write([Declared(Queue(name)) for name in QUEUES])
        self.model: dict[str, list[int]] = {name: [] for name in QUEUES}
        self.number = self.current = self.live = self.most = 0

    @rule(sizes=st.lists(st.integers(1, 600), min_size=1, max_size=5), one=st.booleans())
    def publish(self, sizes, one):
        names = list(QUEUES[:1] if one else QUEUES)
        first = self.number + 1
        self.number += len(sizes)
        kept = [
            PublishedMessage(first + at, names, "i", {}, b"x" * size)
            for at, size in enumerate(sizes)
        ]
        self.journal.write(kept)
        for name in names:
            self.model[name] += range(first, self.number + 1)

    @rule(name=st.sampled_from(QUEUES), count=st.integers(1, 20))
    def acknowledge(self, name, count):
        done, self.model[name] = self.model[name][:count], self.model[name][count:]
        self.journal.write([Acknowledged(name, done)])

    @rule(torn=st.binary(max_size=40))
    def crash(self, torn):
        """Half a record is at the end, which nobody was told of."""
        os.close(self.journal._descriptor)
        with max(self.folder.glob("*.journal")).open("ab") as last:
            last.write(torn)
        self.journal = reopened(self.folder)

    @rule()
    def stop(self):
        self.journal.close()
        self.journal = reopened(self.folder)

    @invariant()
    def holds_what_was_written(self):
        contents = self.journal.contents
        for name in QUEUES:
            there = sorted(n for n, kept in contents.messages.items() if name in kept.queues)
            assert there == self.model[name]
        assert contents.queues.keys() == set(QUEUES)

    @invariant()
    def is_bounded(self):
        live, current = self.journal.contents.size, self.journal._current
        if current != self.current:  # begun in this step, after what was in use before it
            self.current, self.most = current, self.live
        self.live, self.most = live, max(live, self.most)
        size = sum(file.stat().st_size for file in self.folder.glob("*.journal"))
        # When a file is begun, others go until no more than half is of no use, beside one file's
        # size. Until the next is begun, this one grows by its size, and by the write that crosses
        # it: five messages here, less than two files. What was in use then may be of no use by now.
        assert size <= 2 * self.most + (2 + 1 + 2) * nochat.bus.journal.FILE_SIZE

    def teardown(self):
        os.close(self.journal._descriptor)
        self.patch.undo()


def test_any_sequence_of_writes_and_crashes_is_read_back(tmp_path):
    Crashes.base = tmp_path
    case = Crashes.TestCase("runTest")
    case.settings = hypothesis_settings(max_examples=25, stateful_step_count=30, deadline=None)
    case.runTest()


def test_a_damaged_file_is_named_and_nothing_of_it_is_taken(tmp_path):
    journal = reopened(tmp_path)
    journal.write([PublishedMessage(1, ["one"], "", {}, b"x")])
    journal.close()
    reopened(tmp_path).close()  # the damaged one is not the last
    first = min(tmp_path.glob("*.journal"))
    data = bytearray(first.read_bytes())
    data[20] ^= 1
    first.write_bytes(data)
    with pytest.raises(NochatError, match=rf"{first} is damaged at byte \d+; restore it"):
        reopened(tmp_path)


def test_crashes_are_counted_and_stops_are_not(tmp_path):
    journal = reopened(tmp_path)
    journal.write([PublishedMessage(1, ["one"], "", {}, b"x"), Attempts("key", 2)])
    journal.close()
    journal = reopened(tmp_path)
    assert journal.contents.messages[1].crashes == 0
    os.close(journal._descriptor)
    journal = reopened(tmp_path)
    assert journal.contents.messages[1].crashes == 1
    assert journal.contents.attempts == {"key": 2}
    journal.close()


@contextmanager
def files_no_larger_than(size):
    """A full disk, as far as this process can tell: it is told that a file may not grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_fails_a_publish_and_the_next_one_succeeds(tmp_path):
    url, queue, seen = f"journal://{tmp_path}/bus", queue_of(MessageSent), Seen()
    async with connect(url) as bus:
        await bus.declare(queue)
        await bus.publish(message(1))
        refused = pytest.raises(BusError, match=r"can't write to its disk \(File too large\)")
        with files_no_larger_than(2000), refused:
            await bus.publish(message(2, text="x" * 4000))
        await bus.publish(message(3))
    async with connect(url) as bus:
        await bus.subscribe(queue, seen)
        await seen.count(2)
    assert seen.positions == [1, 3]


async def test_a_folder_has_one_owner(tmp_path, monkeypatch):
    monkeypatch.setattr("nochat.bus.memory.brokers", {})  # as another process has
    url = f"journal://{tmp_path}/bus"
    async with connect(url):
        monkeypatch.setattr("nochat.bus.memory.brokers", {})
        monkeypatch.setattr("nochat.local.owner.PATIENCE", 0.1)
        with pytest.raises(NochatError, match=rf"is in use by process {os.getpid()} \(.*\); stop"):
            async with connect(url):
                pass
    async with connect(url):
        pass


async def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NochatError, match="file/bus can't be used"):
        async with connect(f"journal://{tmp_path}/file/bus"):
            pass
