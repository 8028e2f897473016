"""What the services export: the table of docs/metrics.md, and the words that the sources give to labels."""

import re

# Of Prometheus itself, and labels that it gives to every target. `gpu` is one that prometheus.yml gives to encoders.
OWN = {
    "up": ("gauge", set()),
    "ALERTS": ("gauge", {"alertname", "alertstate", "severity"}),
}
TARGET = {"job", "instance", "gpu"}
# Labels whose values no source spells out: given by Prometheus, by requests, or by the configuration.
FREE = {"job", "instance", "gpu", "alertname", "alertstate", "severity", "status", "le", "model"}

_ROW = re.compile(r"^\|\s*`([a-z_:][\w:]*)(?:\{([^}`]*)\})?`\s*\|(.*)$", re.M)
_WORD = re.compile(r"`([^`]+)`")
_KIND = re.compile(r"\b(counter|gauge|histogram)\b", re.I)
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
SOURCES = ("crates", "crawler", "encoder", "indexer", "search", "cli")


class Catalogue:
    """Names and labels that may be asked for, and the words that may be their values."""

    def __init__(self, metrics, words):
        self.metrics = dict(OWN, **metrics)
        self.words = words

    def labels(self, name):
        """The labels of a series' name, `_bucket` and its like included; None where nobody exports it."""
        if name in self.metrics and self.metrics[name][0] != "histogram":
            return self.metrics[name][1] | TARGET
        for suffix, further in (("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
            base = name[: -len(suffix)]
            if name.endswith(suffix) and self.metrics.get(base, ("",))[0] == "histogram":
                return self.metrics[base][1] | TARGET | further
        return None

    def record(self, name, labels):
        """A recording rule makes this one."""
        kind, known = self.metrics.get(name, ("gauge", set()))
        self.metrics[name] = (kind, known | set(labels))

    def complaints(self, query):
        """What a query asks for that there is not."""
        found, known = [], set(query.made)
        for selector in query.selectors:
            labels = self.labels(selector.name)
            if labels is None:
                found.append("nobody exports %s" % selector.name)
                continue
            known |= labels
            for label, operator, value in selector.matchers:
                if label not in labels:
                    found.append("%s has no label %s" % (selector.name, label))
                elif label not in FREE and not value.startswith("$"):
                    found += self._values(selector.name, label, operator, value)
        found += ["no metric of it has the label %s" % label for label in sorted(query.listed - known)]
        return found

    def known(self, query):
        """Every label that an answer to the query may have."""
        found = set(query.made)
        for selector in query.selectors:
            found |= self.labels(selector.name) or set()
        return found

    def _values(self, name, label, operator, value):
        from .promql import alternatives

        # A queue's retry and dead queues are named after it.
        return [
            "%s has no %s %r: no source says that word" % (name, label, word)
            for word in alternatives(operator, value)
            if re.sub(r"\.(retry|dead)$", "", word) not in self.words
            # What the sites answer: `http_503` is put together.
            and not re.fullmatch(r"http_[1-5][0-9.]{2}", word)
        ]


def table(text):
    """Name, kind and labels of each row of the table."""
    found = {}
    for name, braced, rest in _ROW.findall(text):
        kind = _KIND.search(rest)
        if not kind:
            raise ValueError("docs/metrics.md does not say what kind of metric %s is" % name)
        labels = set(re.findall(r"\w+", braced))
        # The cell after the kind, or before it: names in backquotes and nothing else.
        for cell in rest.split("|"):
            words = _WORD.findall(cell)
            if words and not _WORD.sub("", cell).strip(" ,"):
                labels |= set(words)
        found[name] = (kind.group(1).lower(), labels - {"counter", "gauge", "histogram"})
    return found


def words(root):
    """Every string of the sources, tests left out."""
    found = set()
    for folder in SOURCES:
        for file in (root / folder).rglob("*.rs"):
            if "tests" not in file.parts and "testkit" not in file.parts and file.name != "tests.rs":
                text = file.read_text(encoding="utf-8")
                found |= set(_LITERAL.findall(text.split("#[cfg(test)]\nmod tests")[0]))
    return found
