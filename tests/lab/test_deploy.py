"""The small parts of the final deployment; tests/machines/test_final.py does it for real."""

import subprocess

import pytest

from nochat.lab import deploy, servers


def test_a_key_pair_is_made_once_for_us_alone(tmp_path):
    key = tmp_path / "deep" / "key"
    public = deploy.key_pair(key)
    made = key.read_bytes()
    assert public.read_text().startswith("ssh-ed25519 ")
    assert key.stat().st_mode & 0o077 == 0
    assert deploy.key_pair(key) == public
    assert key.read_bytes() == made


def test_the_public_half_of_a_key_that_is_there_is_found_again(tmp_path):
    key = tmp_path / "key"
    public = deploy.key_pair(key)
    text = public.read_text().split()[:2]
    public.unlink()
    assert deploy.key_pair(key).read_text().split()[:2] == text


def test_files_that_are_not_our_keys_stay_as_they_are(tmp_path):
    letter, locked = tmp_path / "letter", tmp_path / "locked"
    letter.write_text("Dear Ada,")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a phrase", "-f", locked]
    subprocess.run(make, check=True)
    for path in (letter, locked):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="stays as it is: name another file"):
            deploy.key_pair(path)
        assert path.read_bytes() == before


def test_images_of_servers_are_built_only_where_the_environment_says_so(monkeypatch):
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    assert deploy._built_images() == {}
    monkeypatch.setenv("COMPOSE_FILE", "docker/compose.yaml:docker/compose.offline.yaml")
    assert deploy._built_images() == {
        "PROXY_IMAGE": "nochat/haproxy",
        "RABBITMQ_IMAGE": "nochat/rabbitmq",
        "MONGODB_IMAGE": "nochat/mongodb-stand-in",
    }


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("192.0.2.7:5000/me/nochat", "192.0.2.7:5000/me/nochat@sha256:1"),
        ("docker.io/me/nochat", "me/nochat@sha256:2"),  # as Docker calls it
    ],
)
def test_of_several_digests_it_is_that_of_the_registry(image, expected):
    digests = ["192.0.2.7:5000/me/nochat@sha256:1", "me/nochat@sha256:2", "me/nochat-bot@sha256:3"]
    assert deploy._by_digest(image, digests) == expected


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_one_name_for_docker(host):
    registry = servers.Registry("Registry", f"https://me:token@{host}", "", look=str)
    assert registry.address == "docker.io"


def test_of_a_backup_is_brought_back_what_is_in_it_and_something_must_be(tmp_path):
    with pytest.raises(FileNotFoundError, match="no backup is in"):
        deploy._in_backup(tmp_path)
    (tmp_path / deploy.DUMP).touch()
    assert deploy._in_backup(tmp_path) == {"mariadb_dump": str(tmp_path / deploy.DUMP)}
    (tmp_path / deploy.COPY).touch()
    assert deploy._in_backup(tmp_path)["stack_backup"] == str(tmp_path)


def pack(folder) -> "subprocess.Popen[bytes]":
    argv = ["sh", "-c", deploy.PACK, folder]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_messages_during_a_backup_do_not_fail_it(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"word" * 1_000_000)
    with pack(tmp_path) as packing:
        assert packing.stdout.read(1024)  # and waits in the middle of the file: nobody reads on
        with log.open("ab") as file:
            file.write(b"word")
        _, errors = packing.communicate(timeout=20)
    assert b"changed as we read it" in errors
    assert packing.returncode == 0


def test_a_folder_that_is_not_there_is_a_failure(tmp_path):
    with pack(tmp_path / "missing") as packing:
        packing.communicate(timeout=20)
    assert packing.returncode != 0
