#!/usr/bin/env python3
"""The encoder on a CUDA card beside bare ONNX Runtime and torch: run.sh starts it, README.md explains it.

Prints a table and writes `results.json` into the folder of work. Everything runs on one f16 pack in the shape of
CLIP ViT-B/32, one after the other, in one run.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers" / "encoder"))

import make_vit

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
PICTURES = 512
WIDE, HIGH = 1280, 960


class Busy:
    """How busy the card was between enter and exit, by nvidia-smi, five times a second; None without one."""

    def __init__(self, wanted):
        self.wanted, self.samples, self.process = wanted, [], None

    def __enter__(self):
        if self.wanted:
            query = "--query-gpu=utilization.gpu,memory.used,power.draw"
            command = ["nvidia-smi", query, "--format=csv,noheader,nounits", "-lms", "200", "-i", "0"]
            try:
                self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            except FileNotFoundError:
                return self
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.samples.append(line.split(","))

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.reader.join(timeout=2)

    def share(self):
        """The mean of the card's own figure, 0 to 1, without the first and last samples, which straddle the ends."""
        values = []
        for sample in self.samples[1:-1]:
            try:
                values.append(float(sample[0]) / 100)
            except ValueError:
                continue
        return sum(values) / len(values) if values else None


def rate(step, batch, seconds, settle=lambda: None):
    """Pictures a second of `step`, after three runs that do not count."""
    for _ in range(3):
        step()
    settle()
    began, runs = time.perf_counter(), 0
    while True:
        step()
        runs += 1
        # Queued work counts when it is done, so the queue is emptied now and then, and at the end.
        if runs % 8 == 0 or time.perf_counter() - began > seconds:
            settle()
            if time.perf_counter() - began > seconds:
                return runs * batch / (time.perf_counter() - began)


def session(model, cuda):
    """ONNX Runtime on the card or, in a rehearsal, on the CPU; stops where the card is not what runs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not cuda:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    onnxruntime.preload_dlls()
    made = onnxruntime.InferenceSession(str(model), options, providers=[("CUDAExecutionProvider", {"device_id": 0})])
    if "CUDAExecutionProvider" not in made.get_providers():
        sys.exit("gpu bench: ONNX Runtime cannot use the card: see its message above, and the driver's version")
    return made


def onnx_curve(model, cuda, batches, seconds, from_host):
    """Bare ONNX Runtime with bound inputs and outputs: on the card throughout, or uploaded and fetched each time."""
    made, device = session(model, cuda), "cuda" if cuda else "cpu"
    name, output = made.get_inputs()[0].name, made.get_outputs()[0].name
    kind = np.float16 if "float16" in made.get_inputs()[0].type else np.float32
    rates = {}
    for batch in batches:
        pixels = np.random.default_rng(batch).normal(size=(batch, 3, make_vit.SIDE, make_vit.SIDE)).astype(kind)
        binding = made.io_binding()
        rows = onnxruntime.OrtValue.ortvalue_from_shape_and_type([batch, make_vit.DIMENSION], kind, device, 0)
        if not from_host:
            there = onnxruntime.OrtValue.ortvalue_from_numpy(pixels, device, 0)
            binding.bind_ortvalue_input(name, there)
        binding.bind_ortvalue_output(output, rows)

        def step():
            if from_host:
                binding.bind_cpu_input(name, pixels)
            made.run_with_iobinding(binding)
            if from_host:
                rows.numpy()

        rates[batch] = rate(step, batch, seconds, binding.synchronize_outputs)
    return rates


class Tower(torch.nn.Module):
    """The same tower in torch, with the ONNX file's weights and torch's own attention."""

    def __init__(self, model, kind):
        super().__init__()
        import onnx
        from onnx import numpy_helper

        values = {one.name: numpy_helper.to_array(one) for one in onnx.load(str(model)).graph.initializer}
        self.names = {}
        for at, (name, value) in enumerate(values.items()):
            if np.issubdtype(value.dtype, np.floating):
                self.names[name] = "w%d" % at
                self.register_buffer("w%d" % at, torch.from_numpy(value.copy()).to(kind))

    def w(self, name):
        return getattr(self, self.names[name])

    def linear(self, x, name):
        return torch.addmm(self.w(name + ".bias"), x.flatten(0, -2), self.w(name + ".weight")).view(*x.shape[:-1], -1)

    def norm(self, x, name):
        return torch.nn.functional.layer_norm(x, (make_vit.WIDTH,), self.w(name + ".weight"), self.w(name + ".bias"), 1e-5)

    def forward(self, pixels):
        x = torch.nn.functional.conv2d(pixels, self.w("patch.weight"), stride=make_vit.PATCH).flatten(2).transpose(1, 2)
        x = torch.cat([self.w("class").expand(x.shape[0], -1, -1), x], 1) + self.w("positions")
        x = self.norm(x, "pre")
        for layer in range(make_vit.LAYERS):
            name = "layer%d." % layer
            h = self.norm(x, name + "norm1")
            parts = [self.linear(h, name + part).unflatten(-1, (make_vit.HEADS, -1)).transpose(1, 2) for part in ("query", "key", "value")]
            h = torch.nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
            x = x + self.linear(h, name + "out")
            h = self.linear(self.norm(x, name + "norm2"), name + "inner")
            x = x + self.linear(h * torch.sigmoid(1.702 * h), name + "outer")
        return self.norm(x[:, 0], "post") @ self.w("projection")


def torch_curve(model, cuda, batches, seconds):
    """torch in the pack's precision, inputs on the card; and how far it is from ONNX Runtime on one batch."""
    device = "cuda" if cuda else "cpu"
    made = session(model, cuda)
    kind = torch.float16 if "float16" in made.get_inputs()[0].type else torch.float32
    tower, rates = Tower(model, kind).to(device).eval(), {}
    settle = torch.cuda.synchronize if cuda else (lambda: None)
    with torch.inference_mode():
        pixels = torch.randn(2, 3, make_vit.SIDE, make_vit.SIDE, dtype=kind)
        ours = tower(pixels.to(device)).float().cpu().numpy()
        theirs = made.run(None, {make_vit.INPUT: pixels.numpy()})[0].astype(np.float32)
        cosine = float(((ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)).min())
        if not cosine > 0.999:
            sys.exit("gpu bench: torch and ONNX Runtime give other embeddings (cosine %.5f): they are not the same model" % cosine)
        for batch in batches:
            pixels = torch.randn(batch, 3, make_vit.SIDE, make_vit.SIDE, dtype=kind, device=device)
            rates[batch] = rate(lambda: tower(pixels), batch, seconds, settle)
    return rates, cosine


