-- Lists and folders: pictures that a file names, or that lie on a disk.

-- A list or folder is a page that is never fetched (`pages.kind`); this is what is known of its file.
CREATE TABLE lists (
    page_id     bigint PRIMARY KEY REFERENCES pages ON DELETE CASCADE,
    -- By what it is told from others; `pages.url` is made of it.
    name        text NOT NULL,
    -- Where it lay when it was last read.
    path        text NOT NULL,
    -- How it is read: format, columns, encoding; of a folder nothing.
    options     jsonb NOT NULL DEFAULT '{}',
    -- Of a list: the size of its file, and a digest of its size and both its ends.
    bytes       bigint,
    digest      bytea,
    -- Which reading of it this is; the rows that it names are marked with it.
    pass        integer NOT NULL DEFAULT 1,
    -- All before this place is written: bytes and lines of the text, or rows of a parquet file.
    position    bigint NOT NULL DEFAULT 0,
    lines       bigint NOT NULL DEFAULT 0,
    -- How much of the file that is, from 0 to 1.
    share       double precision NOT NULL DEFAULT 0,
    -- Rows, or files, of this reading; those that are not taken by reason.
    rows        bigint NOT NULL DEFAULT 0,
    bad         jsonb NOT NULL DEFAULT '{}',
    left_out    jsonb NOT NULL DEFAULT '{}',
    began_at    timestamptz NOT NULL DEFAULT now(),
    written_at  timestamptz NOT NULL DEFAULT now(),
    -- When it was read to its end; null until then.
    finished_at timestamptz
);

-- Of what a list names: the reading that last did. Null of what pages and folders show.
ALTER TABLE page_images ADD COLUMN listed integer;

-- The files of a folder, in the order of their addresses.
CREATE INDEX image_urls_folders ON image_urls (url COLLATE "C") WHERE url LIKE 'folder:%';
