"""The demo from beginning to end."""

import concurrent.futures
import os
import pathlib
import shlex
import subprocess
import sys
import time

from tusou_stack import cli, paths, ports, processes, settings
from tusou_stack.say import StackError, say

from . import operator, progress, server, sites, truth

HERE = pathlib.Path(__file__).resolve().parents[1]
QUERY_PICTURE = "animals/mammals/cats/tiger.png"  # one of the stamps
QUERY_ENGLISH = "a penguin"
QUERY_CHINESE = "老虎"  # tiger
HITS = "5"


class Site:
    """One of the demo's sites: laid out, being counted, served."""

    def __init__(self, name, lay_out):
        self.name = name
        self.address = "http://%s:%d/index.html" % (ports.HOST, ports.port(name))
        self.folder = lay_out()
        self.truth_file = self.folder.with_suffix(".truth")
        self.truth_file.unlink(missing_ok=True)
        # In a process of its own: the crawl is faster than the counting.
        self.counting = subprocess.Popen(
            [
                sys.executable,
                str(HERE / "demo"),
                "count",
                str(self.folder),
                self.address,
                str(self.truth_file),
            ],
            stdin=subprocess.DEVNULL,
        )

    def truth(self):
        """What a crawl must find here, or None while it is still counted."""
        code = self.counting.poll()
        if code is None:
            return None
        if code != 0:
            raise StackError("counting %s failed (exit %d)" % (self.folder, code))
        return truth.load(self.truth_file)

    def serve(self):
        """Serves the site until `make down`."""
        _serve(self.name, self.folder)


def main(arguments):
    """`demo` runs it all; `serve FOLDER PORT` and `count FOLDER ADDRESS FILE` are parts of it."""
    if arguments[:1] == ["serve"]:
        server.serve(arguments[1], int(arguments[2]))
        return 0
    if arguments[:1] == ["count"]:
        truth.save(truth.count(arguments[1], arguments[2]), arguments[3])
        return 0
    take_down = os.environ.get("DEMO_EXIT") == "1"
    agrees = False
    try:
        agrees = _demo()
    except StackError as error:
        say("error: %s" % error)
    except KeyboardInterrupt:
        say("stopped by you; run `make demo` again to go on, or `make down`")
        return 130
    finally:
        if take_down:
            cli.main(["down"])
    if agrees and not take_down:
        addresses = settings.variables()
        say(
            "the system is left running: open %s to search, %s to operate it; stop it by `make down`"
            % (addresses["TUSOU_SEARCH_URL"], addresses["TUSOU_OPERATOR_URL"])
        )
    return 0 if agrees else 1


def _demo():
    begun = time.monotonic()
    paths.make_folders()
    ports.port("search")  # chooses the ports before the parallel parts ask for theirs
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        preparing = pool.submit(_sites)
        if cli.main(["up"]) != 0:
            return False
        both = preparing.result()
    for site in both:
        site.serve()
        say("seeding %s" % site.address)
        operator.tusou("seed", site.address, "--scope", "host")
    status = progress.watch(lambda: _expected(both))
    for site in both:
        site.counting.wait(timeout=120)
        counted = site.truth()
        say(
            "%s has %d pages that show %d different pictures"
            % (site.address, counted.pages, len(counted.pictures))
        )
    agrees = _compare(_expected(both), status, {site.address for site in both})
    _query()
    say("the demo took %.0f s" % (time.monotonic() - begun))
    return agrees


def _sites():
    return [Site("demo-handbook", sites.handbook), Site("demo-gallery", sites.stamps_gallery)]


def _expected(both):
    """What a crawl of all sites must find, or None while it is still counted."""
    counts = [site.truth() for site in both]
    return truth.total(counts) if all(counts) else None


def _serve(name, folder):
    if processes.already_runs(name):
        return
    ports.must_be_free(name)
    number = ports.port(name)
    processes.start(name, [sys.executable, HERE / "demo", "serve", folder, number])
    processes.wait_until(name, lambda: ports.is_open(number), 20, "listen")


def _compare(expected, status, addresses):
    """Prints each count beside the true one; True when all agree."""
    images, pages = status["images"], status["pages"]
    rows = [
        (
            "documents of the sites' pictures in Elasticsearch",
            len(expected.pictures),
            operator.documents(expected.pictures),
        )
    ]
    others = [seed["url"] for seed in status["seeds"] if seed["url"] not in addresses]
    if others:
        say("other seeds were crawled too (%s): only the demo's own pictures are counted" % ", ".join(others))
    else:
        rows += [
            ("pages fetched", expected.pages, pages["done"]),
            ("links that lead nowhere", expected.missing, progress.total(pages["failed"])),
            ("pictures stored", len(expected.pictures), images["stored"]),
            ("pictures encoded", len(expected.pictures), images["encoded"]),
            ("pictures indexed", len(expected.pictures), images["indexed"]),
            ("pictures that failed", 0, progress.total(images["failed"]) + progress.total(images["refused"])),
            ("pictures' addresses that failed", 0, progress.total(status["image_urls"]["failed"])),
            ("sightings", expected.shown, status["sightings"]),
            ("documents in Elasticsearch", len(expected.pictures), operator.documents()),
            (
                "dead letters",
                0,
                sum(queue["ready"] for queue in status["queues"] if queue["name"].endswith(".dead")),
            ),
        ]
    agrees = True
    for what, true, counted in rows:
        agrees = agrees and true == counted
        say(
            "%-50s true %6d, counted %6d  %s"
            % (what, true, counted, "" if true == counted else "<- DISAGREES")
        )
    return agrees


def _query():
    picture = str(sites.stamps() / QUERY_PICTURE)
    for words in (["--image", picture], ["--text", QUERY_ENGLISH], ["--text", QUERY_CHINESE]):
        command = ["search"] + words + ["-k", HITS]
        say("tusou " + " ".join(shlex.quote(word) for word in command))
        operator.tusou(*command, show=True)
