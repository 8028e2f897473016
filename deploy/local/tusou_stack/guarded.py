"""Postgres and RabbitMQ with TLS and nothing without it, for the tests that ask for them.

Both run from a folder of the test's own, until the input of whoever runs this command ends.
"""

import json
import secrets
import ssl
import sys

from . import account, paths, ports, postgres, rabbitmq
from .children import Children, with_certificates
from .secrets_file import USER

START_SECONDS = 120

# A second address of this machine, which the certificate does not name.
UNNAMED = "127.0.0.2"

POSTGRES = """
listen_addresses = '127.0.0.1,%s'
unix_socket_directories = ''
port = {port}
fsync = off
ssl = on
ssl_cert_file = 'node.pem'
ssl_key_file = 'node.key'
""" % UNNAMED

ACCESS = "hostssl all all all scram-sha-256\nhostnossl all all all reject\n"

RABBITMQ = (
    rabbitmq.COMMON.replace("listeners.tcp.1 = 127.0.0.1:{amqp}\n", "").replace("management.tcp", "management.ssl")
    + """\
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:{amqp}
listeners.ssl.2 = %s:{amqp}
ssl_options.certfile = {folder}/node.pem
ssl_options.keyfile = {folder}/node.key
management.ssl.certfile = {folder}/node.pem
management.ssl.keyfile = {folder}/node.key
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 64MB
""" % UNNAMED
)


def run(folder, numbers):
    """Starts both, prints one line of JSON when they answer, and waits until the input ends."""
    folder = with_certificates(folder)
    with paths.locked():
        paths.make_folders()
        postgres.obtain()
        rabbitmq.obtain()
    database_port, amqp, management, distribution, epmd = numbers
    password = secrets.token_hex(12)
    trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    api = "https://localhost:%d" % management
    with Children(folder, START_SECONDS) as children:
        # Whoever runs the servers must be able to walk there.
        folder.chmod(0o755)
        _start_postgres(children, folder / "postgres", database_port, password)
        _start_rabbitmq(children, folder / "rabbitmq", (amqp, management, distribution, epmd), password)
        children.wait(["postgres"], lambda _: ports.is_open(database_port))
        children.wait(["rabbitmq"], lambda _: rabbitmq.is_well(api, amqp, password, trusting))
        told = {
            "password": password,
            "unnamed": UNNAMED,
            "database": "postgres://%s:%s@localhost:%d/postgres" % (USER, password, database_port),
            "amqp": "amqps://%s:%s@localhost:%d/%%2f" % (USER, password, amqp),
            "api": "https://%s:%s@localhost:%d" % (USER, password, management),
        }
        print(json.dumps(told), flush=True)
        sys.stdin.read()


def _start_postgres(children, data, port, password):
    binaries, env = postgres.programs()
    secret = data.parent / "postgres-password"
    secret.write_text(password)
    data.mkdir()
    account.own(data)
    account.own(secret)
    postgres.make_cluster(binaries, env, data, secret)
    for name in ("node.pem", "node.key"):
        _copy(data.parent / name, data)
    (data / "pg_hba.conf").write_text(ACCESS)
    with open(data / "postgresql.conf", "a") as settings:
        settings.write(POSTGRES.format(port=port))
    account.own(data)
    children.start("postgres", list(account.prefix()) + [binaries / "postgres", "-D", data], data, env)


def _start_rabbitmq(children, home, numbers, password):
    amqp, management, distribution, epmd = numbers
    home.mkdir()
    for name in ("node.pem", "node.key"):
        _copy(home.parent / name, home)
    config = RABBITMQ.format(amqp=amqp, management=management, user=USER, password=password, folder=home)
    rabbitmq.write_home(home, config, secrets.token_hex(12))
    server, erlang, env = rabbitmq.programs(home, epmd)
    children.start("epmd", rabbitmq.epmd(erlang, epmd), home, env)
    children.wait(["epmd"], lambda _: ports.is_open(epmd))
    env.update(rabbitmq.environment(home, "tusou-guarded@localhost", distribution))
    env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = rabbitmq.SMALL
    children.start("rabbitmq", list(account.prefix()) + [server], home, env)


def _copy(file, folder):
    copy = folder / file.name
    copy.touch(mode=0o600)
    copy.write_bytes(file.read_bytes())
