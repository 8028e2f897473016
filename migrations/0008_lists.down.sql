-- The build before would take these for pages and addresses of the web. Pictures stay, with the paths
-- of imported ones; where they were seen does not.
DELETE FROM pages WHERE kind IN ('list', 'folder');
DELETE FROM image_urls WHERE url LIKE 'folder:%';
DELETE FROM hosts WHERE origin IN ('list:', 'folder:');
DROP INDEX image_urls_folders;
ALTER TABLE page_images DROP COLUMN listed;
DROP TABLE lists;
