"""tools/box, up to where it would build: what it says when it can't."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ["bash", "cat", "cut", "df", "dirname", "env", "flock", "grep", "ln", "mkdir", "mv"]
TOOLS += ["python3", "rm", "sed", "sha256sum", "tail", "tr", "true"]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder with the tool and what it reads, and a PATH of its own with no more than `TOOLS`."""
    shutil.copytree(ROOT / "docker" / "machine", tmp_path / "docker" / "machine")
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "box", tmp_path / "tools")
    lab = tmp_path / "nochat" / "lab"
    lab.mkdir(parents=True)
    (lab.parent / "runtime").mkdir()
    shutil.copy(ROOT / "nochat" / "lab" / "surroundings.py", lab)
    for module in ("errors.py", "runtime/proxies.py"):
        shutil.copy(ROOT / "nochat" / module, lab.parent / module)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        path = shutil.which(tool)
        assert path
        (tmp_path / "bin" / tool).symlink_to(path)
    return tmp_path


def box(course: Path, *kinds: str, **variables: str) -> tuple[int, str]:
    ran = subprocess.run(
        [course / "tools" / "box", *kinds],
        env={"PATH": str(course / "bin"), "HOME": str(course), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    return ran.returncode, ran.stdout


def program(course: Path, name: str, text: str) -> None:
    path = course / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def test_a_kind_that_there_is_not(course: Path) -> None:
    status, output = box(course, "docker", "vmware")
    assert status == 1
    assert output.startswith("box: vmware is none of docker, lxc, libvirt")
    assert not (course / "build").exists()


def test_the_release_is_a_setting(course: Path) -> None:
    program(course, "docker", "[[ $* != *inspect* ]] || exit 1; echo $* >>asked")
    program(course, "mmdebstrap", 'echo "${@: -2:1}" >"${!#}"')
    assert "NOCHAT_DEBIAN is 11: it may be 12 or 13" in box(course, NOCHAT_DEBIAN="11")[1]
    for release, suite, name in (("13", "trixie", ""), ("12", "bookworm", "-12")):
        status, output = box(course, "docker", "python", NOCHAT_DEBIAN=release)
        assert status == 0, output
        assert f"NOCHAT_MACHINE_BASE=nochat/debian{name} vagrant up" in output
        assert f"BASE_IMAGE=nochat/python{name}\n" in output
        boxes = course / "build" / "boxes"
        assert (boxes / f"base-{release}.tar").read_text() == f"{suite}\n"
    assert len([*boxes.glob("base-*.tar.*")]) == len([*boxes.glob("python-*.tar.*")]) == 2


def test_missing_programs_are_named_with_their_installation(course: Path) -> None:
    assert "sudo apt-get install docker.io" in box(course, "docker")[1]
    assert "sudo apt-get install vagrant" in box(course, "lxc")[1]
    program(course, "vagrant", "true")
    status, output = box(course, "lxc")
    assert status == 1
    assert "mmdebstrap is not on this machine" in output
    assert "sudo apt-get install mmdebstrap" in output


def test_no_room(course: Path) -> None:
    for name in ("vagrant", "mmdebstrap"):
        program(course, name, "true")
    program(course, "df", "echo Avail; echo 1G")
    status, output = box(course, "lxc")
    assert status == 1
    assert "has 1 GiB free, and this needs 3: make room." in output


def test_the_end_of_a_failed_commands_output_is_shown(course: Path) -> None:
    program(course, "vagrant", "true")
    program(course, "mmdebstrap", "echo 'E: no way to the packages'; exit 25")
    status, output = box(course, "lxc")
    assert status == 1
    assert "mmdebstrap failed. Its last lines:\nbox: E: no way to the packages" in output


def test_an_interrupt_leaves_nothing_that_is_taken_for_whole(course: Path) -> None:
    program(course, "docker", "[[ $* != *inspect* ]] || exit 1")
    program(course, "mmdebstrap", 'echo half >"${!#}"; exit 1')
    assert box(course, "docker")[0] == 1
    boxes = course / "build" / "boxes"
    assert [path.name for path in boxes.glob("base*")] == ["base-13.tar.part"]
    program(course, "mmdebstrap", 'echo whole >"${!#}"')
    assert box(course, "docker")[0] == 0
    assert (boxes / "base-13.tar").read_text() == "whole\n"
    program(course, "mmdebstrap", "exit 1")  # It is there: not built again.
    assert box(course, "docker")[0] == 0
    with (course / "docker" / "machine" / "setup").open("a") as setup:
        setup.write("# changed\n")
    assert box(course, "docker")[0] == 1
