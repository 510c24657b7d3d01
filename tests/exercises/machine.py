"""A machine without the chat that has its units and files: enough for the judges of notebook 04."""

from pathlib import Path

from nochat.lab.exercise.plays import as_root
from nochat.lab.machines import Farm

HOST = "database-host"

INSTALL = r"""
set -e
unit() {
    printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=%s\n' "$2" >"$1"
    printf '[Install]\nWantedBy=multi-user.target\n' >>"$1"
}
cd /usr/lib/systemd/system
unit mariadb.service '/bin/sleep infinity'
unit mongodb-stand-in.service '/bin/sleep infinity'
unit rabbitmq-server.service "/bin/sh -c 'exec python3 -m http.server \
    --bind \$(sed -n \"s/^management.tcp.ip = //p\" /etc/rabbitmq/rabbitmq.conf) 15672'"
printf '[Unit]\nDescription=NoChat\n[Install]\nWantedBy=multi-user.target\n' >nochat.target
mkdir -p /etc/rabbitmq
printf 'management.tcp.ip = 127.0.0.1\n' >/etc/rabbitmq/rabbitmq.conf
printf '[Service]\nUser=nochat\nExecStart=/bin/true\n' >/etc/systemd/system/nochat@.service
install -m 640 /dev/null /etc/default/nochat
systemctl daemon-reload
systemctl enable --quiet --now mariadb mongodb-stand-in rabbitmq-server nochat.target
"""

# The tasks have the names of those of the project's roles.
PLAY = """
- name: Set up a machine
  hosts: all
  become: true
  gather_facts: false
  tasks:
"""
SERVERS = """
    - name: Configure RabbitMQ
      ansible.builtin.copy:
        content: "management.tcp.ip = 127.0.0.1\\n"
        dest: /etc/rabbitmq/rabbitmq.conf
        mode: "0644"
      notify: Restart RabbitMQ
    - name: Start MariaDB, now and at boot
      ansible.builtin.systemd_service:
        name: mariadb.service
        state: started
        enabled: true
    - name: Start the stand-in, now and at boot
      ansible.builtin.systemd_service:
        name: mongodb-stand-in.service
        state: started
        enabled: true
  handlers:
    - name: Restart RabbitMQ
      ansible.builtin.systemd_service:
        name: rabbitmq-server.service
        state: restarted
"""
APP = """
    - name: Set the chat's settings
      ansible.builtin.file:
        path: /etc/default/nochat
        mode: "0640"
    - name: Describe the chat's processes to systemd
      ansible.builtin.copy:
        content: "[Service]\\nUser=nochat\\nExecStart=/bin/true\\n"
        dest: /etc/systemd/system/nochat@.service
        mode: "0644"
    - name: Start the chat, now and at boot
      ansible.builtin.systemd_service:
        name: nochat.target
        state: started
        enabled: true
        daemon_reload: true
"""
# What somebody may do by hand instead.
BY_HAND = {
    "masked": "systemctl unmask --quiet mariadb; systemctl start mariadb",
    "stopped": "systemctl start mongodb-stand-in",
    "boot": "systemctl enable --quiet nochat.target",
    "open": "sed -i 's/0.0.0.0/127.0.0.1/' /etc/rabbitmq/rabbitmq.conf; "
    "systemctl restart rabbitmq-server",
    "readable": "chmod 640 /etc/default/nochat",
    "root": "sed -i s/root/nochat/ /etc/systemd/system/nochat@.service; systemctl daemon-reload",
}


def install(farm: Farm) -> None:
    """Put the units and files on the machine."""
    as_root(farm, HOST, INSTALL)


def write_playbooks(folder: Path) -> None:
    """Write small ones, by the names of the project's."""
    (folder / "servers.yml").write_text(PLAY + SERVERS)
    (folder / "app.yml").write_text(PLAY + APP)


def repair(farm: Farm, *causes: str) -> None:
    """Put faults right by hand."""
    as_root(farm, HOST, "\n".join(BY_HAND[cause] for cause in causes))
