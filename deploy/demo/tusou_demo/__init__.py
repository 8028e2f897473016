"""The demo: two real sites, crawled, encoded, indexed, counted and searched."""
