-- The data model of the whole chain. Who writes what: crawler (and `tusou`, by the same code) the
-- first part, indexer the second. See ARCHITECTURE.md.

-- ── Written by the crawler and `tusou` ──────────────────────────────────────────────────────────

CREATE TABLE seeds (
    seed_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url          text NOT NULL,
    -- What the scope is measured from: the URL, or where it redirects within its domain.
    scope_url    text NOT NULL,
    scope        text NOT NULL CHECK (scope IN ('host', 'domain', 'prefix')),
    max_depth    integer NOT NULL CHECK (max_depth >= 0),
    max_pages    bigint NOT NULL CHECK (max_pages > 0),
    -- How many pages belong to this seed; counted under the row's lock, so that max_pages holds.
    pages        bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (url, scope)
);

-- A host is an origin (scheme, name, port): what robots.txt and the pace are kept for. It is the
-- unit of leasing: whoever holds a host's lease fetches its URLs, and nobody else does.
CREATE TABLE hosts (
    host_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin            text NOT NULL UNIQUE,
    -- When the host is next worth a lease; null while it has no URL that is due.
    next_due_at       timestamptz,
    -- The fencing token of the latest lease: a result under an older one is refused.
    lease_token       bigint NOT NULL DEFAULT 0,
    leased_until      timestamptz,
    leased_by         text,
    robots_status     integer,
    robots_body       bytea,
    robots_fetched_at timestamptz,
    robots_expires_at timestamptz
);
CREATE INDEX hosts_due ON hosts (next_due_at) WHERE next_due_at IS NOT NULL;

-- due: to be fetched at due_at. done: fetched. failed: given up after its attempts, with the
-- reason. skipped: not to be fetched, with the reason.
CREATE TYPE url_state AS ENUM ('due', 'done', 'failed', 'skipped');

