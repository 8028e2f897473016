DROP INDEX outbox_ready;
CREATE INDEX outbox_ready ON outbox (ready_at);
ALTER TABLE generations DROP COLUMN verified_at;
ALTER TABLE generations DROP COLUMN backfilled_to;
ALTER TABLE generations DROP COLUMN settings;
ALTER TABLE generations DROP CONSTRAINT generations_state_check;
UPDATE generations SET state = 'retired' WHERE state = 'building';
ALTER TABLE generations ADD CONSTRAINT generations_state_check CHECK (state IN ('live', 'retired'));
DROP TABLE pauses;
ALTER TABLE hosts DROP COLUMN paused_why;
ALTER TABLE hosts DROP COLUMN paused_at;
DROP INDEX images_kept;
ALTER TABLE images DROP COLUMN original_dropped_at;
ALTER TABLE images ALTER COLUMN rev SET DEFAULT 1;
-- The build before knows no such queues and would not go on at their messages.
DELETE FROM outbox WHERE queue IN ('images.reencode', 'images.reindex');
