"""Tests of what is shipped (compose, chart, units) that need nothing but Python. `deploy/check-deploy` does the others."""

import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(DEPLOY / "check")]
sys.dont_write_bytecode = True

import seccomp  # noqa: E402
from ship import keys, text  # noqa: E402

COMPOSE = DEPLOY / "compose"
CHART = DEPLOY / "helm" / "tusou"
UNITS = DEPLOY / "systemd"


def read(file):
    return file.read_text(encoding="utf-8")


class Keys(unittest.TestCase):
    def test_every_variable_that_is_set_is_a_key(self):
        known = keys.variables() | keys.OTHERS
        for file in text.setting_files():
            unknown = set(text.NAME.findall(read(file))) - known
            self.assertEqual(unknown, set(), "%s sets what is no key" % file.relative_to(DEPLOY))

    def test_keys_are_read_from_the_sources(self):
        self.assertIn("crawler.listen", keys.known())
        self.assertIn("TUSOU_ELASTICSEARCH_CA_FILE", keys.variables())
        self.assertNotIn("crawler.user_agent", keys.known())
        self.assertLessEqual(keys.secrets(), keys.known())

    def test_the_chart_takes_no_secret_as_a_value(self):
        schema = json.loads(read(CHART / "values.schema.json"))
        refused = schema["definitions"]["variables"]["propertyNames"]["not"]["enum"]
        self.assertEqual(set(refused), {keys.variable(key) for key in keys.secrets()})

    def test_units_give_secrets_by_credentials_only(self):
        direct = {keys.variable(key) for key in keys.secrets()}
        for file in sorted(UNITS.glob("*.service")) + sorted(UNITS.glob("drop-ins/*.conf")):
            set_here = dict(re.findall(r"\b(TUSOU_\w+)=(\S*)", read(file)))
            self.assertEqual(set(set_here) & direct, set(), file.name)
            given = set(re.findall(r"^LoadCredential=([a-z-]+):", read(file), re.M))
            named = {value[3:] for value in set_here.values() if value.startswith("%d/")}
            self.assertEqual(given, named, file.name)


# What `systemd-analyze security` weighs differently in each version, so that a bound on its sum can miss one.
HARDENED = """NoNewPrivileges=yes CapabilityBoundingSet= AmbientCapabilities= ProtectSystem=strict ProtectHome=yes ProtectProc=invisible
    ProtectClock=yes ProtectHostname=yes ProtectControlGroups=yes ProtectKernelLogs=yes ProtectKernelModules=yes ProtectKernelTunables=yes
    PrivateTmp=yes PrivateDevices=yes RemoveIPC=yes LockPersonality=yes RestrictRealtime=yes RestrictSUIDSGID=yes
    SystemCallArchitectures=native SystemCallFilter=@system-service SystemCallFilter=~@privileged MemoryMax= TasksMax=""".split()
# Chromium does not run with these.
NOT_THE_CRAWLER = ["PrivateUsers=yes", "ProcSubset=pid", "RestrictNamespaces=yes", "MemoryDenyWriteExecute=yes"]


class Units(unittest.TestCase):
    def test_each_is_hardened_in_every_way(self):
        for file in UNITS.glob("*.service"):
            lines = read(file).split("\n")
            for wanted in HARDENED + (NOT_THE_CRAWLER if file.stem != "tusou-crawler" else []):
                # A bound may be any, and what a filter takes away may be more.
                longer = wanted.startswith(("MemoryMax", "TasksMax", "SystemCallFilter"))
                self.assertTrue([line for line in lines if line == wanted or longer and line.startswith(wanted)], "%s: %s" % (file.name, wanted))

    def test_without_chromium_the_crawler_is_as_the_others(self):
        drop_in = read(UNITS / "drop-ins" / "no-chromium.conf")
        for wanted in NOT_THE_CRAWLER:
            self.assertIn("\n%s\n" % wanted, drop_in)


class Handbook(unittest.TestCase):
    """What docs/deploy.md has people type for the units."""

    PAGE = read(DEPLOY.parent / "docs" / "deploy.md")

    def test_the_file_for_all_units_holds_what_each_can_start_with(self):
        shown = tomllib.loads(re.search(r"^```toml\n(.*?)^```", self.PAGE, re.M | re.S)[1])
        found = {"%s.%s" % (section, key) for section, values in shown.items() for key in values}
        self.assertLessEqual(found, keys.known())
        # A name without its secret is refused, and no unit has the secrets of all.
        self.assertEqual(found & (keys.secrets() | {"elasticsearch.username", "blobs.access_key_id", "operator.listen"}), set())
        # Units write below /var/lib/tusou and nowhere else.
        self.assertEqual(found & {"blobs.url", "models.folder"}, set())

    def test_the_table_of_secrets_is_what_the_units_load(self):
        table = re.search(r"^\| \| `database-url`.*?\n\n", self.PAGE, re.M | re.S)[0]
        head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().split("\n")]
        told = {row[0].strip("`"): {name.strip("`") for name, cell in zip(head[1:], row[1:]) if cell} for row in rows}
        loaded = {file.stem: set(re.findall(r"^LoadCredential=([a-z-]+):", read(file), re.M)) for file in UNITS.glob("*.service")}
        self.assertEqual(told, loaded)


