ALTER TABLE images DROP COLUMN frames;
ALTER TABLE pages DROP COLUMN pictures_left;
DROP TABLE image_counts;
ALTER TABLE seeds DROP COLUMN images;
ALTER TABLE seeds DROP COLUMN max_images;
