"""The commands: up, down, env, status, logs."""

import argparse
import concurrent.futures
import subprocess
import time

from . import (
    browser,
    chromium,
    clustered,
    elasticsearch,
    guarded,
    handbook,
    nasm,
    onnxruntime,
    pack,
    paths,
    ports,
    postgres,
    processes,
    rabbitmq,
    s3,
    secured,
    services,
    settings,
    stamps,
)
from .say import StackError, say

STORES = (postgres, rabbitmq, elasticsearch)
STORE_NAMES = tuple(store.NAME for store in STORES)
STOP_SECONDS = {"postgres": 30, "rabbitmq": 40, "elasticsearch": 40}


def main(arguments):
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.action(options) or 0
    except StackError as error:
        say("error: %s" % error)
        return 1
    except BrokenPipeError:
        return 0  # whoever read our output has enough
    except KeyboardInterrupt:
        say("stopped by you; run the same command again to go on")
        return 130


def up(options):
    """Starts what is not running: stores, then the services unless only stores are wanted."""
    begun = time.monotonic()
    wanted = _named(options.names) or (STORE_NAMES if options.stores else STORE_NAMES + settings.SERVICES)
    wanted_services = [name for name in settings.SERVICES if name in wanted]
    if wanted_services:
        build_tools(options)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # Cargo has a lock of its own, so the long first build keeps nobody from the stores.
        building = pool.submit(services.build) if wanted_services else None
        try:
            with paths.locked():
                config = _up_stores(wanted, with_pack=bool(wanted_services))
        except StackError:
            if building and building.running():
                say("a store failed; what it was follows when the build has ended")
            raise
        if building:
            building.result()
    if wanted_services:
        with paths.locked():
            pack.fetch()
            services.migrate()
            for name in wanted_services:
                services.start(name, config + pack.identity())
            _together([lambda name=name: services.wait(name) for name in wanted_services])
    say("up after %.1f s: %s" % (time.monotonic() - begun, ", ".join(wanted)))


def build_tools(options):
    """Gets the assembler that cargo's builds need, where the machine has none."""
    del options
    with paths.locked():
        paths.make_folders()
        nasm.obtain()


def obtain(options):
    """Gets everything that is not there yet, and starts nothing."""
    del options
    with paths.locked():
        paths.make_folders()
        others = [onnxruntime.obtain, pack.obtain, stamps.obtain, handbook.obtain, browser.obtain, s3.obtain]
        # What is fetched is fetched by a command that is built first.
        _together([store.obtain for store in STORES] + others + [services.build])
        pack.fetch()


def down(options):
    """Stops what `up` and the demo started: first everything else, then the stores."""
    if not paths.RUN.exists():
        return
    chosen = _named(options.names, also=processes.names())
    with paths.locked():
        running = [name for name in processes.names() if not chosen or name in chosen]
        last = ("epmd",)
        for group in (
            [name for name in running if name not in STORE_NAMES + last],
            [name for name in running if name in STORE_NAMES],
            [name for name in running if name in last],
        ):
            _together([lambda name=name: _stop(name, options.quiet) for name in group])


def env(options):
    """Prints every address as shell variables."""
    del options
    paths.STACK.mkdir(exist_ok=True)
    print("\n".join(settings.exports()))


def status(options):
    """Prints what runs; the exit code is 0 when all of it does."""
    del options
    checks = {store.NAME: lambda store=store: (store.ready(), "") for store in STORES}
    checks.update({name: lambda name=name: services.health(name) for name in settings.SERVICES})
    well = True
    for name, health in checks.items():
        pid = processes.running(name)
        ready, why = health() if pid else (False, "")
        state = "ready" if ready else "not ready" if pid else "down"
        well = well and ready
        print("%-14s %-10s port %-6d pid %-8s %s" % (name, state, ports.port(name), pid or "-", why))
    return 0 if well else 3