CREATE TABLE pages (
    page_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id     bigint NOT NULL REFERENCES hosts,
    -- Normalised and ASCII, so at most 2,048 bytes: within what a btree entry can hold.
    url         text NOT NULL UNIQUE CHECK (length(url) <= 2048),
    -- The least depth at which a seed reaches it: nearer pages are fetched first.
    depth       integer NOT NULL,
    state       url_state NOT NULL DEFAULT 'due',
    due_at      timestamptz NOT NULL DEFAULT now(),
    attempts    integer NOT NULL DEFAULT 0,
    reason      text,
    status      integer,
    -- Where it redirects, and how many redirects led here.
    moved_to    text,
    redirects   integer NOT NULL DEFAULT 0,
    title       text,
    -- Addresses on the page that are no URLs.
    unparsable  integer NOT NULL DEFAULT 0,
    fetched_at  timestamptz,
    found_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pages_due ON pages (host_id, depth, page_id) WHERE state = 'due';

CREATE TABLE seed_pages (
    seed_id bigint NOT NULL REFERENCES seeds ON DELETE CASCADE,
    page_id bigint NOT NULL REFERENCES pages ON DELETE CASCADE,
    depth   integer NOT NULL,
    PRIMARY KEY (seed_id, page_id)
);
CREATE INDEX seed_pages_page ON seed_pages (page_id);

CREATE TABLE images (
    image_id   bytea PRIMARY KEY CHECK (length(image_id) = 32),
    -- Bumped by every transaction that changes what the document shows; its external version.
    rev        bigint NOT NULL DEFAULT 1,
    format     text NOT NULL,
    width      integer NOT NULL,
    height     integer NOT NULL,
    bytes      bigint NOT NULL,
    blob_key   text NOT NULL,
    -- For an image of an imported folder: its path below that folder.
    relative_path text,
    taken_at   timestamptz,
    stored_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE image_urls (
    image_url_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id      bigint NOT NULL REFERENCES hosts,
    url          text NOT NULL UNIQUE CHECK (length(url) <= 2048),
    state        url_state NOT NULL DEFAULT 'due',
    due_at       timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    reason       text,
    status       integer,
    -- What its bytes were when they were last fetched.
    image_id     bytea REFERENCES images,
    fetched_at   timestamptz,
    found_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX image_urls_due ON image_urls (host_id, image_url_id) WHERE state = 'due';
CREATE INDEX image_urls_image ON image_urls (image_id);

-- What a page shows, as it was last read: the words for sightings whose bytes are still to come.
CREATE TABLE page_images (
    page_id      bigint NOT NULL REFERENCES pages ON DELETE CASCADE,
    image_url_id bigint NOT NULL REFERENCES image_urls ON DELETE CASCADE,
    alt          text NOT NULL DEFAULT '',
    title        text NOT NULL DEFAULT '',
    caption      text NOT NULL DEFAULT '',
    nearby       text NOT NULL DEFAULT '',
    rights       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (page_id, image_url_id)
);
CREATE INDEX page_images_url ON page_images (image_url_id);

-- An image seen at a page.
CREATE TABLE sightings (
    image_id     bytea NOT NULL REFERENCES images ON DELETE CASCADE,
    page_id      bigint NOT NULL REFERENCES pages ON DELETE CASCADE,
    image_url_id bigint NOT NULL REFERENCES image_urls ON DELETE CASCADE,
    alt          text NOT NULL DEFAULT '',
    title        text NOT NULL DEFAULT '',
    caption      text NOT NULL DEFAULT '',
    nearby       text NOT NULL DEFAULT '',
    rights       jsonb NOT NULL DEFAULT '{}',
    first_seen   timestamptz NOT NULL DEFAULT now(),
    last_seen    timestamptz NOT NULL DEFAULT now(),
    gone_since   timestamptz,
    PRIMARY KEY (image_id, page_id, image_url_id)
);
CREATE INDEX sightings_page ON sightings (page_id, image_url_id);
-- A hit's pages: live ones first, the earliest first, however many there are.
CREATE INDEX sightings_earliest
    ON sightings (image_id, (gone_since IS NOT NULL), first_seen, page_id, image_url_id);

-- Messages that a committed transaction owes the broker: at most one waiting for an image and queue.
CREATE TABLE outbox (
    queue      text NOT NULL,
    image_id   bytea NOT NULL,
    body       bytea NOT NULL,
    -- Not before this time, so that many changes of an image become one message.
    ready_at   timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (queue, image_id)
);
CREATE INDEX outbox_ready ON outbox (ready_at);

-- What is to be kept out: by image, URL or host.
CREATE TABLE removals (
    removal_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('image', 'url', 'host')),
    subject    text NOT NULL,
    why        text NOT NULL DEFAULT '',
    removed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, subject)
);

-- ── Written by the indexer ──────────────────────────────────────────────────────────────────────

CREATE TABLE embeddings (
    image_id   bytea NOT NULL REFERENCES images ON DELETE CASCADE,
    model      text NOT NULL,
    digest     text NOT NULL,
    -- Little-endian f32.
    vector     bytea NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, digest)
);

-- What else the pixels told, or why they told nothing.
CREATE TABLE encodings (
    image_id      bytea PRIMARY KEY REFERENCES images ON DELETE CASCADE,
    phash         text,
    colors        text[] NOT NULL DEFAULT '{}',
    nsfw          real,
    thumbnail_key text,
    failure       text,
    detail        text,
    encoded_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX encodings_failure ON encodings (failure) WHERE failure IS NOT NULL;

-- The live indexes: the indexer writes to every live one; the alias points at one of them.
CREATE TABLE generations (
    generation_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_name      text NOT NULL UNIQUE,
    mapping_version integer NOT NULL,
    models          jsonb NOT NULL,
    state           text NOT NULL CHECK (state IN ('live', 'retired')),
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- What each generation holds.
CREATE TABLE indexed (
    generation_id bigint NOT NULL REFERENCES generations ON DELETE CASCADE,
    image_id      bytea NOT NULL,
    rev           bigint NOT NULL,
    indexed_at    timestamptz NOT NULL DEFAULT now(),
    -- Elasticsearch refused the document for good.
    refusal       text,
    PRIMARY KEY (generation_id, image_id)
);
