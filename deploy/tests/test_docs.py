"""What the documents say of the source tree is true of it. Run by `make check`; they need no store and no mdBook."""

import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.dont_write_bytecode = True

# Where prose stands: what is generated has no links of its own.
PAGES = sorted(
    [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    + [path for path in DOCS.rglob("*.md")]
)
LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```[ \t]*$", re.M | re.S)
# A test as docs/security.md names it, a function as ARCHITECTURE.md does.
NAMED = re.compile(r"`([\w./-]+\.(?:rs|py))::(\w+)`")
# A path of the tree in prose, with a folder or an ending that only files have.
PATH = re.compile(r"`((?:crawler|encoder|indexer|search|cli|crates|deploy|bench|migrations|docs)/[\w./*-]+)`")


def script(name):
    """A program of deploy/ as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "deploy" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def prose(path):
    """A page without its blocks of code, each of whose lines stays empty so that numbers hold."""
    return FENCE.sub(lambda block: "\n" * block.group(0).count("\n"), path.read_text())


def anchors(path):
    """The headings of a page as links name them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", prose(path), re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        found.add(words.replace(" ", "-"))
    return found


def broken(path, text):
    """Links of a page that lead nowhere."""
    found = []
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        place, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (path.parent / place).resolve() if place else path
        if not there.exists():
            found.append("%s: there is no %s" % (path.relative_to(ROOT), target))
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            found.append("%s: %s has no heading of that name" % (path.relative_to(ROOT), target))
    return found


def missing(path, text):
    """Functions of files that a page names and that are not there."""
    found = []
    for file, function in NAMED.findall(text):
        source = ROOT / file
        kind = r"\bdef %s\(" if file.endswith(".py") else r"\b(?:fn|struct|enum|trait|mod) %s\b"
        if not source.is_file():
            found.append("%s: there is no %s" % (path.name, file))
        elif not re.search(kind % function, source.read_text()):
            found.append("%s: %s has no %s" % (path.name, file, function))
    return found


class Links(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        faults = [fault for path in PAGES for fault in broken(path, prose(path))]
        self.assertEqual(faults, [])

    def test_a_link_that_leads_nowhere_is_seen(self):
        page = DOCS / "operate.md"
        self.assertEqual(len(broken(page, "[a](nowhere.md) [b](operate.md#nothing-of-that-name) [c](models.md)")), 2)

    def test_the_book_has_every_page_once(self):
        named = [target for target in LINK.findall((DOCS / "SUMMARY.md").read_text())]
        self.assertEqual(sorted(named), sorted(set(named)))
        pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"SUMMARY.md"}
        self.assertEqual(pages ^ set(named), set())

    def test_in_the_book_links_out_of_it_become_words(self):
        links = script("book-links")
        page = "see [the demo](../deploy/demo/README.md), [scaling](scaling.md#rows) and [the map](../ARCHITECTURE.md); `[no](link.md)`"
        self.assertEqual(
            links.rewritten("operate.md", page),
            "see the demo (`deploy/demo/README.md`), [scaling](scaling.md#rows) and [the map](guide/architecture.md); `[no](link.md)`",
        )
        self.assertEqual(links.rewritten("guide/architecture.md", "[a](docs/adr/0001.md)"), "[a](../adr/0001.md)")


class Names(unittest.TestCase):
    def test_every_named_test_and_function_is_there(self):
        pages = [DOCS / "security.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
        for page in pages:
            self.assertEqual(missing(page, page.read_text()), [], page)
        self.assertGreater(len(NAMED.findall(pages[0].read_text())), 60)
        self.assertGreater(len(NAMED.findall(pages[1].read_text())), 15)

    def test_a_name_that_is_not_there_is_seen(self):
        page = DOCS / "security.md"
        text = "`cli/src/lib.rs::no_such_thing` `cli/src/nowhere.rs::run` `cli/src/lib.rs::run`"
        self.assertEqual(len(missing(page, text)), 2)

    def test_what_is_called_a_test_is_one(self):
        for file, function in NAMED.findall((DOCS / "security.md").read_text()):
            if file.endswith(".rs"):
                source = (ROOT / file).read_text()
                marked = r"#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn %s\b" % function
                self.assertRegex(source, marked, "%s is no test" % function)

    def test_every_path_in_prose_is_there(self):
        for page in (ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", DOCS / "security.md", DOCS / "scaling.md"):
            for path in PATH.findall(page.read_text()):
                if "*" not in path:
                    self.assertTrue((ROOT / path).exists(), "%s: there is no %s" % (page.name, path))


class Made(unittest.TestCase):
    def test_the_tables_of_scaling_are_what_the_script_prints(self):
        text = (DOCS / "scaling.md").read_text()
        shown = re.search(r"<!-- deploy/scale -->\n(.*?)<!-- end -->", text, re.S)
        printed = subprocess.run([str(ROOT / "deploy" / "scale")], stdout=subprocess.PIPE, check=True)
        self.assertEqual(shown.group(1).strip(), printed.stdout.decode().strip(), "put in what deploy/scale prints")

    def test_the_script_s_rows_are_those_of_the_page(self):
        rows = script("scale").ROWS
        text = (DOCS / "scaling.md").read_text()
        for name, (whole, indexes) in rows.items():
            self.assertRegex(text, r"\| `%s` \| [\d,]+ \| \d+ \| %d \| %d \|" % (name, indexes, whole))

    def test_twice_as_many_pictures_take_twice_as_much(self):
        def printed(*words):
            done = subprocess.run([str(ROOT / "deploy" / "scale")] + list(words), stdout=subprocess.PIPE, check=True)
            return done.stdout.decode()

        self.assertIn("| thumbnails | pictures × 8.9 kB | 17.8 GB | 35.6 GB |", printed("--pictures", "2M", "4M"))
        self.assertNotIn("| 0 B |", printed("--original", "0"))

    def test_the_licences_are_those_of_the_lock_file(self):
        done = subprocess.run(
            [str(ROOT / "deploy" / "licences"), "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.assertEqual(done.returncode, 0, done.stdout.decode())

    def test_a_crate_without_a_licence_s_text_is_named(self):
        licences = script("licences")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "src").mkdir()
            (folder / "src" / "license.rs").write_text("x" * 100)
            (folder / "LICENSE-MIT").write_text("Permission is hereby granted, " * 10)
            (folder / "deep" / "c").mkdir(parents=True)
            (folder / "deep" / "c" / "COPYING").write_text("Redistribution and use, " * 10)
            self.assertEqual([place for place, _ in licences._files(folder)], ["LICENSE-MIT", "deep/c/COPYING"])
            crate = {"name": "bare", "version": "1.0.0", "license": "MIT", "authors": ["A <a@b>"], "repository": None,
                     "manifest_path": str(folder / "src" / "Cargo.toml")}
            self.assertIn("- bare 1.0.0: MIT; A; no address", licences.texts([crate]))


class Rights(unittest.TestCase):
    def test_every_account_has_its_block_and_every_table_is_known(self):
        blocks = dict(script("check-rights").BLOCK.findall((DOCS / "security.md").read_text()))
        self.assertEqual(
            sorted(blocks), ["elasticsearch tusou_indexer", "elasticsearch tusou_search", "postgres", "rabbitmq"]
        )
        made = set(re.findall(r"CREATE TABLE (\w+)", "".join(
            path.read_text() for path in (ROOT / "migrations").glob("*.up.sql")
        )))
        granted = set()
        for names in re.findall(r"^GRANT [A-Z, ]+(?:\([\w, ]+\) )?ON ([\w, ]+?) TO", blocks["postgres"], re.M):
            granted |= set(re.findall(r"\w+", names))
        tables = granted - {"DATABASE", "SCHEMA", "tusou", "public", "ALL", "TABLES", "IN", "_sqlx_migrations"}
        self.assertEqual(tables - made, set())
        self.assertEqual(made - tables, set(), "a table that no service may use: give it in docs/security.md")


if __name__ == "__main__":
    unittest.main()
