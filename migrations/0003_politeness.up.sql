-- What a crawl that goes round for years needs: files that hosts keep for crawlers, pace across
-- processes, revisits, budgets against traps, rights, and what is kept out.

-- robots.txt and its like, asked for by whoever holds the host's lease, so once for all processes.
-- `status` and `body` are those of the last answer that said something: a failure after it changes
-- `failed_at` and `expires_at` only.
CREATE TABLE host_files (
    host_id    bigint NOT NULL REFERENCES hosts ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('robots', 'tdm')),
    status     integer,
    body       bytea,
    fetched_at timestamptz,
    -- When it is to be asked for again: a day after an answer, sooner after a failure.
    expires_at timestamptz,
    -- Since when asking fails; null after an answer.
    failed_at  timestamptz,
    PRIMARY KEY (host_id, kind)
);
INSERT INTO host_files (host_id, kind, status, body, fetched_at, expires_at)
SELECT host_id, 'robots', robots_status, robots_body, robots_fetched_at, robots_expires_at
FROM hosts WHERE robots_status IS NOT NULL AND robots_status < 500 AND robots_status <> 429;
ALTER TABLE hosts DROP COLUMN robots_status;
ALTER TABLE hosts DROP COLUMN robots_body;
ALTER TABLE hosts DROP COLUMN robots_fetched_at;
ALTER TABLE hosts DROP COLUMN robots_expires_at;

-- The delay that the host's latency and errors have led to; null for the configured one.
ALTER TABLE hosts ADD COLUMN delay_ms integer;
-- The earliest time of the next request, whoever makes it.
ALTER TABLE hosts ADD COLUMN not_before timestamptz;
-- Turns in a row in which the host could not be reached.
ALTER TABLE hosts ADD COLUMN failures integer NOT NULL DEFAULT 0;
-- Turns in a row that the host ended by 429 or 503.
ALTER TABLE hosts ADD COLUMN busy integer NOT NULL DEFAULT 0;
-- When a redirect from another host last found it leased: its turn then ends soon, and leaves room.
ALTER TABLE hosts ADD COLUMN wanted_at timestamptz;

-- What a conditional request says, and when the URL is looked at again once it is settled.
ALTER TABLE pages ADD COLUMN etag text;
ALTER TABLE pages ADD COLUMN last_modified text;
-- SHA-256 of the body and of the headers that rule it, as they were last read.
ALTER TABLE pages ADD COLUMN content_hash bytea;
ALTER TABLE pages ADD COLUMN revisit_at timestamptz;
ALTER TABLE pages ADD COLUMN revisit_seconds integer;
CREATE INDEX pages_revisit ON pages (revisit_at) WHERE revisit_at IS NOT NULL;
ALTER TABLE image_urls ADD COLUMN etag text;
ALTER TABLE image_urls ADD COLUMN last_modified text;
ALTER TABLE image_urls ADD COLUMN revisit_at timestamptz;
ALTER TABLE image_urls ADD COLUMN revisit_seconds integer;
CREATE INDEX image_urls_revisit ON image_urls (revisit_at) WHERE revisit_at IS NOT NULL;

-- A revisit, a rest or a failure puts URLs off: those are passed over in the index, unread.
DROP INDEX pages_due;
CREATE INDEX pages_due ON pages (host_id, depth, page_id, due_at) WHERE state = 'due';
DROP INDEX image_urls_due;
CREATE INDEX image_urls_due ON image_urls (host_id, image_url_id, due_at) WHERE state = 'due';
-- A paused host is passed over, too.
DROP INDEX hosts_due;
CREATE INDEX hosts_due ON hosts (next_due_at) WHERE next_due_at IS NOT NULL AND paused_at IS NULL;

-- URLs whose bytes are still to come have no image: every one would be an entry for nothing.
DROP INDEX image_urls_image;
CREATE INDEX image_urls_image ON image_urls (image_id) WHERE image_id IS NOT NULL;

-- How many pages of a host have one pattern (a path whose numbers are left out, and the names of a
-- query): calendars and endless lists run out of budget. The empty pattern is the host as a whole. In
-- rows of their own, since they are locked while a page is written, and a host's row is not.
CREATE TABLE url_patterns (
    host_id bigint NOT NULL REFERENCES hosts ON DELETE CASCADE,
    pattern text NOT NULL,
    pages   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (host_id, pattern)
);
INSERT INTO url_patterns (host_id, pattern, pages)
SELECT host_id, '', count(*) FROM pages GROUP BY host_id;

-- What the file itself says of its rights (EXIF, IPTC, XMP).
ALTER TABLE images ADD COLUMN rights jsonb NOT NULL DEFAULT '{}';

-- What was taken out with a removal, as it was counted then.
ALTER TABLE removals ADD COLUMN removed jsonb NOT NULL DEFAULT '{}';
-- Images that went with a removal. Their blobs go after their rows, messages about them that are
-- still under way do no harm, and bytes that come again are put anew.
CREATE TABLE removed_images (
    image_id      bytea PRIMARY KEY CHECK (length(image_id) = 32),
    blob_key      text NOT NULL,
    thumbnail_key text,
    removed_at    timestamptz NOT NULL DEFAULT now(),
    -- When its blobs were deleted; null until then.
    blobs_gone_at timestamptz
);
CREATE INDEX removed_images_waiting ON removed_images (image_id) WHERE blobs_gone_at IS NULL;
-- What is seen by an image URL that goes.
CREATE INDEX sightings_url ON sightings (image_url_id);
