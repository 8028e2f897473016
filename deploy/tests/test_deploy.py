"""Tests of the local stack's and the demo's own parts. Run by `make check`; they need no store."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
import zipfile
from unittest import mock

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(DEPLOY / "local"), str(DEPLOY / "demo")]
sys.dont_write_bytecode = True

from tusou_demo import gallery, progress, server, truth  # noqa: E402
from tusou_stack import browser, chromium, debs, download, nasm, paths, ports, processes, services, settings, versions  # noqa: E402
from tusou_stack.say import StackError  # noqa: E402

PNG = b"\x89PNG\r\n\x1a\n"


class Folder(unittest.TestCase):
    """Gives each test an empty folder that stands in for `.stack`."""

    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = pathlib.Path(kept.name).resolve()
        for name in ("RUN", "LOG", "STACK"):
            place = self.folder / ("stack" if name == "STACK" else name.lower())
            place.mkdir()
            patched = mock.patch.object(paths, name, place)
            patched.start()
            self.addCleanup(patched.stop)


class Nasm(Folder):
    def program(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "nasm"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    def test_it_is_unpacked_once_and_only_where_the_machine_has_none(self):
        empty, own = self.folder / "empty", self.folder / "own"
        empty.mkdir()
        self.program(own)
        unpacked = []

        def unpack(name, package):
            unpacked.append((name, package))
            self.program(nasm.FOLDER)

        with mock.patch.object(nasm, "FOLDER", self.folder / "nasm"), mock.patch.object(debs, "one", unpack):
            with mock.patch.dict(os.environ, PATH=str(own)):
                nasm.obtain()
            self.assertEqual(unpacked, [])
            with mock.patch.dict(os.environ, PATH=str(empty)):
                nasm.obtain()
                nasm.obtain()
                self.assertEqual(nasm.search_path(), "%s:%s" % (self.folder / "nasm", empty))
            self.assertEqual(unpacked, [("nasm", "nasm")])


class Chromium(Folder):
    def setUp(self):
        super().setUp()
        root = self.folder / "chromium"
        for name, value in (("ROOT", root), ("WRAPPER", root / "tusou-chromium")):
            patched = mock.patch.object(chromium, name, value)
            patched.start()
            self.addCleanup(patched.stop)
        patched = mock.patch.object(debs, "IGNORE_INSTALLED", True)
        patched.start()
        self.addCleanup(patched.stop)

    def unpack(self, name, packages):
        """Stands in for Debian's packages: a program that says where its libraries are."""
        libraries = chromium.ROOT / "usr" / "lib" / "x86_64-linux-gnu"
        program = chromium.ROOT / "usr" / "lib" / "chromium" / "chromium"
        for folder in (libraries / "pulseaudio", libraries / "dri", program.parent):
            folder.mkdir(parents=True)
        (libraries / "libLLVM-15.so.1").touch()
        program.write_text("#!/bin/sh\necho Chromium 1 $LD_LIBRARY_PATH $FONTCONFIG_FILE $1\n")
        program.chmod(0o755)

    def test_an_unpacked_one_finds_what_lies_beside_it(self):
        with mock.patch.object(debs, "unpacked", side_effect=self.unpack):
            chromium.obtain()
        # Whoever evaluated `stack env` has other fonts: those of the tests.
        environment = {name: value for name, value in os.environ.items() if name != "TUSOU_FONTS"}
        command = [chromium.program(), "--version"]
        said = subprocess.run(command, stdout=subprocess.PIPE, env=environment).stdout.decode()
        libraries = chromium.ROOT / "usr" / "lib" / "x86_64-linux-gnu"
        self.assertIn("%s:%s/pulseaudio " % (libraries, libraries), said)
        self.assertIn("%s/fonts.conf --version" % chromium.ROOT, said)
        self.assertEqual([path.name for path in libraries.iterdir()], ["pulseaudio"])

    def test_without_apt_there_is_none_and_nothing_fails(self):
        with mock.patch("shutil.which", return_value=None):
            chromium.obtain()
            self.assertEqual(chromium.program(), "")

    def test_one_that_does_not_run_is_told_with_the_remedy(self):
        def unpack(name, packages):
            self.unpack(name, packages)
            program = chromium.ROOT / "usr" / "lib" / "chromium" / "chromium"
            program.write_text("#!/bin/sh\necho something else\n")

        with mock.patch.object(debs, "unpacked", side_effect=unpack):
            with self.assertRaisesRegex(StackError, "something else.*remove .*chromium"):
                chromium.obtain()


    def test_one_of_an_older_checkout_is_replaced_since_it_has_no_driver(self):
        with mock.patch.object(debs, "unpacked", side_effect=self.unpack) as unpacked:
            chromium.obtain()
            (chromium.ROOT / "of-an-older-checkout").touch()
            chromium.obtain()
            self.assertEqual(unpacked.call_count, 2)
        self.assertFalse((chromium.ROOT / "of-an-older-checkout").exists())