def logs(options):
    """Prints the last lines of the named logs, or follows them."""
    known = sorted(file.stem for file in paths.LOG.glob("*.log"))
    names = options.names or known
    for name in names:
        if name not in known:
            raise StackError("there is no log of `%s`; there are: %s" % (name, ", ".join(known)))
    files = [str(processes.log_of(name)) for name in names]
    if not files:
        raise StackError("there is no log yet: nothing was started")
    command = ["tail", "-n", str(options.lines)] + (["-F"] if options.follow else []) + files
    return subprocess.run(command).returncode


def secure(options):
    """Runs two Elasticsearch nodes with TLS and a password for a test, until the input ends."""
    numbers = options.ports
    secured.run(options.folder, [(numbers[0], numbers[1]), (numbers[2], numbers[3])])


def cluster(options):
    """Runs three RabbitMQ nodes for a test, until the input ends."""
    clustered.run(options.folder, options.ports)


def guard(options):
    """Runs Postgres and RabbitMQ with TLS alone for a test, until the input ends."""
    guarded.run(options.folder, options.ports)


def _up_stores(wanted, with_pack):
    """Starts the wanted stores, gets what the services need, and returns the configuration."""
    paths.make_folders()
    ports.port("postgres")  # chooses the ports before the parallel parts ask for theirs
    config = settings.write()
    parts = [_start_store(store) for store in STORES if store.NAME in wanted]
    _together(parts + [onnxruntime.obtain] + ([pack.obtain, chromium.obtain] if with_pack else []))
    return config


def _start_store(store):
    def action():
        store.start()
        store.wait()

    return action


def _stop(name, quiet):
    grace = STOP_SECONDS.get(name, services.STOP_SECONDS)
    if processes.stop(name, grace) and not quiet:
        say("stopped %s" % name)


def _together(actions):
    """Runs all in parallel, lets all of them end, then raises the first error."""
    if not actions:
        return
    with concurrent.futures.ThreadPoolExecutor(len(actions)) as pool:
        errors = [future.exception() for future in [pool.submit(action) for action in actions]]
    found = [error for error in errors if error]
    for error in found[1:]:
        say("error: %s" % error)
    if found:
        raise found[0]


def _named(names, also=()):
    known = list(dict.fromkeys(STORE_NAMES + settings.SERVICES + tuple(also)))
    for name in names:
        if name not in known:
            raise StackError("there is no part `%s`; there are: %s" % (name, ", ".join(known)))
    return tuple(names)


def _parser():
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, action):
        made = commands.add_parser(name, help=action.__doc__, description=action.__doc__)
        made.set_defaults(action=action)
        return made

    one = command("up", up)
    one.add_argument("names", nargs="*", metavar="NAME", help="only these parts")
    one.add_argument("--stores", action="store_true", help="only the stores")
    two = command("down", down)
    two.add_argument("names", nargs="*", metavar="NAME", help="only these parts")
    two.add_argument("--quiet", action="store_true", help="print nothing")
    command("build-tools", build_tools)
    command("obtain", obtain)
    command("env", env)
    command("status", status)
    three = command("logs", logs)
    three.add_argument("names", nargs="*", metavar="NAME")
    three.add_argument("--follow", "-f", action="store_true")
    three.add_argument("--lines", "-n", type=int, default=40)
    four = command("secured", secure)
    four.add_argument("folder", metavar="FOLDER", help="with ca.pem, node.pem and node.key; all else goes there")
    four.add_argument("ports", nargs=4, type=int, metavar="PORT", help="HTTP and transport of each node")
    five = command("clustered", cluster)
    five.add_argument("folder", metavar="FOLDER", help="where all of it goes")
    five.add_argument(
        "ports", nargs=10, type=int, metavar="PORT", help="AMQP, management and distribution of each node, and epmd"
    )
    six = command("guarded", guard)
    six.add_argument("folder", metavar="FOLDER", help="with ca.pem, node.pem and node.key; all else goes there")
    six.add_argument(
        "ports", nargs=5, type=int, metavar="PORT", help="Postgres, AMQP, management, distribution and epmd"
    )
    return parser
