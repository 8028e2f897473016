-- What running for months needs: pauses, retention, indexes that are built beside the live ones.

-- A picture that is removed and found again must not be older than its own deletion in the index:
-- revisions begin at the clock, in microseconds, and are raised by one as before.
ALTER TABLE images ALTER COLUMN rev SET DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- Since when the original's bytes are no longer kept (`blobs.keep_originals`); null while they are.
ALTER TABLE images ADD COLUMN original_dropped_at timestamptz;
CREATE INDEX images_kept ON images (stored_at) WHERE original_dropped_at IS NULL;

-- A paused host is not leased. Its URLs stay due.
ALTER TABLE hosts ADD COLUMN paused_at timestamptz;
ALTER TABLE hosts ADD COLUMN paused_why text NOT NULL DEFAULT '';

-- Stages that rest until they are resumed. (The encoder has no database: its pause is at the broker.)
CREATE TABLE pauses (
    stage     text PRIMARY KEY CHECK (stage IN ('crawl', 'index')),
    why       text NOT NULL DEFAULT '',
    paused_at timestamptz NOT NULL DEFAULT now()
);

-- building: written and filled, not yet searched. live: written, and the alias may point at it.
-- retired: no longer written.
ALTER TABLE generations DROP CONSTRAINT generations_state_check;
ALTER TABLE generations ADD CONSTRAINT generations_state_check CHECK (state IN ('building', 'live', 'retired'));
-- How the index was made (index type, shards, replicas), so that a lost one is made again alike.
ALTER TABLE generations ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
-- The last image whose back-fill message the broker has; null before the first.
ALTER TABLE generations ADD COLUMN backfilled_to bytea;
ALTER TABLE generations ADD COLUMN verified_at timestamptz;

-- The relay takes each queue's messages by themselves: a full queue holds up no other.
DROP INDEX outbox_ready;
CREATE INDEX outbox_ready ON outbox (queue, ready_at);
