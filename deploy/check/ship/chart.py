"""The Helm chart: what it makes of each set of values."""

import copy
import ipaddress
import re

import jsonschema
import kubernetes_validate
import yaml

from . import keys, text, tools

CHART = text.DEPLOY / "helm" / "tusou"

# A number that Helm wrote as it pleased.
FLOAT = re.compile(r"\d+(\.\d+)?e[+-]?\d+")

# The oldest that Chart.yaml takes, and newer ones up to what the schemas know.
VERSIONS = ("1.27.0", "1.31.0", "1.34.0", "1.37.0")


def complaints(helm, keda, operator):
    """Everything that is wrong."""
    found = []
    definitions = {}
    files = [keda / "config" / "crd" / "bases" / ("keda.sh_%s.yaml" % name) for name in ("scaledobjects", "triggerauthentications")]
    crds = operator / "example" / "prometheus-operator-crd"
    files += [crds / ("monitoring.coreos.com_%s.yaml" % name) for name in ("servicemonitors", "prometheusrules")]
    for file in files:
        definition = yaml.safe_load(file.read_text(encoding="utf-8"))
        for version in definition["spec"]["versions"]:
            kind = "%s/%s" % (definition["spec"]["group"], version["name"]), definition["spec"]["names"]["kind"]
            definitions[kind] = _strict(version["schema"]["openAPIV3Schema"])
    sets = [("default values", [])] + [(file.name, ["-f", file]) for file in sorted((CHART / "ci").glob("*.yaml"))]
    for name, values in sets:
        try:
            objects = _render(helm, values)
        except tools.Missing as failed:
            found.append("chart, %s: %s" % (name, failed))
            continue
        wrong = _schemas(objects, definitions) + _rules(objects)
        # Only these leave the limits as they are.
        if name in ("default values", "accounts-values.yaml"):
            wrong += _limits(objects)
        found += ["chart, %s: %s" % (name, words) for words in wrong]
    return found + _refused(helm)


def _render(helm, values):
    """Lints, then makes the objects."""
    tools.run([helm, "lint", "--strict", "--kube-version", VERSIONS[-1], CHART] + values, "helm lint")
    # For the oldest version: what is in no other is refused by the schemas.
    words = [helm, "template", "pics", CHART, "--namespace", "pictures", "--kube-version", VERSIONS[0]]
    said = tools.run(words + values, "helm template")
    # It says where a link leads, among the objects.
    said = "\n".join(line for line in said.split("\n") if "walk.go:" not in line)
    return [one for one in yaml.safe_load_all(said) if one]


def _refused(helm):
    """Values that the schema must not let through."""
    found = []
    values = (
        "config.TUSOU_AMQP_URL=x", "crawler.replica=2", "images.crawler.tag=latest", "models.fetch={sscd}", "backup.enabled=true",
        "crawler.autoscaling.enabled=true", "encoder.contact=x", "operate.replicas=2", "networkPolicy.stores.postgres.to=null", "fullnameOverride=1.pictures",
    )
    for wrong in values:
        try:
            tools.run([helm, "template", "x", CHART, "--kube-version", VERSIONS[0], "--set", wrong], "helm template")
            found.append("chart: the value %s is taken" % wrong)
        except tools.Missing:
            pass
    return found


def _strict(schema):
    """A definition's schema that refuses what it does not name, as the server's field validation does."""
    schema = copy.deepcopy(schema)

    def close(node):
        if isinstance(node, dict):
            if "properties" in node and "additionalProperties" not in node and not node.get("x-kubernetes-preserve-unknown-fields"):
                node["additionalProperties"] = False
            for child in node.values():
                close(child)
        elif isinstance(node, list):
            for child in node:
                close(child)

    close(schema)
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


def _schemas(objects, definitions):
    found = []
    for one in objects:
        called = "%s %s" % (one["kind"], one["metadata"]["name"])
        own = definitions.get((one["apiVersion"], one["kind"]))
        if own:
            found += ["%s: %s" % (called, error.message[:300]) for error in own.iter_errors(one)]
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                found.append("%s: Kubernetes %s knows no %s" % (called, version, one["apiVersion"]))
            except kubernetes_validate.ValidationError as error:
                found.append("%s, Kubernetes %s: %s" % (called, version, error.message[:300]))
    return found


