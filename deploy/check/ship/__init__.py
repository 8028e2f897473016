"""The parts of `deploy/check-deploy`. `keys` and `text` need nothing but Python, and deploy/tests/test_ship.py uses them too."""
