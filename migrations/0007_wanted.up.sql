-- Taking only what is wanted: limits of pictures, and what they leave out.

-- The most image URLs that become known by a seed (null: no limit), and how many did, counted under the
-- row's lock while there is a limit.
ALTER TABLE seeds ADD COLUMN max_images bigint CHECK (max_images > 0);
ALTER TABLE seeds ADD COLUMN images bigint NOT NULL DEFAULT 0;

-- How many image URLs of a host are known, counted while `pictures.max_per_host` is set; empty otherwise.
CREATE TABLE image_counts (
    host_id    bigint PRIMARY KEY REFERENCES hosts ON DELETE CASCADE,
    image_urls bigint NOT NULL
);

-- Pictures that the page shows and that are not taken, by why, as it was last read.
ALTER TABLE pages ADD COLUMN pictures_left jsonb NOT NULL DEFAULT '{}';

-- How many frames the file has; null where that was not counted.
ALTER TABLE images ADD COLUMN frames integer;
