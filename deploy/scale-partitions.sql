-- What partitions by host would cost and give, for docs/adr/0015-the-frontier-is-not-partitioned-yet.md. Wants an empty database:
--   createdb tusou_parts && psql -d tusou_parts -v n=300000 -f deploy/scale-partitions.sql
-- Pages, addresses and what pages show, once as they are and once in 16 parts, in the cheapest form known to us: an id's high bits are
-- its host's part, so that references stay one column wide and a row's id alone tells where it is.
\set ON_ERROR_STOP on
\set QUIET on
\pset footer off
SET synchronous_commit = off;
SET client_min_messages = warning;
-- As the crawler plans (crates/platform/src/database.rs).
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;

CREATE FUNCTION id_of(i bigint, parts int) RETURNS bigint IMMUTABLE LANGUAGE sql AS
    $$ SELECT CASE WHEN parts = 1 THEN i ELSE ((i / 100 % parts) << 40) + i END $$;

CREATE FUNCTION make(suffix text, parts int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text;
    bounds text;
    kind text;
    by_page text := CASE WHEN parts > 1 THEN 'PARTITION BY RANGE (page_id)' ELSE '' END;
    by_url text := CASE WHEN parts > 1 THEN 'PARTITION BY RANGE (image_url_id)' ELSE '' END;
BEGIN
    EXECUTE format('CREATE TABLE pages%1$s (page_id bigint PRIMARY KEY, host_id bigint NOT NULL, url text NOT NULL, depth int NOT NULL,
                    state text NOT NULL DEFAULT ''due'') %2$s', suffix, by_page);
    EXECUTE format('CREATE INDEX ON pages%1$s (host_id, depth, page_id) WHERE state = ''due''', suffix);
    EXECUTE format('CREATE TABLE image_urls%1$s (image_url_id bigint PRIMARY KEY, host_id bigint NOT NULL, url text NOT NULL) %2$s', suffix, by_url);
    EXECUTE format('CREATE TABLE page_images%1$s (page_id bigint NOT NULL REFERENCES pages%1$s ON DELETE CASCADE,
                    image_url_id bigint NOT NULL REFERENCES image_urls%1$s ON DELETE CASCADE, alt text NOT NULL,
                    PRIMARY KEY (page_id, image_url_id)) %2$s', suffix, by_page);
    EXECUTE format('CREATE INDEX ON page_images%1$s (image_url_id)', suffix);
    FOR i IN 0 .. parts - 1 LOOP
        FOREACH kind IN ARRAY ARRAY['pages', 'image_urls', 'page_images'] LOOP
            part := kind || suffix;
            IF parts > 1 THEN
                bounds := format('FOR VALUES FROM (%s) TO (%s)', i::bigint << 40, (i + 1)::bigint << 40);
                EXECUTE format('CREATE TABLE %1$s_%3$s PARTITION OF %1$s %2$s', part, bounds, i);
                part := part || '_' || i;
            END IF;
            -- An address has one host, so what is unique in its part is unique.
            IF kind <> 'page_images' THEN
                EXECUTE format('CREATE UNIQUE INDEX ON %s (url)', part);
            END IF;
        END LOOP;
    END LOOP;
END $$;

SELECT make('_whole', 1), make('_parted', 16) \g /dev/null

CREATE TABLE took (what text, form text, seconds double precision);
CREATE FUNCTION timed(what text, form text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE began timestamptz := clock_timestamp();
BEGIN
    EXECUTE statement;
    INSERT INTO took VALUES (what, form, extract(epoch FROM clock_timestamp() - began));
END $$;

-- Looks up by prepared statements, one after the other, as the services do.
CREATE FUNCTION many(statement text, times int, parts int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'PREPARE look (bigint) AS ' || statement;
    FOR i IN 1 .. times LOOP
        EXECUTE format('EXECUTE look (%s)', id_of(i * 7919 % 100000, parts));
    END LOOP;
    DEALLOCATE look;
END $$;

CREATE FUNCTION fill(suffix text, parts int, n int) RETURNS void LANGUAGE sql AS $$
    SELECT timed('rows of pages', suffix, format(
        'INSERT INTO pages%1$s SELECT id_of(i, %2$s), i / 100, ''https://www.host-'' || i / 100 || ''.example/gallery/'' || md5(i::text), i %% 5
         FROM generate_series(1::bigint, %3$s) AS i', suffix, parts, n));
    SELECT timed('rows of addresses', suffix, format(
        'INSERT INTO image_urls%1$s SELECT id_of(i, %2$s), i / 100, ''https://www.host-'' || i / 100 || ''.example/uploads/'' || md5(i::text)
         FROM generate_series(1::bigint, %3$s) AS i', suffix, parts, n));
    SELECT timed('rows of what pages show', suffix, format(
        'INSERT INTO page_images%1$s SELECT id_of(i, %2$s), id_of(j, %2$s), ''A picture of something''
         FROM generate_series(1::bigint, %3$s - 1) AS i, generate_series(i, i + 1) AS j', suffix, parts, n));
$$;
SELECT fill('_whole', 1, :n), fill('_parted', 16, :n) \g /dev/null
VACUUM (ANALYZE);

CREATE FUNCTION look(suffix text, parts int) RETURNS void LANGUAGE sql AS $$
    SELECT timed('a page by its id, 20,000 times', suffix, format('SELECT many(''SELECT url FROM pages%1$s WHERE page_id = $1'', 20000, %2$s)', suffix, parts));
    SELECT timed('what a page shows, 20,000 times', suffix, format('SELECT many(''SELECT alt FROM page_images%1$s WHERE page_id = $1'', 20000, %2$s)', suffix, parts));
    SELECT timed('who shows an address, 20,000 times', suffix, format('SELECT many(''SELECT page_id FROM page_images%1$s WHERE image_url_id = $1'', 20000, %2$s)', suffix, parts));
    -- With the range of its ids, so that one part is looked at.
    SELECT timed('due pages of a host, 20,000 times', suffix, format(
        'SELECT many(''SELECT url FROM pages%1$s WHERE host_id = ($1 & ((1::bigint << 40) - 1)) / 100 AND state = ''''due''''
              AND page_id >= ($1 >> 40) << 40 AND page_id < (($1 >> 40) + 1) << 40 ORDER BY depth, page_id LIMIT 8'', 20000, %2$s)',
        suffix, parts));
$$;
SELECT look('_whole', 1), look('_parted', 16) \g /dev/null

DELETE FROM page_images_whole WHERE image_url_id % 5 = 0;
DELETE FROM page_images_parted WHERE image_url_id % 5 = 0;
SELECT clock_timestamp() AS began \gset
VACUUM page_images_whole;
INSERT INTO took SELECT 'the longest vacuum', '_whole', extract(epoch FROM clock_timestamp() - :'began'::timestamptz);
SELECT clock_timestamp() AS began \gset
VACUUM page_images_parted_7;
INSERT INTO took SELECT 'the longest vacuum', '_parted', extract(epoch FROM clock_timestamp() - :'began'::timestamptz);

SELECT what, round(sum(seconds) FILTER (WHERE form = '_whole')::numeric, 3) AS "whole, s",
       round(sum(seconds) FILTER (WHERE form = '_parted')::numeric, 3) AS "16 parts, s",
       round((sum(seconds) FILTER (WHERE form = '_parted') / sum(seconds) FILTER (WHERE form = '_whole'))::numeric, 2) AS ratio
FROM took GROUP BY what ORDER BY min(ctid);