class Browser(Folder):
    """The driver that tests of the pages speak to is of the version of the Chromium beside it."""

    def setUp(self):
        super().setUp()
        self.machine = self.folder / "machine"
        self.program(self.machine / "chromium", "Chromium 156.0.1")
        for patched in (
            mock.patch.object(chromium, "ROOT", self.folder / "chromium"),
            mock.patch.object(browser, "ROOT", self.folder / "chromedriver"),
            mock.patch.dict(os.environ, PATH="%s:/usr/bin:/bin" % self.machine),
            mock.patch.object(debs, "IGNORE_INSTALLED", False),
            mock.patch.object(browser, "_installed", lambda: ""),
            mock.patch.object(debs, "unpacked", self.unpack),
        ):
            patched.start()
            self.addCleanup(patched.stop)
        self.offered, self.with_browser, self.count = "156.0.1", False, 0

    def program(self, file, says):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\necho %s\n" % says)
        file.chmod(0o755)

    def unpack(self, name, packages):
        self.count += 1
        self.program(browser.ROOT / chromium.DRIVER, "ChromeDriver %s" % self.offered)
        if self.with_browser:
            self.program(browser.ROOT / "usr/lib/chromium/chromium", "Chromium %s" % self.offered)

    def test_the_driver_alone_is_got_for_the_machine_s_chromium_and_once(self):
        browser._obtain_driver()
        browser._obtain_driver()
        told = browser.variables()
        self.assertEqual(told["TUSOU_BROWSER"], str(self.machine / "chromium"))
        said = subprocess.run([told["TUSOU_CHROMEDRIVER"]], stdout=subprocess.PIPE).stdout
        self.assertEqual((said, self.count), (b"ChromeDriver 156.0.1\n", 1))

    def test_a_machine_whose_chromium_is_older_than_any_driver_gets_a_pair(self):
        self.offered, self.with_browser = "158.0.0", True
        browser._obtain_driver()
        self.assertEqual(browser.variables()["TUSOU_BROWSER"], str(browser.ROOT / "tusou-chromium"))

    def test_a_newer_chromium_of_the_machine_gets_a_newer_driver(self):
        browser._obtain_driver()
        self.program(self.machine / "chromium", "Chromium 158.0.0")
        self.offered = "158.0.0"
        browser._obtain_driver()
        self.assertEqual(self.count, 2)

    def test_a_driver_that_does_not_fit_is_told_with_the_remedy(self):
        self.offered = "140.0.0"
        with self.assertRaisesRegex(StackError, "no driver for .*update Chromium"):
            browser._obtain_driver()

    def test_another_axe_core_than_the_pinned_one_is_not_taken(self):
        def wheel(requirement, folder):
            file = folder / "one.whl"
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(versions.AXE_MEMBER, "something else")
            return file

        axe = self.folder / "axe" / "axe.min.js"
        with mock.patch.object(browser, "AXE", axe), mock.patch.object(browser, "wheel", wheel):
            with mock.patch.object(browser, "python"), self.assertRaisesRegex(StackError, "pinned"):
                browser._obtain_axe()
        self.assertFalse(axe.exists())


