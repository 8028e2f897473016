"""That the check of the monitoring can fail: each thing that it is there for, broken once.

    python3 -B -m unittest deploy/check/monitoring/tests.py
"""

import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from monitoring import runbook  # noqa: E402
from monitoring.catalogue import Catalogue, table  # noqa: E402
from monitoring.dashboards import Dashboard  # noqa: E402
from monitoring.promql import Query, alternatives  # noqa: E402

TABLE = """
| metric | type | labels | meaning |
| --- | --- | --- | --- |
| `crawler_urls_total` | counter | `kind`, `outcome` | Settled, `done` or why not |
| `search_request_seconds` | histogram | `route` | Whole requests |
| `tusou_queue_messages` | gauge | `queue`, `state` | Messages |
| `tusou_outbox_messages` | gauge |  | Owed |
"""


def known():
    return Catalogue(table(TABLE), {"done", "page", "images.fetched", "ready"})


def complaints(text):
    return known().complaints(Query(text))


class Metrics(unittest.TestCase):
    def test_the_table_is_read(self):
        metrics = table(TABLE)
        self.assertEqual(metrics["crawler_urls_total"], ("counter", {"kind", "outcome"}))
        self.assertEqual(metrics["tusou_outbox_messages"], ("gauge", set()))
        with self.assertRaises(ValueError):
            table("| `nameless` | heap | `label` | No kind that there is |")

    def test_what_is_exported_may_be_asked_for(self):
        for text in (
            'sum by (kind) (rate(crawler_urls_total{outcome="done"}[5m])) > 0.5',
            "histogram_quantile(0.95, sum by (route, le) (rate(search_request_seconds_bucket[5m]))) > 1e3",
            "sum(rate(search_request_seconds_sum[5m])) / sum(rate(search_request_seconds_count[5m]))",
            'sum by (queue) (tusou_queue_messages{queue=~"images[.](fetched|fetched.dead)", state="ready"}) and on () up == 1',
            'label_replace(max(tusou_outbox_messages), "queue", "outbox", "", "") or vector(0) unless on (queue) up{job=~"a.*"}',
            'tusou_queue_messages - min_over_time(tusou_queue_messages[1h:1m]) offset 5m > bool 2 # a remark',
        ):
            self.assertEqual(complaints(text), [], text)

    def test_what_nobody_exports_is_named(self):
        for text, word in (
            ("sum(rate(crawler_pages_total[5m]))", "crawler_pages_total"),
            ("search_request_seconds", "search_request_seconds"),
            ("rate(crawler_urls_total_bucket[5m])", "crawler_urls_total_bucket"),
            ('crawler_urls_total{reason="done"}', "label reason"),
            ('crawler_urls_total{outcome="finished"}', "'finished'"),
            ('tusou_queue_messages{queue=~"images[.](fetched|lost)"}', "'images.lost'"),
            ("sum by (host) (crawler_urls_total)", "label host"),
            ('sum by (le) (rate(crawler_urls_total[5m]))', "label le"),
        ):
            self.assertTrue(any(word in one for one in complaints(text)), (text, complaints(text)))

    def test_patterns_are_told_from_words(self):
        self.assertEqual(alternatives("=~", "timeout|http_5..|dns"), ["timeout", "dns"])
        self.assertEqual(alternatives("=~", "tusou-(crawler|encoder)"), ["tusou-crawler", "tusou-encoder"])
        self.assertEqual(alternatives("!~", ".*[.](retry|dead)"), [])


SECTION = """## TusouBroken

**What it means** It is broken.

**Is it true?** `tusou status`

**Why, and what to type** See [there](#tusoubroken).

**It is over when** it is whole.
"""