def photographs(folder, count):
    """JPEGs of 1280 × 960 that weigh what photographs do; each is made once."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:HIGH, 0:WIDE]
    for number in range(count):
        path = folder / ("%04d.jpg" % number)
        if path.exists():
            continue
        random = np.random.default_rng(number)
        angle, speed = random.uniform(0, 6.28, 3), random.uniform(1, 6, 3)
        smooth = np.stack([128 + 90 * np.sin(speed[c] * x / WIDE * 3 + y / HIGH * 4 + angle[c]) for c in range(3)], -1)
        grain = random.normal(0, 14, (HIGH // 2, WIDE // 2, 3)).repeat(2, 0).repeat(2, 1)
        making = path.with_suffix(".making")
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(making, "JPEG", quality=88)
        making.rename(path)


def pillow_rate(folder, seconds):
    """Pictures a second that one core makes ready with Pillow and numpy."""
    from pillow_peer import Preprocess

    preprocess, files = Preprocess(make_vit.PREPROCESS, draft=False), sorted(folder.glob("*.jpg"))
    began, done = time.thread_time(), 0
    while time.thread_time() - began < seconds:
        preprocess(files[done % len(files)])
        done += 1
    return done / (time.thread_time() - began)


def run_ours(binary, pack, pictures, seconds, cuda):
    """What `tusou-bench encoder-gpu` says, and how busy the card was; a reason where it did not run."""
    if not binary.exists():
        return None, None, "%s is not there: cargo build --release --workspace --bins --locked" % binary
    command = [str(binary), "encoder-gpu", str(pack), str(pictures), str(seconds), "cuda" if cuda else "cpu"]
    with Busy(cuda) as busy:
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240)
        except subprocess.TimeoutExpired:
            return None, None, "`%s` took more than four minutes" % " ".join(command[:2])
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        return None, None, "`%s` ended with %d" % (" ".join(command[:2]), done.returncode)
    return json.loads(lines[-1]), busy.share(), None


def main():
    """Measures, prints, writes."""
    arguments = _arguments()
    cuda = not arguments.cpu
    batches = BATCHES if cuda else (1, 2)
    seconds = 2.0 if cuda else 0.5
    if cuda and not torch.cuda.is_available():
        sys.exit("gpu bench: torch sees no CUDA card: run it on a machine that has one, or rehearse with --cpu")
    began = time.monotonic()
    kind = "f16" if cuda else "f32"
    pack, pictures = arguments.work / "packs" / kind, arguments.work / "pictures"
    arguments.work.joinpath("packs").mkdir(parents=True, exist_ok=True)
    if not (pack / "pack.json").exists():
        make_vit.write_pack(pack, kind)
    photographs(pictures, PICTURES if cuda else 8)
    model, result = pack / "visual/model.onnx", {"pack": pack.name, "cores": os.cpu_count()}
    result["device"] = torch.cuda.get_device_name(0) if cuda else "CPU (a rehearsal: its figures mean nothing)"
    result["versions"] = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
    for name, from_host in (("onnxruntime", False), ("onnxruntime_from_host", True)):
        with Busy(cuda) as busy:
            result[name] = onnx_curve(model, cuda, batches, seconds, from_host)
        result[name + "_busy"] = busy.share()
    with Busy(cuda) as busy:
        result["torch"], result["torch_cosine"] = torch_curve(model, cuda, batches, seconds)
    result["torch_busy"] = busy.share()
    if cuda:
        torch.cuda.empty_cache()
    result["pillow_per_core"] = pillow_rate(pictures, 3.0 if cuda else 0.5)
    result["ours"], result["ours_busy"], reason = run_ours(arguments.ours, pack, pictures, seconds, cuda)
    if reason:
        result["ours_missing"] = reason
    _judge(result)
    result["minutes"] = (time.monotonic() - began) / 60
    (arguments.work / "results.json").write_text(json.dumps(result, indent=2) + "\n")
    _print(result)


def _judge(result):
    """The ratios that the goals are about, and the cores that feed the card."""
    bare = max(result["onnxruntime"].values())
    result["bare"] = bare
    result["cores_to_feed_with_pillow"] = bare / result["pillow_per_core"]
    ours = result["ours"]
    if not ours:
        return
    tensors = {int(batch): value for batch, value in ours["tensors"].items()}
    jpeg = ours["jpeg"]
    result["tensors_vs_bare"] = max(tensors.values()) / bare
    result["jpeg_vs_bare"] = jpeg["images_per_second"] / bare
    result["cores_used"] = jpeg["cpu_seconds"] / jpeg["seconds"]
    result["cores_to_feed"] = bare * jpeg["cpu_seconds"] / jpeg["images"]


def _print(result):
    print("%s, %s, ONNX Runtime %s, torch %s, %d cores" % (
        result["device"], result["pack"], result["versions"]["onnxruntime"], result["versions"]["torch"], result["cores"]))
    print("\npictures a second, by batch")
    ours = {int(batch): value for batch, value in ((result["ours"] or {}).get("tensors") or {}).items()}
    columns = [("bare", result["onnxruntime"]), ("from host", result["onnxruntime_from_host"]), ("torch", result["torch"]), ("ours", ours)]
    print("%8s" % "" + "".join("%12s" % name for name, _ in columns))
    for batch in result["onnxruntime"]:
        print("%8d" % batch + "".join("%12s" % ("%.0f" % values[batch] if batch in values else "-") for _, values in columns))
    shares = [result[name + "_busy"] for name in ("onnxruntime", "onnxruntime_from_host", "torch", "ours")]
    print("%8s" % "busy" + "".join("%12s" % ("%.2f" % share if share is not None else "-") for share in shares))
    print()
    for key, text in (
        ("bare", "pictures a second of bare ONNX Runtime at its best batch"),
        ("tensors_vs_bare", "ours from tensors over that (goal 0.9)"),
        ("jpeg_vs_bare", "ours from JPEG blobs over that (goal 0.9)"),
        ("cores_used", "cores that ours used for it"),
        ("cores_to_feed", "cores that would feed the bare card, by ours"),
        ("cores_to_feed_with_pillow", "cores that would feed it with Pillow"),
    ):
        if key in result:
            print("%10.2f  %s" % (result[key], text))
    if "ours_missing" in result:
        print("ours was not run: " + result["ours_missing"])
    print("%10.1f  minutes" % result["minutes"])


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="store_true", help="rehearse without a card: few batches, f32")
    parser.add_argument("--work", type=Path, required=True, help="where packs, pictures and results.json go")
    parser.add_argument("--ours", type=Path, required=True, help="the binary tusou-bench")
    return parser.parse_args()


if __name__ == "__main__":
    main()
