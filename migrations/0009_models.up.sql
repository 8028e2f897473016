-- Several models a picture: one may fail and leave what the others made, and one may make a score.

-- Models that made nothing of an image while it was decoded. A later success of that digest deletes the row;
-- where there is a success, none is written.
CREATE TABLE model_failures (
    image_id  bytea NOT NULL REFERENCES images ON DELETE CASCADE,
    digest    text NOT NULL,
    model     text NOT NULL,
    -- A short snake-case word, and the error in words.
    reason    text NOT NULL,
    detail    text NOT NULL DEFAULT '',
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, digest)
);

-- The pack that `nsfw` is of; null where there is no score.
ALTER TABLE encodings ADD COLUMN nsfw_digest text;

-- A dropped original that is fetched again for a model: once its bytes are back they are encoded, whatever
-- indexes hold.
ALTER TABLE images ADD COLUMN encode_again boolean NOT NULL DEFAULT false;
