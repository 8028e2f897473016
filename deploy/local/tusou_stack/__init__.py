"""Tusou's local stack: every store and service on one machine, without containers."""
