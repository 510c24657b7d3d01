"""What a user's shell, home and computer bring along does not decide what the course does.

Each input is one that somebody had. What is asked of Ansible, Vagrant and others is asked of the
real ones, in a process that was started with that input.
"""

import ast
import http.server
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
import pytest

from nochat.lab import machines, servers, surroundings
from nochat.lab.folders import own_folder
from nochat.lab.machines import farm, guards
from nochat.runtime import proxies

pytestmark = pytest.mark.timeout(180)  # many programs of Python are started, also where it is busy

ROOT = Path(__file__).parents[2]
NO_PROXY_FOR = {"localhost", "127.0.0.1", "::1"}
DEAD = "127.0.0.1:9"  # nothing listens there
PROXIES = {"http_proxy": f"http://{DEAD}", "HTTPS_PROXY": DEAD, "ALL_PROXY": f"socks5h://{DEAD}"}
# Python as it is where the language has an encoding without arrows, as ISO 8859-1 and ASCII do.
NARROW = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def python(code: str, env: dict[str, str], **options) -> str:
    """What a program says, which is started in an environment and imports the course's code."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **env}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in env.items() if value is not None},
        capture_output=True,
        encoding="utf-8",
        check=False,
        **options,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


# ---- The environment itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"LANG": "es_ES.UTF-8"},
        {"LC_ALL": "en_US.UTF-8", "LANGUAGE": "es"},
        {"LC_ALL": "C"},
        {"LC_ALL": "es_ES.ISO-8859-1", "PYTHONIOENCODING": "latin-1"},
        {"VAGRANT_CWD": "/other", "VAGRANT_VAGRANTFILE": "Theirs"},
        {"ANSIBLE_STRATEGY": "free", "ANSIBLE_VAULT_PASSWORD_FILE": "/gone"},
        {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/gone"},
        {"COMPOSE_FILE": "/other/compose.yaml", "COMPOSE_PROJECT_NAME": "theirs"},
        {"COMPOSE_FILE": "docker/compose.yaml:../other/compose.yaml"},
        {"JUPYTER_PATH": "/other", "JUPYTERLAB_DIR": "/other", "IPYTHONDIR": "/other"},
        {"PYTHONWARNINGS": "error", "PYTHONPATH": "/other", "PYTHONOPTIMIZE": "2"},
        {"PERL5OPT": "-Mnone", "RUBYOPT": "-rnone", "NODE_OPTIONS": "--require none"},
        {"MPLBACKEND": "Qt5Agg", "CDPATH": "/other"},
    ],
    ids=lambda given: " ".join(given),
)
def test_variables_for_other_programs_are_not_passed_on(given):
    plain = surroundings.settled({"HOME": "/", "PATH": "/bin"})
    assert surroundings.settled({"HOME": "/", "PATH": "/bin", **given}) == plain
    assert plain["LC_ALL"] == "C.UTF-8"


@pytest.mark.parametrize(
    "given",
    [
        {"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/mine"},
        {"VAGRANT_HOME": "/mine", "VAGRANT_DOTFILE_PATH": ".mine"},
        {"COMPOSE_FILE": "docker/compose.yaml:docker/compose.offline.yaml"},
        {"OS_PASSWORD": "mine", "AZURE_CLIENT_ID": "mine", "SSL_CERT_FILE": "/mine"},
        {"ANSIBLE_HOSTS": "/mine/hosts", "NOCHAT_REQUIRE_ALL": "1"},
    ],
    ids=lambda given: " ".join(given),
)
def test_the_user_s_choices_stay(given):
    assert given.items() <= surroundings.settled({"HOME": "/", **given}).items()


def test_offline_nothing_is_fetched_but_packages():
    """One variable names all images and boxes that are made here; what is set besides stays."""
    given = {"HOME": "/", "NOCHAT_OFFLINE": "1", "NOCHAT_MACHINE_BOX": "mine"}
    made = surroundings.settled(given)
    assert made["BASE_IMAGE"] == "nochat/python"
    assert made["COMPOSE_FILE"] == "docker/compose.yaml:docker/compose.offline.yaml"
    assert (made["NOCHAT_MACHINE_BASE"], made["NOCHAT_MACHINE_BOX"]) == ("nochat/debian", "mine")
    older = surroundings.settled({"HOME": "/", "NOCHAT_OFFLINE": "1", "NOCHAT_DEBIAN": "12"})
    assert older["BASE_IMAGE"] == "nochat/python-12"
    assert older["NOCHAT_MACHINE_BOX"] == "nochat/debian-12"
    assert surroundings.OFFLINE.keys().isdisjoint(surroundings.settled({"HOME": "/"}))


def test_make_takes_that_too(tmp_path):
    """`NOCHAT_OFFLINE=1 make image`, and the programs of the project with it."""
    say = "printf '%s\\n' $(BUILD_ARGUMENTS) $(COMPOSE_FILE)"
    given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NOCHAT_OFFLINE": "1"}
    command = ["make", "--eval", f"say: image\n\t@{say}", "--dry-run", "say"]
    made = subprocess.run(
        command, cwd=surroundings.ROOT, env=given, capture_output=True, text=True, check=True
    ).stdout
    assert "BASE_IMAGE=nochat/python" in made
    assert "docker/compose.yaml:docker/compose.offline.yaml" in made
    assert made.startswith("tools/box python\n")


def test_a_second_time_changes_nothing(tmp_path):
    given = {"HOME": str(tmp_path / "none"), "TMPDIR": "/a b", "no_proxy": "x", **PROXIES}
    once = surroundings.settled(given)
    assert surroundings.settled(once) == once


def test_shell_scripts_and_make_take_the_same(tmp_path):
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "es_ES.UTF-8",
        "VAGRANT_CWD": "/other",
        "PYTHONWARNINGS": "error",
        "PYTHONHASHSEED": "no number",
        "TMPDIR": "/a 'b",
        **PROXIES,
    }
    script = ROOT / "nochat/lab/surroundings.py"
    command = f'eval "$(python3 -I {shlex.quote(str(script))})"; env'
    shown = subprocess.run(["bash", "-c", command], env=given, capture_output=True, text=True)
    seen = dict(line.partition("=")[::2] for line in shown.stdout.splitlines())
    seen = {name: value for name, value in seen.items() if name not in ("PWD", "SHLVL", "_")}
    assert seen == surroundings.settled(given)
    # make itself starts Python: nothing of the shell's may be in the way of that.
    made = subprocess.run(
        ["make", "--eval=try: ; @env", "try"],
        cwd=ROOT,
        env=given | {"COMPOSE_FILE": "/other/compose.yaml", "COMPOSE_PROJECT_NAME": "theirs"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "\nLC_ALL=C.UTF-8\n" in made
    assert not re.search(r"^(PYTHON(WARN|HASH)|COMPOSE_PROJECT_NAME)", made, re.M)
    assert "\nCOMPOSE_FILE=docker/compose.yaml\n" in made


# ---- Ansible ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("language", [{"LANG": "es_ES.UTF-8"}, {"LC_ALL": "en_US.UTF-8"}, NARROW])
def test_ansible_starts_whatever_language_and_settings_a_user_has(language, tmp_path):
    (tmp_path / ".ansible.cfg").write_text("[defaults]\nstrategy = none\ninventory = /gone\n")
    playbook = tmp_path / "try.yml"
    playbook.write_text(
        "- name: Try\n  hosts: all\n  connection: local\n  gather_facts: false\n  tasks:\n"
        "    - name: Say an arrow\n      ansible.builtin.command: echo → ñ\n"
        "      changed_when: false\n"
    )
    theirs = {
        "HOME": str(tmp_path),
        "ANSIBLE_STRATEGY": "none",
        "ANSIBLE_STDOUT_CALLBACK": "none",
        "ANSIBLE_VAULT_PASSWORD_FILE": "/gone",
        "ANSIBLE_INVENTORY": "/gone",
    }
    run = f"provision.ansible({str(playbook)!r}, quiet=True).tasks[0].result"
    assert (
        python(f"from nochat.lab.machines import provision; print({run})", language | theirs)
        == "ok"
    )
    # By hand, too.
    secrets = {"NOCHAT_SECRETS": str(tmp_path / "secrets.yml"), "NOCHAT_VAULT_PASSWORD": "secret"}
    ran = subprocess.run(
        [ROOT / "playbooks/secrets"],
        env={"PATH": os.environ["PATH"]} | language | theirs | secrets,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).read_text().startswith("$ANSIBLE_VAULT")


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "processes"), [({}, 2), ({"NOCHAT_MITOGEN": "1"}, 1)])
def test_by_mitogen_one_process_starts_all_modules(asked, processes, tmp_path):
    playbook, parents = tmp_path / "try.yml", tmp_path / "parents"
    task = (
        "    - name: Note who started the module\n"
        f"      ansible.builtin.shell: ps -o ppid= -p $PPID >>{parents}\n"
        "      changed_when: true\n"
    )
    playbook.write_text(
        "- name: Try\n  hosts: all\n  connection: local\n  gather_facts: false\n  tasks:\n"
        + 2 * task
    )
    python(
        f"from nochat.lab.machines import provision; provision.ansible({str(playbook)!r})", asked
    )
    assert len({*parents.read_text().split()}) == processes


# ---- Other projects' machines -------------------------------------------------------------------


@pytest.fixture
def vagrant(tmp_path, monkeypatch):
    """A program `vagrant` that notes where it works; its notes."""
    notes, programs = tmp_path / "notes", tmp_path / "bin"
    programs.mkdir()
    note = f'echo "$(pwd) ${{VAGRANT_CWD-none}} ${{VAGRANT_VAGRANTFILE-none}}" >>{notes}'
    (programs / "vagrant").write_text(f"#!/bin/sh\n{note}\n")
    (programs / "vagrant").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("VAGRANT_CWD", "/another/project")
    monkeypatch.setenv("VAGRANT_VAGRANTFILE", "Another")
    yield notes
    for guard in [*guards._guards.values()]:
        guard.release()


def test_the_machines_of_another_project_are_let_alone(vagrant, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    (other / "Vagrantfile").write_text('Vagrant.configure("2")\n')
    monkeypatch.chdir(other)  # where a student may keep a notebook, too
    monkeypatch.setenv("VAGRANT_DOTFILE_PATH", str(tmp_path / "made"))
    monkeypatch.setitem(farm.NEEDS, "virtualbox", ())
    machines.up(provider="virtualbox", quiet=True)
    subprocess.run([sys.executable, ROOT / "playbooks/inventory.py"], check=True)
    [said] = {*vagrant.read_text().splitlines()}
    assert said == f"{ROOT} {ROOT} none"


# ---- Docker -------------------------------------------------------------------------------------


def test_a_context_that_is_gone_is_named_with_what_to_do(monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(servers.NotAnswering, match=r"at gone can't be reached .*DOCKER_CONTEXT"):
        servers.docker()


@pytest.mark.parametrize("home", ["{ broken", None], ids=["broken config.json", "none"])
def test_an_engine_on_a_socket_is_not_asked_for_tls(home, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if home:
        (tmp_path / "config.json").write_text(home)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(servers.NotAnswering, match="daemon running") as caught:
        servers.docker()
    assert "ca.pem" not in str(caught.value)


def test_the_containers_of_another_project_are_let_alone():
    code = "from nochat.lab.containers import commands\n"
    code += "print(commands.environment()['COMPOSE_FILE'])"
    theirs = {"COMPOSE_FILE": "/another/project/compose.yaml", "COMPOSE_PROJECT_NAME": "theirs"}
    assert python(code, theirs) == "docker/compose.yaml"


# ---- Proxies ------------------------------------------------------------------------------------


@pytest.fixture
def page():
    """A page on loopback."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


