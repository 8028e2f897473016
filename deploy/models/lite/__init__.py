"""Parts of the `lite` model pack's build. The way through them is `build_lite.py`."""
