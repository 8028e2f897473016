"""ONNX Runtime: the shared library out of its PyPI wheel."""

from . import paths, versions
from .download import python, unzip, wheel, whole
from .say import StackError


def obtain():
    """Puts `libonnxruntime.so` in its place."""
    if paths.RUNTIME.exists():
        return
    python()
    with whole(paths.RUNTIME.parent) as part:
        archive = wheel(versions.ONNXRUNTIME_WHEEL, part)
        unzip(
            archive,
            part,
            lambda name: name.startswith("onnxruntime/capi/libonnxruntime") or "LICENSE" in name,
        )
        libraries = sorted((part / "onnxruntime" / "capi").glob("libonnxruntime*"))
        for library in libraries:
            library.rename(part / library.name)
        versioned = part / ("libonnxruntime.so." + versions.ONNXRUNTIME)
        if not versioned.exists():
            raise StackError("%s holds no %s" % (archive.name, versioned.name))
        (part / "libonnxruntime.so.1").symlink_to(versioned.name)
        (part / "libonnxruntime.so").symlink_to(versioned.name)
        archive.unlink()