class Accounts(unittest.TestCase):
    def test_each_unit_has_an_account_of_its_own_that_is_made(self):
        made = set(re.findall(r"^u (\S+) -:tusou ", read(UNITS / "sysusers.conf"), re.M))
        used = {file.name: re.search(r"^User=(\S+)$", read(file), re.M)[1] for file in UNITS.glob("*.service")}
        self.assertEqual(set(used.values()), made)
        self.assertEqual(len(set(used.values())), len(used))

    def test_blobs_are_written_by_crawler_and_encoder_only(self):
        writers = {file.stem for file in UNITS.glob("*.service") if "ReadWritePaths=/var/lib/tusou/blobs" in read(file)}
        self.assertEqual(writers, {"tusou-crawler", "tusou-encoder"})


class Images(unittest.TestCase):
    def test_every_image_is_pinned(self):
        for file in (COMPOSE / "compose.yaml", COMPOSE / "Dockerfile"):
            stages = set(re.findall(r" AS (\S+)$", read(file), re.M))
            for image in text.images(read(file)):
                if image in stages or image.startswith("tusou/"):
                    continue
                self.assertTrue(text.is_pinned(image), "%s: %s" % (file.name, image))

    def test_pinned_is_told_from_what_is_not(self):
        for image in ("postgres:15.13-bookworm", "a/b@sha256:00", "r.example.org:5000/a:1"):
            self.assertTrue(text.is_pinned(image), image)
        for image in ("postgres", "postgres:latest", "r.example.org:5000/a", "a:main"):
            self.assertFalse(text.is_pinned(image), image)

    def test_no_container_is_root_at_its_end(self):
        targets = re.split(r"^(?=FROM )", read(COMPOSE / "Dockerfile"), flags=re.M)[1:]
        ends = {re.search(r" AS (\S+)", target)[1]: re.findall(r"^USER (\S+)", target, re.M) for target in targets}
        for name in ("base", "crawler", "encoder-cuda", "tools"):
            self.assertEqual(ends[name][-1], "10001:10001", name)
        self.assertEqual(ends["services"], [], "it is as `base`")

    def test_licences_go_with_what_is_handed_on(self):
        for stage in re.split(r"^(?=FROM )", read(COMPOSE / "Dockerfile"), flags=re.M)[1:]:
            name = re.match(r"FROM (\S+) AS (\S+)", stage)
            if name[2] in ("base", "encoder-cuda"):
                self.assertIn("\nCOPY LICENSE THIRD-PARTY.md /usr/share/doc/tusou/\n", stage, name[2])
            elif "/out/lib/libonnxruntime.so" in stage:
                self.assertRegex(stage, "LICENSE.*ThirdPartyNotices.txt.* /out/lib/", name[2])
            elif name[2] not in ("build", "models", "runtime-cuda"):
                self.assertIn(name[1], ("base", "services"), "%s has its licences from neither" % name[2])

    def test_the_builder_is_given_what_the_build_reads_and_no_more(self):
        lines = read(COMPOSE / "Dockerfile.dockerignore").split("\n")
        lines = [line for line in lines if line and not line.startswith("#")]
        self.assertEqual(lines[0], "*", "everything is left out but what is named")
        let_in = [line[1:] for line in lines if line.startswith("!")]
        for path in (".git", ".stack", "target", "deploy/compose/secrets", "deploy/compose/.env"):
            self.assertFalse([one for one in let_in if one == path or path.startswith(one + "/")], path)
        root = DEPLOY.parent
        given = [root / one for one in let_in]
        self.assertEqual([one for one in given if not one.exists()], [])
        inside = lambda file: any(file == one or one in file.parents for one in given)  # noqa: E731
        copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", read(COMPOSE / "Dockerfile"), re.M)
        for name in " ".join(copied).split():
            self.assertTrue(name == "." or inside(root / name), "%s is copied, and kept from the builder" % name)
        for folder in ("bench", "cli", "crates", "crawler", "encoder", "indexer", "search"):
            for file in (root / folder).rglob("*.rs"):
                for name in re.findall(r'(?:include_str|include_bytes|migrate)!\(\s*"([^"]+)"', read(file)):
                    base = file.parent if "migrate!" not in read(file) else next(p for p in file.parents if (p / "Cargo.toml").exists())
                    self.assertTrue(inside(pathlib.Path(os.path.normpath(base / name))), "%s reads %s" % (file, name))


