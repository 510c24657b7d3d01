"""openstack.yml where there is no cloud; tests/machines/test_openstack.py has one."""

import pytest

from nochat.lab.machines import provision

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("state", ["present", "absent"])
def test_without_a_cloud_it_says_what_to_do(state, tmp_path, monkeypatch):
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    monkeypatch.setenv("OS_CLOUD", "mine")
    with pytest.raises(provision.RunFailed, match=r"Cloud mine was not found") as raised:
        provision.ansible("openstack.yml", variables={"state": state}, quiet=True)
    assert "To do: name your cloud in OS_CLOUD" in str(raised.value)


def test_a_cloud_that_is_not_there_is_named_without_the_password(tmp_path, monkeypatch):
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        "clouds: {mine: {auth: {auth_url: 'http://127.0.0.1:9/v3', username: ana, "
        "password: hunter2, project_name: nochat, user_domain_name: Default}}}"
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    with pytest.raises(provision.RunFailed, match=r"127\.0\.0\.1") as raised:
        provision.ansible("openstack.yml", variables={"openstack_cloud": "mine"}, quiet=True)
    assert "hunter2" not in str(raised.value)


def test_a_state_that_is_none(tmp_path):
    with pytest.raises(provision.RunFailed, match="must be one of: present, absent"):
        provision.ansible("openstack.yml", variables={"state": "there"}, quiet=True)
