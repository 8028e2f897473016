-- Sitemaps and feeds: what a site names by itself.

-- When the robots.txt was fetched by which the seed was last given its sitemaps; null until then.
ALTER TABLE seeds ADD COLUMN sitemaps_at timestamptz;
-- How many sitemaps the seed asks for; counted under the row's lock, and not among its pages.
ALTER TABLE seeds ADD COLUMN sitemaps bigint NOT NULL DEFAULT 0;
-- The seeds of a host whose robots.txt was fetched: those whose scope begins with its origin.
CREATE INDEX seeds_scope ON seeds (scope_url COLLATE "C");

-- Of a sitemap: how many indexes lead to it.
ALTER TABLE pages ADD COLUMN sitemap_level integer NOT NULL DEFAULT 0;
-- Whether the page was read as a feed.
ALTER TABLE pages ADD COLUMN is_feed boolean NOT NULL DEFAULT false;
-- Of a sitemap or feed: how many pages and sitemaps it names, and how many pages, pictures and
-- sitemaps were left out because of a bound.
ALTER TABLE pages ADD COLUMN named integer NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN left_out integer NOT NULL DEFAULT 0;
-- What sitemaps, feeds and lists say that a page shows: it goes with the page.
CREATE INDEX page_images_named ON page_images ((context ->> 'page')) WHERE context ->> 'page' IS NOT NULL;
CREATE INDEX sightings_named ON sightings ((context ->> 'page')) WHERE context ->> 'page' IS NOT NULL;
-- What is counted apart: few rows among the pages.
CREATE INDEX pages_discovery ON pages (page_id) WHERE kind = 'sitemap' OR is_feed;
