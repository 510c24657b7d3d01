"""Settings come from NOCHAT_* variables; a mistake is said, not swallowed."""

import re
from pathlib import Path

import pytest

from nochat.settings import SettingsError, load


def test_defaults_need_nothing():
    settings = load({})
    assert settings.bus == f"journal://{settings.data_dir}/bus"
    assert settings.is_bus_local
    assert settings.host == "127.0.0.1"


def test_a_variable_sets_its_field():
    assert load({"NOCHAT_PORT": "0", "NOCHAT_SHARDS": "8", "HOME": "/"}).shards == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [("NOCHAT_PORT", "many"), ("NOCHAT_PORT", "70000"), ("NOCHAT_LOG_LEVEL", "loud")],
)
def test_a_value_that_can_not_be_is_said_with_its_name(name, value):
    with pytest.raises(SettingsError, match=name):
        load({name: value})


def test_a_misspelt_variable_names_the_nearest():
    with pytest.raises(SettingsError, match="did you mean NOCHAT_BUS_URL"):
        load({"NOCHAT_BUS_ULR": "amqp://"})


ROOT = Path(__file__).parent.parent
OF_THE_COURSE = ("playbooks", "vagrant", "nochat/lab", "tests/conftest.py")


def variables_of_the_course() -> set[str]:
    """The variables that the machines, the playbooks, the course and the tests read."""
    files = [file for name in OF_THE_COURSE for file in [ROOT / name, *(ROOT / name).rglob("*")]]
    sources = [file for file in files if file.is_file() and file.suffix != ".pyc"]
    texts = [file.read_text(errors="ignore") for file in sources]
    return {name for text in texts for name in re.findall(r"\bNOCHAT_[A-Z_]+[A-Z]\b", text)}


def complaint(environ: dict[str, str]) -> str:
    try:
        load(environ)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(variables_of_the_course()))
def test_exported_variables_of_the_course_do_not_stop_the_chat(name):
    assert "unknown variable" not in complaint({name: "1"})  # that it can't be 1 is no matter


def test_the_folder_of_the_stores_is_private(tmp_path):
    path = load({"NOCHAT_DATA_DIR": str(tmp_path / "data")}).data_path
    assert path.stat().st_mode & 0o777 == 0o700


def test_secrets_are_not_shown():
    settings = load(
        {
            "NOCHAT_BUS_URL": "amqp://nochat:hunter2@127.0.0.1:5672/nochat",
            "NOCHAT_ACTIVITY_URL": "mongodb://root:p@ss/word@localhost/nochat",
            "NOCHAT_LOGZ_TOKEN": "t0ken",
        }
    )
    shown = repr(settings)
    for secret in ("hunter2", "ss/word", "t0ken"):
        assert secret not in shown
    assert "127.0.0.1:5672" in shown
    assert "port=8000" in shown


def test_a_secret_comes_in_a_file(tmp_path):
    (tmp_path / "bus").write_text("amqp://nochat:hunter2@rabbitmq/nochat\n")
    settings = load({"NOCHAT_BUS_URL_FILE": str(tmp_path / "bus")})
    assert settings.bus_url == "amqp://nochat:hunter2@rabbitmq/nochat"


@pytest.mark.parametrize("written", [b"\xef\xbb\xbfs3cr3t\r\n", b"s3cr3t\n", b"s3cr3t"])
def test_a_newline_at_the_end_of_a_secret_is_ignored(tmp_path, written):
    (tmp_path / "token").write_bytes(written)
    assert load({"NOCHAT_LOGZ_TOKEN_FILE": str(tmp_path / "token")}).logz_token == "s3cr3t"


def test_a_file_that_is_no_good_is_named_and_its_content_is_not_shown(tmp_path):
    (tmp_path / "port").write_text("hunter2")
    with pytest.raises(SettingsError, match=r"NOCHAT_PORT_FILE=.*port can't be used") as caught:
        load({"NOCHAT_PORT_FILE": str(tmp_path / "port")})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"NOCHAT_BUS_URL_FILE=.*none can't be read"):
        load({"NOCHAT_BUS_URL_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match="both set"):
        load({"NOCHAT_PORT_FILE": str(tmp_path / "port"), "NOCHAT_PORT": "1"})
    with pytest.raises(SettingsError, match="did you mean"):
        load({"NOCHAT_BUS_FILE": "x"})


@pytest.mark.parametrize(("text", "expected"), [(" 24 ", 24.0), ("24\r", 24.0), ("0.5", 0.5)])
def test_blanks_around_a_value_do_not_count(text, expected):
    assert load({"NOCHAT_SESSION_HOURS": text}).session_hours == expected


def test_sessions_may_be_idle_for_ever_but_not_for_less_than_nothing():
    assert load({"NOCHAT_IDLE_HOURS": "0"}).idle_hours == 0
    with pytest.raises(SettingsError, match=r"NOCHAT_IDLE_HOURS=.*can't be used"):
        load({"NOCHAT_IDLE_HOURS": "-1"})


@pytest.mark.parametrize("text", ["inf", "nan", "1e9", "0", "", "a day"])
def test_a_session_has_an_end(text):
    with pytest.raises(SettingsError, match=r"NOCHAT_SESSION_HOURS=.*can't be used"):
        load({"NOCHAT_SESSION_HOURS": text})
