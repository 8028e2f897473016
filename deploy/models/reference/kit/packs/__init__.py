"""One module for each layout of packs."""