CLIENTS = """
import asyncio, subprocess, sys, urllib.request
import nochat.lab
import aiohttp, httpx, requests

async def by_aiohttp(trust_env):
    async with aiohttp.ClientSession(trust_env=trust_env) as client, client.get(URL) as answer:
        return await answer.text()

print(urllib.request.urlopen(URL).read().decode())
print(httpx.get(URL).text)
print(requests.get(URL).text)
print(asyncio.run(by_aiohttp(False)), asyncio.run(by_aiohttp(True)))
print(subprocess.run(["curl", "-s", URL], capture_output=True, text=True).stdout)
"""


def test_every_client_reaches_this_computer_past_the_proxies(page):
    said = python(f"URL = {page!r}\n{CLIENTS}", PROXIES | {"no_proxy": "example.org"})
    assert said.split() == ["ok"] * 6


def test_outside_addresses_still_go_by_the_proxy(monkeypatch):
    settled = surroundings.settled({"HOME": "/", "NO_PROXY": "intranet", **PROXIES})
    assert PROXIES.items() <= settled.items()
    assert settled["no_proxy"] == settled["NO_PROXY"]
    assert NO_PROXY_FOR | {"intranet"} <= set(settled["no_proxy"].split(","))
    assert "no_proxy" not in surroundings.settled({"HOME": "/"})  # or macOS' own would not count
    for name, value in {**dict.fromkeys(proxies.NAMES, "intranet"), **PROXIES}.items():
        monkeypatch.setenv(name, value)
    assert proxies.for_url("https://listener.logz.io:8071") == f"http://{DEAD}"
    assert proxies.for_url("http://example.org") == f"http://{DEAD}"
    assert proxies.for_url("http://intranet") is None
    for here in (
        "http://localhost:1",
        "https://127.0.0.1",
        "http://[::1]:8000",
        "http://127.9.9.9",
    ):
        assert proxies.for_url(here) is None


