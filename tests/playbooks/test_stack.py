"""What the playbooks make of docker/ for a machine, and the certificate that it gets."""

import os
import shutil
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
import yaml
from cryptography import x509

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
FILES = ["compose.yaml", "compose.tls.yaml"]
PASSWORDS = {
    f"{name}_password": f"the-password-of-{name}"
    for name in ("rabbitmq", "mariadb", "mongodb", "mongodb_admin")
}

loader = SourceFileLoader("stack", str(PLAYBOOKS / "filter_plugins" / "stack.py"))
stack = module_from_spec(spec_from_loader("stack", loader))
loader.exec_module(stack)


def secrets(**more: str) -> dict[str, str]:
    return stack.stack_secrets(PASSWORDS, "192.0.2.7", tls_certificate="a certificate", **more)


def deployed(*arguments, **more) -> dict:
    return stack.deployed(secrets(), FILES, *arguments, **more)


def test_without_the_database_only_its_services_get_a_way_out():
    services = deployed(["mariadb"])["services"]
    assert "mariadb" not in services
    assert {name for name, service in services.items() if "out" in service["networks"]} == {"users"}
    assert services["users"]["depends_on"].keys() == {"rabbitmq"}
    assert "192.0.2.7/nochat" in secrets()["users_url"]


def test_services_on_demand_are_off_by_default():
    assert not {"bot", "load", "log_shipper", "prometheus"} & deployed()["services"].keys()
    assert "log_shipper" in deployed([], ["logs"])["services"]


def test_the_world_reaches_the_proxy_and_nothing_else():
    ports = {
        name: service["ports"]
        for name, service in deployed()["services"].items()
        if "ports" in service
    }
    assert ports.keys() == {"proxy"}
    own = [port for port in ports["proxy"] if not port.startswith("${CHAT_ADDRESS:-127.0.0.1}:")]
    assert [port.rpartition(":")[2] for port in own] == ["8080", "8443"]


def test_every_file_that_containers_see_is_there():
    made = deployed(["mariadb"])
    kept = stack.secret_files(made, secrets())
    assert kept[".secrets/tls_certificate"] == {"content": "a certificate", "mode": "0644"}
    files = stack.mounted(made)
    assert {"haproxy.cfg", "haproxy-tls.cfg", "rabbitmq.conf"} <= files.keys()
    docker = PLAYBOOKS.parent / "docker"
    assert all(file["content"] == (docker / name).read_text() for name, file in files.items())
    assert files["calm"]["mode"] == "0755"


def test_a_machine_builds_nothing_and_takes_what_the_variables_name():
    files = ["compose.yaml", "compose.offline.yaml", "compose.tls.yaml"]
    services = stack.deployed(secrets(), files)["services"]
    assert not [service for service in services.values() if "build" in service]
    assert services["rabbitmq"]["image"].startswith("${RABBITMQ_IMAGE:-")


def test_only_services_whose_files_changed_are_recreated():
    before = deployed()["services"]
    after = stack.deployed(secrets() | {"tls_certificate": "a new one"}, FILES)["services"]
    assert {name for name in before if before[name] != after[name]} == {"proxy"}


def test_one_machine_s_part_of_a_cluster_has_nothing_else():
    made = deployed(overlay="services: {rabbitmq: {hostname: rabbitmq-3}}", only=["rabbitmq"])
    assert made["services"].keys() == made["volumes"].keys() == {"rabbitmq"}
    assert made["services"]["rabbitmq"]["hostname"] == "rabbitmq-3"


@pytest.mark.slow
def test_it_is_a_compose_file(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(yaml.safe_dump(deployed(["mariadb"])))
    program = Path(sys.executable).with_name("check-jsonschema")
    subprocess.run([program, "--builtin-schema", "vendor.compose-spec", file], check=True)


# ---- The certificate ----------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path):
    """Calls the script; gives the folder."""
    env = os.environ | {"NOCHAT_SECRETS": str(tmp_path / "own" / "secrets.yml")}

    def call(*names: str) -> Path:
        argv = [sys.executable, str(PLAYBOOKS / "certificate"), *names]
        ran = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return Path(ran.stdout.strip())

    return call


def test_a_certificate_is_made_once_and_for_these_names(certificate):
    folder = certificate("chat.example", "192.0.2.7")
    made = (folder / "cert.pem").read_bytes()
    assert certificate("192.0.2.7", "chat.example") == folder
    assert (folder / "cert.pem").read_bytes() == made
    names = x509.load_pem_x509_certificate(made).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["chat.example"]
    assert certificate("other.example") != folder


def test_only_we_may_read_its_key(certificate):
    folder = certificate("chat.example")
    assert (folder / "server.pem").stat().st_mode & 0o077 == 0
    assert folder.parent.stat().st_mode & 0o077 == 0
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(folder / "server.pem")


def test_one_that_ends_soon_is_made_again(certificate, tmp_path):
    folder = certificate("chat.example")
    end = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()).not_valid_after_utc
    assert (end - datetime.now(UTC)).days >= 364
    from nochat.lab.certificates import Authority

    shutil.rmtree(folder)
    Authority("old", days=20).issue(folder, "chat.example", ["chat.example"], days=20)
    again = x509.load_pem_x509_certificate((certificate("chat.example") / "cert.pem").read_bytes())
    assert (again.not_valid_after_utc - datetime.now(UTC)).days >= 364


def test_without_a_name_it_says_what_to_do():
    ran = subprocess.run(
        [sys.executable, str(PLAYBOOKS / "certificate")], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert "certificate chat.example.org" in ran.stderr
