-- Where a URL or a message is in its trace (W3C Trace Context), while somebody follows it; null otherwise.
ALTER TABLE image_urls ADD COLUMN trace text;
ALTER TABLE outbox ADD COLUMN trace text;
