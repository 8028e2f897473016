"""Postgres: a cluster of our own, never the system's."""

import os
import pathlib
import shutil
import subprocess

from . import account, debs, paths, ports, processes, versions
from .download import run, whole
from .say import StackError, say
from .secrets_file import USER, password

NAME = "postgres"
DATABASE = "tusou"
CLUSTER = paths.DATA / "postgres"

# The hundreds of short-lived databases of the tests need connections; nothing here trades safety for speed.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 256MB
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
"""


def obtain():
    """Finds Postgres on the machine, or gets it."""
    programs()


def start():
    """Starts the server unless it runs, and makes the database."""
    if processes.already_runs(NAME):
        return
    ports.must_be_free(NAME)
    binaries, env = programs()
    _make_cluster(binaries, env)
    (CLUSTER / "postmaster.pid").unlink(missing_ok=True)  # left by a kill; ours is known not to run
    say("starting Postgres on port %d" % ports.port(NAME))
    processes.start(
        NAME,
        list(account.prefix()) + [binaries / "postgres", "-D", CLUSTER, "-p", ports.port(NAME)],
        env=env,
    )


def wait():
    """Waits until the server answers, then makes sure of the database."""
    processes.wait_until(NAME, ready, 60, "answer")
    binaries, env = programs()
    env = dict(env, PGPASSWORD=password("database"))
    where = ["-h", ports.HOST, "-p", str(ports.port(NAME)), "-U", USER]
    query = "select 1 from pg_database where datname = '%s'" % DATABASE
    there = run([binaries / "psql"] + where + ["-d", "postgres", "-tAc", query], "asking Postgres", env=env)
    if there.strip() != "1":
        run([binaries / "createdb"] + where + [DATABASE], "making the database", env=env)


def ready():
    """Whether the server accepts connections."""
    binaries, env = programs()
    command = [binaries / "pg_isready", "-q", "-h", ports.HOST, "-p", str(ports.port(NAME))]
    return subprocess.run(command, env=env).returncode == 0


def url(database=DATABASE):
    """The address of a database, with the superuser's password."""
    return "postgres://%s:%s@%s:%d/%s" % (USER, password("database"), ports.HOST, ports.port(NAME), database)


def programs():
    """The folder of Postgres's programs, and the environment that they need."""
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "HOME": str(paths.STACK)}
    for candidate in _installed():
        return candidate, env
    root = debs.unpacked("postgres", versions.POSTGRES_PACKAGES)
    env["LD_LIBRARY_PATH"] = debs.library_path(root)
    return root / "usr" / "lib" / "postgresql" / versions.POSTGRES_MAJOR / "bin", env


def _installed():
    if debs.IGNORE_INSTALLED:
        return
    debian = pathlib.Path("/usr/lib/postgresql") / versions.POSTGRES_MAJOR / "bin"
    if (debian / "postgres").exists() and (debian / "initdb").exists():
        yield debian
    elsewhere = shutil.which("postgres")
    if elsewhere and " %s." % versions.POSTGRES_MAJOR in run(
        [elsewhere, "--version"], "asking Postgres its version"
    ):
        yield pathlib.Path(elsewhere).resolve().parent


def _make_cluster(binaries, env):
    if CLUSTER.exists():
        _check_cluster()
        return
    say("making a Postgres cluster")
    with whole(CLUSTER) as part:
        secret = paths.STACK / "postgres-password.part"
        secret.touch(mode=0o600)
        secret.write_text(password("database"))
        account.own(secret)
        account.own(part)
        try:
            make_cluster(binaries, env, part, secret)
        finally:
            secret.unlink()
        with open(part / "postgresql.conf", "a") as settings:
            settings.write(SETTINGS)


def make_cluster(binaries, env, folder, secret):
    """Makes a cluster in an empty folder; `secret` is the file with the superuser's password."""
    run(
        list(account.prefix())
        + [binaries / "initdb", "-D", folder, "-U", USER, "--pwfile", secret]
        + ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"],
        "initdb",
        env=env,
        cwd=paths.STACK,
    )


def _check_cluster():
    version = (CLUSTER / "PG_VERSION").read_text().strip()
    if version != versions.POSTGRES_MAJOR:
        raise StackError(
            "%s was made by Postgres %s, and this stack runs %s: `make down`, then move that folder away"
            % (CLUSTER, version, versions.POSTGRES_MAJOR)
        )
    if account.is_root():
        account.own(CLUSTER)  # an ordinary user may have made it
