"""What can be seen in the files without reading YAML."""

import ipaddress
import pathlib
import random
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"

# Where variables of ours are set.
SETTING = ("compose/Dockerfile", "compose/compose.yaml", "helm/tusou/**/*.yaml", "helm/tusou/**/*.tpl", "helm/tusou/*.json", "systemd/**/*.service", "systemd/**/*.conf", "systemd/tusou-admin")

# `TUSOU_CRAWLER_LISTEN` in any of them; what a template puts together (`TUSOU_{{ … }}_LISTEN`) is seen once it is rendered.
NAME = re.compile(r"\bTUSOU_[A-Z0-9_]*[A-Z0-9]\b")

# Nothing that answers there is a public site. The last of each are tunnels, and what clouds keep there.
NOT_PUBLIC = (
    "0.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 "
    "192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16 192.88.99.1 "
    ":: ::1 ::ffff:10.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 100::1 fc00::1 fd00:ec2::254 fe80::1 ff02::1 2001::1 2001:db8::1 2002:a00:1::1 3fff::1 4000::1"
).split()
PUBLIC = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.1.1 223.255.255.1 2400:cb00::1 2606:2800:220:1::1 2a00:1450::1".split()


def setting_files():
    """Each file that sets variables of ours."""
    return sorted(file for pattern in SETTING for file in DEPLOY.glob(pattern))


def images(text):
    """What `image:` and `FROM` name, as they stand."""
    return re.findall(r"^\s*(?:image:|FROM)\s+(\S+)", text, re.M)


def is_pinned(image):
    """Whether it has a digest, or a tag of a version."""
    if "@sha256:" in image:
        return True
    tag = re.search(r":([^/:]+)$", image)
    return bool(tag) and tag[1] not in ("latest", "stable", "edge", "main") and any(c.isdigit() for c in tag[1])


def is_public(address):
    """Whether a public site may be there, by the registries as Python has them, and what they leave out."""
    special = address.is_multicast or address.is_reserved or address.is_link_local or address.is_loopback or address.is_unspecified
    tunnel = address.version == 6 and (address.sixtofour or address.teredo or address.ipv4_mapped)
    return address.is_global and not special and not tunnel


def wrong_addresses(is_let_through):
    """Addresses that a rule judges otherwise than it should: those above, and thousands by chance (always the same)."""
    wrong = ["%s is let through, and is not public" % one for one in NOT_PUBLIC if is_let_through(ipaddress.ip_address(one))]
    wrong += ["%s is kept out, and is public" % one for one in PUBLIC if not is_let_through(ipaddress.ip_address(one))]
    chance = random.Random(1)
    drawn = [ipaddress.IPv4Address(chance.getrandbits(32)) for _ in range(20000)]
    drawn += [ipaddress.IPv6Address(chance.getrandbits(128)) for _ in range(2000)]
    drawn += [ipaddress.IPv6Address((0x2000 << 112) + chance.getrandbits(125)) for _ in range(2000)]
    wrong += ["%s is let through, and is not public" % one for one in drawn if is_let_through(one) and not is_public(one)]
    return wrong[:10]


def memory_limits():
    """Bytes that each job is allowed, as deploy/prometheus/alerts.yml believes; `tusou-encoder-gpu` is the one on a card."""
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    found = re.findall(r"record: tusou:memory_limit_bytes\s+expr: vector\(([0-9 *]+)\)\s+labels: \{ job: ([a-z-]+)(, gpu: expected)? \}", text)
    limits = {}
    for product, job, gpu in found:
        job += "-gpu" if gpu else ""
        limits[job] = 1
        for factor in product.split("*"):
            limits[job] *= int(factor)
    return limits


def seconds_to_end():
    """The longest that a service takes from SIGTERM to its end."""
    service = (ROOT / "crates" / "platform" / "src" / "service.rs").read_text(encoding="utf-8")
    parts = re.findall(r"const (?:DRAIN|LEFTOVERS): Duration = Duration::from_secs\((\d+)\)", service)
    if len(parts) != 2:
        raise ValueError("crates/platform/src/service.rs is not read right any more")
    return sum(map(int, parts))


UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def size(text):
    """`4g`, `4Gi`, `4G` or a number, in bytes."""
    number, unit = re.fullmatch(r"(\d+)\s*([kmgt]?)i?b?", str(text).lower()).groups()
    return int(number) * UNITS[unit]
