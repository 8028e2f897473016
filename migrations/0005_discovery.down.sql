DROP INDEX pages_discovery;
ALTER TABLE pages DROP COLUMN left_out;
ALTER TABLE pages DROP COLUMN named;
ALTER TABLE pages DROP COLUMN is_feed;
ALTER TABLE pages DROP COLUMN sitemap_level;
DROP INDEX seeds_scope;
ALTER TABLE seeds DROP COLUMN sitemaps;
ALTER TABLE seeds DROP COLUMN sitemaps_at;