class Runbook(unittest.TestCase):
    def test_sections_and_alerts_go_together(self):
        self.assertEqual(runbook.complaints(SECTION, ["TusouBroken"]), [])
        self.assertIn("no section", runbook.complaints(SECTION, ["TusouBroken", "TusouOther"])[0])
        self.assertIn("no alert", runbook.complaints(SECTION, [])[0])
        self.assertIn("does not say", runbook.complaints(SECTION.replace("**Is it true?**", ""), ["TusouBroken"])[0])
        self.assertIn("nothing to type", runbook.complaints(SECTION.replace("`", ""), ["TusouBroken"])[0])
        self.assertIn("#gone", runbook.complaints(SECTION.replace("#tusoubroken", "#gone"), ["TusouBroken"])[0])

    def test_commands_are_found_wherever_they_stand(self):
        text = "Type `tusou gc --repair`.\n\n   ```sh\n   time tusou status --json | jq .  # a remark\n   ```\n"
        self.assertEqual(runbook.commands(text), [["tusou", "status", "--json"], ["tusou", "gc", "--repair"]])

    def test_commands_that_there_are_not(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "tusou"
            program.write_text(
                '#!/bin/sh\ncase "$1" in\n'
                'status) echo "Usage: tusou status [OPTIONS]"; echo "Options:"; echo "  --json" ;;\n'
                'dead) echo "Usage: tusou dead [OPTIONS] <COMMAND>"; echo "Commands:"; echo "  list  Shows"; echo "Options:" ;;\n'
                '*) echo "Commands:"; echo "  status  Shows"; echo "  dead  Looks" ;;\nesac\n'
            )
            program.chmod(0o755)
            for line, word in (
                ("tusou status --json", None),
                ("tusou status --jason", "--jason"),
                ("tusou replay", "no such command"),
                ("tusou status now", "takes no now"),
                ("tusou dead", "lacks a command"),
                ("tusou dead lits", "takes no lits"),
            ):
                said = runbook.command_complaints("`%s`" % line, str(program))
                self.assertEqual([word in one for one in said], [True] if word else [], (line, said))


class Dashboards(unittest.TestCase):
    def complaints(self, change):
        panel = {
            "id": 1,
            "type": "timeseries",
            "title": "Pages",
            "description": "What becomes of pages. Normal: done.",
            "datasource": {"uid": "${datasource}"},
            "gridPos": {"x": 0, "y": 0, "w": 8, "h": 8},
            "fieldConfig": {"defaults": {"unit": "cps"}},
            "targets": [{"expr": "sum by (kind) (rate(crawler_urls_total[$__rate_interval]))", "legendFormat": "{{kind}}"}],
        }
        content = {
            "uid": "tusou-crawler",
            "schemaVersion": 42,
            "description": "What is fetched",
            "templating": {"list": [{"name": "datasource", "type": "datasource"}]},
            "panels": [panel],
        }
        change(content, panel)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "crawler.json"
            file.write_text(json.dumps(content))
            return Dashboard(file).complaints(known())

    def test_a_whole_one(self):
        self.assertEqual(self.complaints(lambda content, panel: None), [])

    def test_what_a_panel_may_lack(self):
        for change, word in (
            (lambda c, p: p.update(description="Pages that were read by the crawler"), "what is normal"),
            (lambda c, p: p["fieldConfig"]["defaults"].pop("unit"), "no unit"),
            (lambda c, p: p["datasource"].update(uid="abc"), "data source"),
            (lambda c, p: p["gridPos"].update(x=20), "wider"),
            (lambda c, p: c["panels"].append(dict(p, title="Other")), "lies on"),
            (lambda c, p: c.update(uid="other"), "uid"),
            (lambda c, p: c.update(schemaVersion=16), "schemaVersion"),
            (lambda c, p: p["targets"][0].update(expr="sum(crawler_gone_total)"), "nobody exports"),
            (lambda c, p: p["targets"][0].update(legendFormat="{{host}}"), "label host"),
            (lambda c, p: p["targets"][0].update(expr='up{instance=~"$instance"}'), "variable $instance"),
        ):
            said = self.complaints(change)
            self.assertTrue(any(word in one for one in said), (word, said))


if __name__ == "__main__":
    unittest.main()
