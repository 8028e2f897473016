ALTER TABLE outbox DROP COLUMN trace;
ALTER TABLE image_urls DROP COLUMN trace;