def test_a_build_gets_the_proxies_that_it_can_reach():
    far = {"http_proxy": "http://proxy.example.org:3128", "no_proxy": "intranet"}
    assert proxies.outside(far | {"ALL_PROXY": DEAD}) == ["http_proxy", "no_proxy"]
    assert proxies.outside({"http_proxy": f"http://{DEAD}", "no_proxy": "intranet"}) == []


def test_a_proxy_that_nothing_here_speaks_to_is_named(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", f"socks5h://{DEAD}")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(proxies.NochatError, match=r"example\.org is a SOCKS proxy.*pip install"):
        proxies.for_url("https://example.org")


# ---- Folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a folder", "a'quote", "long" * 15, "gone", "file"])
def test_unusable_temporary_folders_are_passed_by(name, tmp_path):
    place = tmp_path / name
    if name == "file":
        place.touch()
    elif name != "gone":
        place.mkdir()
    assert surroundings.settled({"HOME": "/", "TMPDIR": str(place)})["TMPDIR"] == "/tmp"


def test_servers_get_a_folder_in_which_they_can_work(tmp_path):
    code = "from nochat.lab.folders import own_folder; import os\n"
    code += "folder = own_folder('x'); print(folder); os.rmdir(folder)"
    assert re.fullmatch(r"/tmp/[\w-]{1,40}", python(code, {"TMPDIR": str(tmp_path / "a b")}))


def test_also_where_the_folder_is_named_later(tmp_path, monkeypatch):
    (tmp_path / "a folder").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a folder"))
    folder = own_folder("x")
    folder.rmdir()
    assert " " not in str(folder)


def test_programs_can_run_in_the_folder(monkeypatch):
    """Some systems forbid that in their temporary folder."""
    real = os.statvfs("/")
    monkeypatch.setattr(
        os, "statvfs", lambda at: FakeStat(os.ST_NOEXEC if at == "/tmp" else real.f_flag)
    )
    assert surroundings.temporary("/tmp") == "/var/tmp"


class FakeStat:
    def __init__(self, flag: int) -> None:
        self.f_flag = flag


def test_jupyter_takes_no_settings_of_the_user_s_but_their_look(tmp_path):
    places = surroundings.of_jupyter(tmp_path / "run", {"HOME": str(tmp_path)})
    ours = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    assert all(Path(places[name]).is_relative_to(tmp_path / "run") for name in ours)
    assert places["JUPYTERLAB_SETTINGS_DIR"] == str(tmp_path / ".jupyter/lab/user-settings")
    (tmp_path / "file").touch()
    closed = {"HOME": str(tmp_path), "JUPYTER_DATA_DIR": str(tmp_path / "file/x")}
    closed["JUPYTER_CONFIG_DIR"] = str(tmp_path / "file")
    places = surroundings.of_jupyter(tmp_path / "run", closed)
    assert all(Path(path).is_relative_to(tmp_path / "run") for path in places.values())


# ---- A user without name and home ---------------------------------------------------------------

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


@pytest.fixture
def nameless():
    """Runs a program in a system where nobody has a name or a home; returns what came of it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="n") as folder:

        def run(*argv: str) -> subprocess.CompletedProcess:
            # The second one, as systemd knows root without the first.
            hide = "for it in passwd nsswitch.conf; do mount --bind /dev/null /etc/$it; done"
            script = f'{hide}; exec "$@"'
            return subprocess.run(
                ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, *argv],
                env={"PATH": os.environ["PATH"], "TMPDIR": folder, "NOCHAT_PORT": "0"},
                capture_output=True,
                text=True,
                timeout=50,
            )

        yield run


@needs_root
def test_a_user_without_name_and_home_gets_both(nameless):
    code = """
import getpass, pathlib, stat
from nochat import cli, settings
from nochat.local import doctor
assert doctor._home() == pathlib.Path.cwd()
from nochat.lab import chat, containers, course, machines, page, people, servers
from nochat.lab.machines import provision
home = pathlib.Path.home()
print(getpass.getuser(), home.name, oct(stat.S_IMODE(home.stat().st_mode)))
"""
    ran = nameless("-c", code)
    assert ran.stdout.split() == ["user-0", "nochat-home-0", "0o700"], ran.stderr


@needs_root
def test_the_chat_alone_asks_where_its_data_should_be(nameless):
    ran = nameless("-m", "nochat", "up")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "nochat: there is no home folder for the data: set NOCHAT_DATA_DIR\n"


# ---- Letters ------------------------------------------------------------------------------------


def test_a_program_of_a_notebook_may_have_an_arrow_in_it(tmp_path):
    code = "from nochat.lab import program; from pathlib import Path\n"
    code += "program.files['x.py'] = '# \\u2192'; program._write(Path('.'))"
    python(code, NARROW, cwd=tmp_path)
    assert (tmp_path / "x.py").read_text(encoding="utf-8") == "# →"


@pytest.mark.slow
def test_a_notebook_is_executed_by_our_kernel_in_utf8(tmp_path):
    spec = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": spec})
    say = "import os, sys; print('→', sys.flags.utf8_mode, 'spoiled' in globals())"
    notebook.cells = [nbformat.v4.new_code_cell(say)]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks/tiny.ipynb")
    kernel = tmp_path / "theirs/kernels/python3/kernel.json"
    startup = tmp_path / ".ipython/profile_default/startup/00.py"
    for file, text in {
        kernel: '{"argv": ["false"], "display_name": "Another", "language": "python"}',
        startup: "spoiled = True\n",
    }.items():
        file.parent.mkdir(parents=True)
        file.write_text(text)
    theirs = {"HOME": str(tmp_path), "JUPYTER_PATH": str(tmp_path / "theirs")}
    theirs |= {"JUPYTER_RUNTIME_DIR": "/proc/1/none", **NARROW}
    python(
        "from nochat.lab.course import execution; assert execution.main([]) == 0",
        theirs,
        cwd=tmp_path,
    )
    made = nbformat.read(tmp_path / "build/notebooks/tiny.ipynb", as_version=4)
    assert made.cells[0].outputs[0].text == "→ 1 False\n"


def test_children_of_python_work_in_utf8():
    code = "import nochat.lab, subprocess, sys; print(subprocess.run([sys.executable, '-c', "
    code += "'import sys; print(sys.flags.utf8_mode, sys.stdout.encoding)'], text=True, "
    code += "capture_output=True).stdout)"
    assert python(code, NARROW | {"PYTHONIOENCODING": "latin-1"}) == "1 utf-8"


def without_encoding(tree: ast.AST):
    """Yield the calls that open a file as text and do not say in which encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(
            keyword.arg == "encoding" for keyword in node.keywords
        ):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in ("read_text", "write_text"):
            yield node
        elif name in ("open", "TemporaryFile", "NamedTemporaryFile"):
            if isinstance(called, ast.Attribute) and ast.unparse(called.value) in ("os", "tarfile"):
                continue
            given = node.args[0 if isinstance(called, ast.Attribute) else 1 :][:1]
            # Without a mode, `x.open()` may be of anything.
            usual = "r" if isinstance(called, ast.Name) and name == "open" else "b"
            mode = getattr(given[0], "value", None) if given else usual
            if isinstance(mode, str) and set(mode) <= set("rwax+t"):
                yield node


def test_every_text_file_is_opened_in_a_named_encoding():
    folders = ("nochat", "tools", "playbooks", "docker", "vagrant", "docs", "benchmarks")
    listed = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    places = []
    for file in map(ROOT.joinpath, listed):
        if file.suffix == ".ipynb" or not file.exists():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".py" or text.startswith("#!/usr/bin/env python3"):
            lines = without_encoding(ast.parse(text))
            places += [f"{file.relative_to(ROOT)}:{call.lineno}" for call in lines]
    assert places == []


# ---- What git makes of it -----------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path):
    """Clones this project, as it is committed, and returns the folder."""

    def clone(*options: str, umask: int = 0o022) -> Path:
        folder = tmp_path / "clone"
        subprocess.run(
            ["git", *options, "clone", "--quiet", "--depth=1", f"file://{ROOT}", folder],
            check=True,
            umask=umask,
        )
        return folder

    return clone


def test_line_ends_are_those_of_linux_whatever_git_is_told(clone):
    folder = clone("-c", "core.autocrlf=true")
    shown = subprocess.run(
        ["git", "ls-files", "--eol"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [line for line in shown if "w/crlf" in line or "w/mixed" in line] == []


def test_containers_can_read_their_settings_whatever_the_umask(clone):
    folder = clone(umask=0o077)
    assert stat.S_IMODE((folder / "docker/haproxy.cfg").stat().st_mode) == 0o600
    subprocess.run([folder / "docker/secrets"], check=True, capture_output=True, umask=0o077)
    compose = (folder / "docker/compose.yaml").read_text() + (
        folder / "docker/compose.tls.yaml"
    ).read_text()
    mounted = re.findall(r'"\./([\w.-]+):', compose)
    assert len(mounted) >= 4
    for name in mounted:
        wanted = 0o555 if name == "calm" else 0o444
        assert (folder / "docker" / name).stat().st_mode & wanted == wanted, name
    secrets = [*(folder / "docker/.secrets").iterdir()]
    assert all(secret.stat().st_mode & 0o444 == 0o444 for secret in secrets)
    assert stat.S_IMODE((folder / "docker/.secrets").stat().st_mode) == 0o700


def test_programs_of_an_image_have_their_mode_from_the_dockerfile():
    for file in ("docker/Dockerfile", "docker/servers/Dockerfile"):
        for line in (ROOT / file).read_text().splitlines():
            names = re.findall(r"(?:^|/| )(settle|healthy|calm|with-ca|mariadb[\w.-]+)\b", line)
            assert not line.startswith("COPY") or not names or "--chmod=" in line, line


@needs_root
def test_packages_are_installed_where_there_is_no_run_lock(tmp_path):
    """In a system of our own, as in a container without systemd; apt is one that only notes."""
    for name, said in {"dpkg-query": "", "apt-get": "", "apt-cache": "", "dpkg": ""}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} $* >>{tmp_path}/notes\n{said}\n")
        (tmp_path / name).chmod(0o755)
    hide = "mount -t tmpfs none /run && mount -t tmpfs none /usr/sbin"
    script = f"{hide} && PATH={tmp_path}:$PATH exec {shlex.quote(str(ROOT))}/tools/apt-install"
    env = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script], env=env, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "apt-get -q -y -o DPkg::Lock::Timeout=300 install" in (tmp_path / "notes").read_text()
    assert "done in" in ran.stdout
    assert json.dumps(ran.stderr) == '""'