def _of(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def _pods(objects):
    """Each object that makes pods, with their specification and labels."""
    for one in objects:
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] in ("Deployment", "Job", "CronJob"):
            yield one, spec["template"]["spec"], spec["template"]["metadata"]["labels"]


def _rules(objects):
    """What no schema knows."""
    found = []
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    found += ["%s %s is there twice" % name for name in set(names) if names.count(name) > 1]
    if _of(objects, "Secret"):
        found.append("it makes a Secret: secrets are to be named only")
    known, secret = keys.variables(), {keys.variable(key) for key in keys.secrets()}
    services = {one["metadata"]["name"]: {port["port"] for port in one["spec"]["ports"]} for one in _of(objects, "Service")}
    accounts = {one["metadata"]["name"] for one in _of(objects, "ServiceAccount")}
    claims = {one["metadata"]["name"] for one in _of(objects, "PersistentVolumeClaim")}
    for one in _of(objects, "ConfigMap"):
        found += ["the ConfigMap holds %s, which is no key" % name for name in one["data"] if name not in known]
        found += ["the ConfigMap holds %s=%s" % item for item in one["data"].items() if FLOAT.fullmatch(item[1])]
    for one, pod, labels in _pods(objects):
        def wrong(words, one=one):
            found.append("%s %s %s" % (one["kind"], one["metadata"]["name"], words))

        security = pod.get("securityContext", {})
        if not security.get("runAsNonRoot") or not security.get("runAsUser") or security.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            wrong("may run as root, or without a seccomp profile")
        if pod.get("automountServiceAccountToken") is not False:
            wrong("is given a token")
        if pod.get("serviceAccountName", "default") not in accounts | {"default"}:
            wrong("has an account that is not there")
        if one["kind"] == "Deployment" and pod["terminationGracePeriodSeconds"] < text.seconds_to_end() + 5:
            wrong("is killed before it has ended")
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        for volume in pod.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim.startswith("pics-") and claim not in claims:
                wrong("mounts the claim %s, which is not made" % claim)
            if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
                wrong("has a folder without a bound: " + volume["name"])
            if "hostPath" in volume:
                wrong("mounts a folder of the node")
        given = {item["path"] for volume in pod.get("volumes", []) for source in volume.get("projected", {}).get("sources", []) for item in source["secret"]["items"]}
        for container in pod.get("initContainers", []) + pod["containers"]:
            confined = container.get("securityContext", {})
            if confined.get("allowPrivilegeEscalation") is not False or confined.get("readOnlyRootFilesystem") is not True or confined.get("capabilities") != {"drop": ["ALL"]}:
                wrong("has a container that is not confined")
            if not container["resources"].get("limits", {}).get("memory") or not container["resources"].get("requests", {}).get("cpu"):
                wrong("has a container without bounds")
            if not text.is_pinned(container["image"]):
                wrong("has an image that is not pinned: " + container["image"])
            if {mount["name"] for mount in container.get("volumeMounts", [])} - volumes:
                wrong("mounts a volume that it has not")
            variables = [entry["name"] for entry in container.get("env", [])]
            for name in {name for name in variables if variables.count(name) > 1}:
                wrong("sets %s twice" % name)
            named, asked = set(), set()
            for entry in container.get("env", []):
                name, value = entry["name"], str(entry.get("value", ""))
                if name.startswith("TUSOU_") and name not in known:
                    wrong("sets %s, which is no key" % name)
                if name in secret or "valueFrom" in entry:
                    wrong("has the secret %s in its environment" % name)
                if FLOAT.fullmatch(value):
                    wrong("sets %s to %s" % (name, value))
                if value.startswith("/run/secrets/tusou/"):
                    named.add(value.rpartition("/")[2])
                for service, port in re.findall(r"\$\((\w+)_SERVICE_HOST\):(\d+)", value):
                    if int(port) not in services.get(service.lower().replace("_", "-"), ()) or not pod.get("enableServiceLinks"):
                        wrong("asks for the Service %s, port %s, which is not there" % (service, port))
                    asked.add(name)
            if named != given:
                wrong("is given other files of secrets than it names: %s" % sorted(named ^ given))
            if labels["app.kubernetes.io/component"] == "operate" and len(asked) != 4:
                wrong("asks %d of the four services for their health" % len(asked))
            if one["kind"] == "Deployment" and not {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container):
                wrong("is not probed")
    return found + _selections(objects) + _scaling(objects) + _policies(objects)