class Processes(Folder):
    def sleeper(self, name="sleeper"):
        pid = processes.start(name, ["sleep", "300"])
        self.addCleanup(processes.stop, name, 5)
        return pid

    def test_a_started_program_is_known_again_and_stopped(self):
        pid = self.sleeper()
        self.assertEqual(processes.running("sleeper"), pid)
        self.assertTrue(processes.stop("sleeper", 5))
        self.assertIsNone(processes.running("sleeper"))
        self.assertFalse(processes.stop("sleeper", 5))

    def test_a_pid_of_another_program_is_not_taken_for_ours(self):
        other = subprocess.Popen(["sleep", "300"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        record = {"pid": other.pid, "started": 1, "mark": ""}
        (paths.RUN / "ours.json").write_text(json.dumps(record))
        self.assertFalse(processes.already_runs("ours"))
        self.assertIsNone(other.poll(), "the other program must live")
        self.assertFalse((paths.RUN / "ours.json").exists(), "the stale pid file must be gone")

    def test_a_damaged_pid_file_counts_as_none(self):
        (paths.RUN / "ours.json").write_text("{")
        self.assertFalse(processes.already_runs("ours"))

    def test_what_outlived_its_leader_is_killed(self):
        leader = processes.start("pair", ["sh", "-c", "sleep 300 & echo $! > %s/child; wait" % self.folder])
        processes.wait_until("pair", lambda: (self.folder / "child").exists(), 10, "start its child")
        child = int((self.folder / "child").read_text())
        os.kill(leader, 9)
        processes._gone("pair", 5)
        self.assertFalse(processes.already_runs("pair"))
        self.assertIsNone(processes._start_time(child))

    def test_a_program_that_dies_shows_the_end_of_its_log(self):
        processes.start("broken", ["sh", "-c", "echo the very reason; exit 1"])
        with self.assertRaisesRegex(StackError, "the very reason"):
            processes.wait_until("broken", lambda: False, 10, "answer")


class Services(Folder):
    def test_the_operator_s_page_is_served_by_the_command_itself(self):
        program = self.folder / "tusou"
        program.touch()
        started = []
        with mock.patch.object(paths, "BINARIES", self.folder), mock.patch.object(
            processes, "start", lambda name, command, **more: started.append((name, command))
        ), mock.patch.object(ports, "owner", lambda number: None):
            services.start("operator", "settings")
        self.assertEqual(started, [("operator", [program, "--config", paths.CONFIG, "operate"])])
        self.assertIn("operator", settings.SERVICES)
        self.assertIn('[operator]\nlisten = "{operator}"', settings.CONFIG)


class Ports(Folder):
    def setUp(self):
        super().setUp()
        for patched in (
            mock.patch.object(paths, "PORTS", paths.STACK / "ports.json"),
            mock.patch.dict(os.environ, TUSOU_STACK_PORTS="auto"),
            mock.patch.object(ports, "_bindable", lambda number: number not in ports.BASE.values()),
        ):
            patched.start()
            self.addCleanup(patched.stop)

    def test_ports_that_others_hold_are_left_to_them_and_the_choice_is_kept(self):
        moved = ports.BASE["search"] + ports.STEP
        self.assertEqual(ports.port("search"), moved)
        self.assertTrue(paths.PORTS.exists())
        self.assertEqual(ports.port("search"), moved)

    def test_ports_that_this_checkout_s_own_stack_holds_are_not_moved(self):
        processes.start("postgres", ["sleep", "300"])
        self.addCleanup(processes.stop, "postgres", 5)
        self.assertEqual(ports.port("search"), ports.BASE["search"])

    def test_the_owner_of_a_taken_port_is_named(self):
        with socket.socket() as listener:
            listener.bind((ports.HOST, 0))
            self.assertIsNone(ports.owner(listener.getsockname()[1]))
            listener.listen()
            self.assertIn("pid %d " % os.getpid(), ports.owner(listener.getsockname()[1]))


class Downloads(Folder):
    def test_a_broken_download_leaves_nothing_and_is_redone(self):
        target = self.folder / "thing"
        with self.assertRaises(ValueError):
            with download.whole(target) as part:
                (part / "half").touch()
                raise ValueError
        self.assertFalse(target.exists())
        with download.whole(target) as part:
            self.assertEqual(list(part.iterdir()), [])
            (part / "all").touch()
        self.assertTrue((target / "all").exists())

    def test_a_failed_command_shows_its_words(self):
        with self.assertRaisesRegex(StackError, "the reason"):
            download.run(["sh", "-c", "echo the reason; exit 3"], "a test")
        with self.assertRaisesRegex(StackError, "not installed"):
            download.run(["tusou-no-such-program"], "a test")


class Sites(Folder):
    def gallery(self):
        stamps, site = self.folder / "stamps", self.folder / "site"
        for number in range(30):
            place = stamps / "birds" / ("a bird %02d.png" % number)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(PNG + bytes([number // 2]))  # every picture twice
            place.with_suffix(".txt").write_text(
                'A <"bird">.\nzh_CN.utf8=一只鸟\nxx.utf8=\n', encoding="utf-8"
            )
        (stamps / "birds" / "no caption.png").write_bytes(PNG)
        site.mkdir()
        (site / "stamps").symlink_to(stamps)
        gallery.write(site, gallery.read(stamps))
        return site

    def test_the_gallery_is_counted_by_its_links(self):
        counted = truth.count(self.gallery(), "http://h/")
        # The first page, two pages of a folder, thirty of pictures; each picture on two of them.
        self.assertEqual(
            (counted.pages, counted.missing, len(counted.pictures), counted.shown), (33, 0, 15, 60)
        )

    def test_words_of_captions_cannot_break_the_page(self):
        page = (self.gallery() / "picture/birds/a bird 00.html").read_text(encoding="utf-8")
        self.assertIn('alt="A &lt;&quot;bird&quot;&gt;."', page)
        self.assertIn('<span lang="zh-CN">一只鸟</span>', page)

    def test_links_that_lead_nowhere_and_false_pictures_are_counted(self):
        (self.folder / "index.html").write_text(
            '<a href="gone.html#x"></a><img src="a.png"><img src="http://other/b.png">'
        )
        (self.folder / "a.png").write_text("no picture")
        self.assertEqual(
            truth.count(self.folder, "http://h/")[:2] + truth.count(self.folder, "http://h/")[3:], (1, 1, 0)
        )

    def test_the_server_serves_files_and_lists_no_folder(self):
        site = self.gallery()
        handler = lambda *words: server.Handler(*words, directory=str(site))  # noqa: E731
        with server.Server((server.HOST, 0), handler) as running:
            threading.Thread(target=running.serve_forever, daemon=True).start()
            address = "http://%s:%d/" % running.server_address
            with urllib.request.urlopen(address) as answer:
                self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
            with urllib.request.urlopen(address + "stamps/birds/a%20bird%2000.png") as answer:
                self.assertEqual((answer.headers["Content-Type"], answer.read(4)), ("image/png", PNG[:4]))
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(address + "stamps/birds/")
            refused.exception.close()
            self.assertEqual(refused.exception.code, 404)
            running.shutdown()


class Progress(unittest.TestCase):
    def status(self, **changes):
        status = {
            "done": True,
            "outbox": 0,
            "images": {"stored": 3, "indexed": 2, "failed": {"truncated": 1}, "refused": {}},
            "queues": [
                {"name": "images.fetched", "ready": 0, "unacknowledged": 0},
                {"name": "images.fetched.dead", "ready": 1, "unacknowledged": 0},
            ],
        }
        status.update(changes)
        return status

    def test_finished_means_that_nothing_waits(self):
        self.assertTrue(progress.is_finished(self.status()))
        self.assertFalse(progress.is_finished(self.status(done=False)))
        self.assertFalse(progress.is_finished(self.status(outbox=1)))
        self.assertFalse(
            progress.is_finished(self.status(images={"stored": 3, "indexed": 2, "failed": {}, "refused": {}}))
        )
        waiting = [{"name": "images.fetched.retry", "ready": 1, "unacknowledged": 0}]
        self.assertFalse(progress.is_finished(self.status(queues=waiting)))


class Tests(unittest.TestCase):
    """`deploy/run-tests` says again, at its end, what each failed test said."""

    def test_a_failure_is_told_without_its_backtrace(self):
        loader = importlib.machinery.SourceFileLoader("run_tests", str(DEPLOY / "run-tests"))
        program = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
        loader.exec_module(program)
        failures = program.Failures()
        for line in (
            "test result: ok. 3 passed; 0 failed; 0 ignored;",
            "---- a::b stdout ----",
            "a word before",
            "thread 'a::b' (7) panicked at it.rs:1:5:",
            "assertion failed: they outlive it",
            "  left: [1]",
            "stack backtrace:",
            "   0: begin",
            "",
            "---- c stdout ----",
            "Error: gone",
            "",
            "failures:",
            "    a::b",
        ):
            failures.read(line)
        said = ["thread 'a::b' (7) panicked at it.rs:1:5:", "assertion failed: they outlive it", "  left: [1]"]
        self.assertEqual(failures.of, {"a::b": said, "c": []})


if __name__ == "__main__":
    unittest.main()
