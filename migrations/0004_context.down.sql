DELETE FROM pages WHERE kind <> 'page';
ALTER TABLE pages DROP COLUMN kind;
ALTER TABLE pages DROP COLUMN lang;
ALTER TABLE sightings DROP COLUMN context;
ALTER TABLE page_images DROP COLUMN context;
