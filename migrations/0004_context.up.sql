-- What stands around a picture where it is seen, and what kind of thing a page is.

-- `SightingContext` of crates/contract: label, link text, heading, way found, variants, list columns.
ALTER TABLE page_images ADD COLUMN context jsonb NOT NULL DEFAULT '{}';
ALTER TABLE sightings ADD COLUMN context jsonb NOT NULL DEFAULT '{}';

-- A BCP 47 tag, as the page declares it.
ALTER TABLE pages ADD COLUMN lang text;

-- page: read for links and pictures; feeds are told by what they answer. sitemap: read for pages.
-- list, folder: a file or folder of the operator's that names pictures; never fetched.
ALTER TABLE pages ADD COLUMN kind text NOT NULL DEFAULT 'page'
    CHECK (kind IN ('page', 'sitemap', 'list', 'folder'));
