-- Whether the pages that a seed reaches are rendered by a browser: where they show nothing without
-- their scripts, always, or never.
ALTER TABLE seeds ADD COLUMN render text NOT NULL DEFAULT 'auto'
    CHECK (render IN ('auto', 'always', 'never'));