class SystemCalls(unittest.TestCase):
    def test_kubernetes_profile_is_docker_s_without_what_kubernetes_cannot_read(self):
        docker, made = json.loads(read(seccomp.OF_DOCKER)), json.loads(read(seccomp.OF_KUBERNETES))
        self.assertEqual(made, seccomp.of_kubernetes(docker))
        self.assertEqual({key for rule in made["syscalls"] for key in rule}, {"names", "action", "args", "errnoRet"})
        let_through = {name for rule in made["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
        self.assertLessEqual({"read", "arch_prctl", "unshare", "clone"}, let_through)
        self.assertEqual({"mount", "bpf", "clone3", "setns", "init_module"} & let_through, set())

    def test_a_rule_of_one_processor_only_is_not_made_one_of_all(self):
        docker = json.loads(read(seccomp.OF_DOCKER))
        docker["syscalls"].append({"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["arm64"]}})
        with self.assertRaises(ValueError):
            seccomp.of_kubernetes(docker)


class Addresses(unittest.TestCase):
    def test_the_crawler_s_drop_in_denies_what_is_not_public(self):
        drop_in = read(UNITS / "drop-ins" / "public-addresses-only.conf")
        denied = [ipaddress.ip_network(one) for line in re.findall(r"^IPAddressDeny=(.*)$", drop_in, re.M) for one in line.split()]
        through = lambda address: not any(address in network for network in denied if network.version == address.version)  # noqa: E731
        self.assertEqual(text.wrong_addresses(through), [])

    def test_a_hole_is_found(self):
        through = lambda address: str(address) in text.PUBLIC + ["169.254.169.254"]  # noqa: E731
        self.assertEqual(text.wrong_addresses(through), ["169.254.169.254 is let through, and is not public"])


class Copies(unittest.TestCase):
    def test_the_chart_s_alerts_are_prometheus_s(self):
        self.assertEqual(read(CHART / "alerts.yml"), read(DEPLOY / "prometheus" / "alerts.yml"))

    def test_chart_and_workspace_have_one_version(self):
        version = re.search(r'^\[workspace\.package\]\nversion = "([^"]+)"', read(DEPLOY.parent / "Cargo.toml"), re.M)[1]
        chart = dict(re.findall(r"^(version|appVersion): (\S+)$", read(CHART / "Chart.yaml"), re.M))
        self.assertEqual(chart, {"version": version, "appVersion": version})

    def test_units_bound_memory_as_the_alerts_believe(self):
        limits = text.memory_limits()
        self.assertEqual(len(limits), 6)
        for job, limit in limits.items():
            unit = read(UNITS / "drop-ins" / "cuda.conf" if job == "tusou-encoder-gpu" else UNITS / (job + ".service"))
            self.assertEqual(text.size(re.search(r"^MemoryMax=(\S+)$", unit, re.M)[1]), limit, job)

    def test_every_service_has_longer_than_it_needs_to_end(self):
        needs = text.seconds_to_end()
        for unit in UNITS.glob("*.service"):
            stop = re.search(r"^TimeoutStopSec=(\d+)$", read(unit), re.M)
            self.assertTrue(unit.name == "tusou-migrate.service" or int(stop[1]) > needs, unit.name)
        self.assertGreater(int(re.search(r"stop_grace_period: (\d+)s", read(COMPOSE / "compose.yaml"))[1]), needs)


class Secrets(unittest.TestCase):
    """`make-secrets` in a folder of its own."""

    def run_there(self, folder, **variables):
        script = folder / "make-secrets"
        script.write_text(read(COMPOSE / "make-secrets"))
        script.chmod(0o755)
        return subprocess.run([script], env=dict(os.environ, **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_each_file_that_compose_names_is_made_once(self):
        wanted = set(re.findall(r"file: \./secrets/(\S+) \}", read(COMPOSE / "compose.yaml")))
        with tempfile.TemporaryDirectory() as kept:
            folder = pathlib.Path(kept)
            self.assertEqual(self.run_there(folder).returncode, 0)
            made = {file.name: file.read_text() for file in (folder / "secrets").iterdir()}
            self.assertLessEqual(wanted, set(made))
            self.assertEqual(oct((folder / "secrets").stat().st_mode & 0o777), "0o700")
            self.assertIn(made["postgres_password"], made["database_url"])
            self.assertNotEqual(made["postgres_password"], made["rabbitmq_password"])
            self.run_there(folder)
            self.assertEqual({file.name: file.read_text() for file in (folder / "secrets").iterdir()}, made)

    def test_a_password_that_would_break_a_url_is_refused(self):
        with tempfile.TemporaryDirectory() as kept:
            told = self.run_there(pathlib.Path(kept), PASSWORD="a@b")
            self.assertEqual((told.returncode, b"PASSWORD" in told.stderr), (1, True))
            self.assertEqual(list((pathlib.Path(kept) / "secrets").iterdir()), [])


if __name__ == "__main__":
    unittest.main()
