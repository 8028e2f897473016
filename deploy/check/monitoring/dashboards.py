"""Dashboards: what Grafana's schema does not ask for, and a person does."""

import json
import re

from .promql import Query

SCHEMA = 42
# Grafana's own variables, by what a query may be tried with.
TRIED = {"$__rate_interval": "1m", "$instance": ".*"}


class Dashboard:
    """One file, with every query in it."""

    def __init__(self, file):
        self.file = file
        self.name = file.name
        self.content = json.loads(file.read_text(encoding="utf-8"))

    def panels(self):
        """Every panel but the headings of rows."""
        return [panel for panel in self.content["panels"] if panel["type"] != "row"]

    def queries(self):
        """Each query with its panel's title and its legend."""
        for panel in self.panels():
            for target in panel["targets"]:
                yield panel["title"], target["expr"], target.get("legendFormat", "")

    def complaints(self, catalogue):
        """What is wrong with it, each with where."""
        found = self._whole()
        for panel in self.panels():
            found += ["%s: %s" % (panel.get("title") or panel["id"], what) for what in _panel(panel)]
        for title, text, legend in self.queries():
            found += ["%s: %s" % (title, what) for what in _query(text, legend, catalogue, self._variables())]
        return ["%s: %s" % (self.name, what) for what in found]

    def _variables(self):
        return {one["name"] for one in self.content["templating"]["list"]}

    def _whole(self):
        found, content = [], self.content
        if content.get("uid") != "tusou-" + self.file.stem:
            found.append("its uid is to be tusou-%s, so that links to it last" % self.file.stem)
        if content.get("schemaVersion") != SCHEMA:
            found.append("schemaVersion is to be %d" % SCHEMA)
        if not any(one["type"] == "datasource" for one in content["templating"]["list"]):
            found.append("it has no variable for the data source")
        if not content.get("description"):
            found.append("it does not say what it answers")
        ids = [panel["id"] for panel in content["panels"]]
        if len(ids) != len(set(ids)):
            found.append("two panels have one id")
        taken = {}
        for panel in content["panels"]:
            place = panel["gridPos"]
            if place["x"] + place["w"] > 24:
                found.append("%s is wider than the screen" % panel["title"])
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    other = taken.setdefault((x, y), panel["title"])
                    if other != panel["title"]:
                        found.append("%s lies on %s" % (panel["title"], other))
                        break
        return sorted(set(found))


def _panel(panel):
    words = panel.get("description", "")
    if not panel.get("title"):
        yield "it has no title"
    if "Normal:" not in words:
        yield "its description does not say what is normal"
    if len(words) < 30:
        yield "its description says too little"
    if not panel["fieldConfig"]["defaults"].get("unit"):
        yield "it has no unit"
    if panel["datasource"].get("uid") != "${datasource}":
        yield "its data source is not the variable's"
    if not panel.get("targets"):
        yield "it asks for nothing"


def _query(text, legend, catalogue, variables):
    for name in re.findall(r"\$(\w+)", text):
        if "$" + name not in TRIED or (not name.startswith("__") and name not in variables):
            yield "there is no variable $%s" % name
    query = Query(tried(text))
    yield from catalogue.complaints(query)
    for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", legend):
        if label not in catalogue.known(query):
            yield "its legend names the label %s, which its metrics have not" % label


def tried(text):
    """The query as it can be asked without Grafana."""
    for name, value in TRIED.items():
        text = text.replace(name, value)
    return text
