-- Bytes a row, with all indexes, for docs/scaling.md. Wants an empty database with this build's schema:
--   createdb tusou_rows && TUSOU_DATABASE_URL=postgres://…/tusou_rows tusou migrate
--   psql -d tusou_rows -v n=1000000 -f deploy/scale-rows.sql
-- n pages on n / 100 hosts, n addresses of pictures, n pictures, 2n sightings; n / 5 embeddings of 512 numbers.
-- Rows come as a crawl brings them: addresses of a host ten at a time, ids of pictures in no order.
\set ON_ERROR_STOP on
\timing on
SET synchronous_commit = off;
-- Every row fits its parent by construction; the indexes are kept as always.
SET session_replication_role = replica;

INSERT INTO hosts (origin, next_due_at)
SELECT 'https://www.host-' || i || '.example', now() - make_interval(secs => i * 7919 % 3600) FROM generate_series(1, :n / 100) AS i;

INSERT INTO pages (host_id, url, depth, state, status, title, fetched_at, etag, content_hash, revisit_at, revisit_seconds, lang)
SELECT host, 'https://www.host-' || host || '.example/gallery/' || substr(md5(i::text), 1, 12) || '/a-page-with-a-name-' || i || '.html',
       i % 5, 'done', 200, 'The title of page ' || i || ', as long as many', now(), '"' || substr(md5(i::text), 1, 20) || '"',
       decode(md5(i::text), 'hex'), now() + interval '7 days', 604800, 'en'
FROM generate_series(0, :n - 1) AS i, LATERAL (SELECT 1 + i / 10 % (:n / 100) AS host) AS h;

INSERT INTO seed_pages (seed_id, page_id, depth) SELECT 1 + page_id % 100, page_id, depth FROM pages;

INSERT INTO images (image_id, format, width, height, bytes, blob_key, rights)
SELECT sha256(i::text::bytea), 'jpeg', 1280, 960, 250000, 'originals/' || encode(sha256(i::text::bytea), 'hex'), '{"creator": "Somebody With A Name"}'
FROM generate_series(0, :n - 1) AS i;

INSERT INTO image_urls (host_id, url, state, status, image_id, fetched_at, etag, last_modified, revisit_at, revisit_seconds)
SELECT host, 'https://www.host-' || host || '.example/uploads/2026/' || substr(md5(i::text), 1, 12) || '/picture-' || i || '-1280x960.jpg',
       'done', 200, sha256(i::text::bytea), now(), '"' || substr(md5(i::text), 1, 20) || '"', 'Mon, 02 Nov 2026 10:00:00 GMT',
       now() + interval '7 days', 604800
FROM generate_series(0, :n - 1) AS i, LATERAL (SELECT 1 + i / 10 % (:n / 100) AS host) AS h;

INSERT INTO page_images (page_id, image_url_id, alt, caption, nearby, context)
SELECT 1 + (i + s * 7) % :n, 1 + i, 'A picture of something, number ' || i, 'Its caption, a line of words about ' || i,
       repeat('Words that stand around the picture on its page. ', 4), '{"found_by": "img", "heading": "What the part of the page is about"}'
FROM generate_series(0, :n - 1) AS i, generate_series(0, 1) AS s;

INSERT INTO sightings (image_id, page_id, image_url_id, alt, caption, nearby, context)
SELECT sha256(i::text::bytea), 1 + (i + s * 7) % :n, 1 + i, 'A picture of something, number ' || i, 'Its caption, a line of words about ' || i,
       repeat('Words that stand around the picture on its page. ', 4), '{"found_by": "img", "heading": "What the part of the page is about"}'
FROM generate_series(0, :n - 1) AS i, generate_series(0, 1) AS s;

INSERT INTO encodings (image_id, phash, colors, thumbnail_key)
SELECT sha256(i::text::bytea), substr(md5(i::text), 1, 16), '{blue,white,grey}', 'thumbnails/' || encode(sha256(i::text::bytea), 'hex')
FROM generate_series(0, :n - 1) AS i;

INSERT INTO indexed (generation_id, image_id, rev) SELECT 1, sha256(i::text::bytea), 1 FROM generate_series(0, :n - 1) AS i;

INSERT INTO embeddings (image_id, model, digest, vector)
SELECT sha256(i::text::bytea), 'lite', repeat('0123456789abcdef', 4), v
FROM generate_series(0, :n / 5 - 1) AS i,
     LATERAL (SELECT string_agg(sha256((i || '-' || j)::bytea), ''::bytea) AS v FROM generate_series(1, 64) AS j) AS made;

VACUUM (ANALYZE);
SELECT relname AS "table", reltuples::bigint AS rows,
       round(pg_relation_size(oid) / reltuples) AS heap, round(pg_indexes_size(oid) / reltuples) AS indexes,
       round(pg_total_relation_size(oid) / reltuples) AS "bytes a row"
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= 100 ORDER BY relname;