def _selects(selector, labels):
    return all(labels.get(name) == value for name, value in selector.items())


def _selections(objects):
    """Whatever selects pods must find some."""
    found = []
    pods = [labels for _, _, labels in _pods(objects)]
    for one in objects:
        selector = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        }.get(one["kind"])
        if selector and not any(_selects(selector(one["spec"]), labels) for labels in pods):
            found.append("%s %s selects no pod" % (one["kind"], one["metadata"]["name"]))
    for one in _of(objects, "ServiceMonitor"):
        labels = [service["metadata"]["labels"] for service in _of(objects, "Service")]
        if sum(_selects(one["spec"]["selector"]["matchLabels"], each) for each in labels) != 1:
            found.append("ServiceMonitor %s does not select one Service" % one["metadata"]["name"])
    return found


def _scaling(objects):
    found = []
    known = keys.queues()
    deployments = {one["metadata"]["name"]: one for one in _of(objects, "Deployment")}
    scaled = _of(objects, "ScaledObject") + _of(objects, "HorizontalPodAutoscaler")
    for one in scaled:
        target = deployments.get(one["spec"]["scaleTargetRef"]["name"])
        if not target:
            found.append("%s scales what is not there" % one["metadata"]["name"])
        elif "replicas" in target["spec"] and target["spec"]["replicas"] != 0:
            found.append("%s is set to a number by two" % one["metadata"]["name"])
    queues = {trigger["metadata"]["queueName"] for one in _of(objects, "ScaledObject") for trigger in one["spec"]["triggers"]}
    if queues - known:
        found.append("it scales by queues that are none: %s" % sorted(queues - known))
    if len(_of(objects, "ScaledObject")) > 2 and queues != known:
        found.append("it scales nothing by %s" % sorted(known - queues))
    return found


def _limits(objects):
    """Memory as the alerts believe."""
    found = []
    limits = text.memory_limits()
    for one in _of(objects, "Deployment"):
        name = one["metadata"]["labels"]["app.kubernetes.io/component"]
        limit = one["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
        if text.size(limit) != limits.get("tusou-" + name):
            found.append("%s has another bound for memory than tusou:memory_limit_bytes in deploy/prometheus/alerts.yml" % name)
    return found


def _policies(objects):
    """Who may reach whom, judged as Kubernetes does: what no policy allows is refused."""
    policies = _of(objects, "NetworkPolicy")
    if not policies:
        return []
    found = []
    for one, _, labels in _pods(objects):
        mine = [policy["spec"] for policy in policies if _selects(policy["spec"]["podSelector"].get("matchLabels", {}), labels)]
        component = labels["app.kubernetes.io/component"]
        if not mine or any(set(spec["policyTypes"]) != {"Ingress", "Egress"} for spec in mine):
            found.append("%s is not closed by default" % component)
        rules = [rule for spec in mine for rule in spec.get("egress", [])]
        ingress = [rule for spec in mine for rule in spec.get("ingress", [])]
        if component != "search" and any(not rule.get("from") for rule in ingress):
            found.append("%s may be reached by everybody" % component)
        if any(not peer for rule in rules for peer in rule.get("to", [{}])):
            found.append("%s may reach everything at some port" % component)
        wrong = text.wrong_addresses(lambda address, rules=rules: any(_lets_through(rule, address) for rule in rules))
        found += ["%s: %s" % (component, words) for words in wrong if "let through" in words]
        # The web is any port of it; a bucket of Amazon's is one port.
        web = [rule for rule in rules if any("endPort" in port for port in rule.get("ports", [{"endPort": 0}]))]
        kept_out = [one for one in text.PUBLIC if not any(_lets_through(rule, ipaddress.ip_address(one)) for rule in web)]
        if component in ("crawler", "models") and kept_out:
            found.append("%s does not reach all of the web: %s" % (component, kept_out))
        if component not in ("crawler", "models", "search") and len(kept_out) < len(text.PUBLIC):
            found.append("%s reaches the web" % component)
    return found


def _lets_through(rule, address):
    """Whether a rule's ranges hold an address. Those of a store are no hole: only wide ones are asked."""
    for block in (peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer):
        network = ipaddress.ip_network(block["cidr"])
        if network.prefixlen < 8 and address.version == network.version and address in network:
            if not any(address in ipaddress.ip_network(one) for one in block.get("except", [])):
                return True
    return False
