"""What the doctor finds, and what it says of what it does not find."""

import re
import socket
import sys

import pytest

from nochat.local import doctor
from nochat.local.components import Component, Package, Program


@pytest.fixture
def absent(monkeypatch):
    component = Component(
        name="flux-server",
        why="carries <everything>",
        part="time travel",
        install="sudo apt-get install flux",
        ways=(Program("flux-server"), Program("flux", path="/no/*/flux"), Package("flux", "flux")),
    )
    monkeypatch.setattr(doctor, "COMPONENTS", (*doctor.COMPONENTS, component))
    return component


def test_missing_components_are_named_with_the_reason_and_the_command(absent):
    assert doctor.find(absent.name) is None
    with pytest.raises(doctor.Missing) as caught:
        doctor.require(absent.name)
    for text in (absent.name, absent.why, absent.install):
        assert text in str(caught.value)


def test_python_and_what_serves_mongodb_are_found_with_their_versions():
    assert str(doctor.require("python")) == sys.executable
    findings = doctor.examine()
    [python] = (finding for finding in findings if finding.name == "python")
    [mongodb] = (finding for finding in findings if finding.name.startswith("mongod"))
    assert python.ok
    assert sys.version.startswith(python.seen)
    assert mongodb.ok
    assert re.fullmatch(r"\d+(\.\d+)+", mongodb.seen)


def test_sbin_is_searched_also_where_the_path_leaves_it_out(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert Program("sysctl").find() is None or Program("sysctl").find().parent.name == "sbin"
    assert Program("init").find() or Program("ldconfig").find()


def test_a_version_in_the_path_is_believed_and_a_mute_program_has_none(tmp_path):
    folder = tmp_path / "server-3.10.8"
    folder.mkdir()
    (folder / "run").touch()
    program = Program("run", path=f"{tmp_path}/server-*/run")
    assert program.find() == folder / "run"
    assert program.version(folder / "run") == "3.10.8"
    (tmp_path / "mute").touch()
    assert Program("mute").version(tmp_path / "mute") == "?"


def test_a_port_in_use_is_found():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        finding = doctor.examine(port)[-1]
        assert (finding.name, finding.ok, finding.seen) == (f"port {port}", False, "in use")
        assert "NOCHAT_PORT" in finding.advice
    assert doctor.examine(port)[-1].ok


def test_the_machine_is_examined_too(tmp_path):
    names = [finding.name for finding in doctor.examine(folder=tmp_path / "not" / "there")]
    assert names[-3:-1] == ["disk", "memory"]


def test_the_report_has_a_line_each_and_says_what_to_do(absent):
    examination = doctor.Examination()
    lines = repr(examination).splitlines()
    assert len(lines) == len(examination.findings)
    [line] = (row for row in lines if absent.name in row)
    assert line.startswith("!!")
    assert line.endswith(absent.install)


def test_the_notebook_s_table_escapes_its_text(absent):
    shown = doctor.Examination()._repr_html_()
    assert shown.count("<tr>") == len(doctor.COMPONENTS) + 4
    assert f"<code>{absent.install}</code>" in shown
    assert "<everything>" not in shown
