ALTER TABLE images DROP COLUMN encode_again;
ALTER TABLE encodings DROP COLUMN nsfw_digest;
DROP TABLE model_failures;
