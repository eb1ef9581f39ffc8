"""Search without accents and phone punctuation, served by indexes; what imports changed in contacts that existed.

The functions use only what every PostgreSQL has: `unaccent` and `pg_trgm` are not in the embedded server, and a
managed one may refuse them. Their bodies are parsed when they are created, so that a dump restores them with any
search path.
Building both indexes takes about 30 seconds per million contacts.
"""

from alembic import op

revision = "0026"
down_revision = "0025"

FUNCTIONS = (
    r"""
CREATE FUNCTION folded_text(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN replace(replace(replace(translate(
    lower(regexp_replace(
        normalize(given, NFKD), '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0670]+', '', 'g')),
    'øłđðħıς', 'olddhiσ'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe')
""",
    r"""
CREATE FUNCTION searchable_text(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN translate(folded_text(given), '+-./@_:;<>=&#\''''"', '                  ')
""",
    r"""
CREATE FUNCTION contact_terms(phone text, attributes jsonb) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsvector('simple'::regconfig, searchable_text(
    phone || ' ' || substr(phone, 3) || ' ' || substr(phone, 4) || ' ' || substr(phone, 5) || ' '
    || reverse(phone) || ' '
    || left(replace(jsonb_path_query_array(attributes, '$.*'::jsonpath)::text, '\n', ' '), 8000)))
""",
    """
CREATE FUNCTION body_terms(phone text, body text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsvector('simple'::regconfig, searchable_text(
    phone || ' ' || substr(phone, 3) || ' ' || substr(phone, 4) || ' ' || substr(phone, 5) || ' '
    || reverse(phone) || ' '
    || left(body, 8000)))
""",
    """
CREATE FUNCTION word_query(word text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_tsquery('simple'::regconfig, '''' || searchable_text(word) || ''':*')
""",
)
INDEXES = (
    "CREATE INDEX ix_contacts_terms ON contacts USING gin (contact_terms(phone, attributes))",
    "CREATE INDEX ix_inbound_messages_terms ON inbound_messages USING gin (body_terms(phone, body))",
)
TABLES = (
    """
CREATE TABLE import_changes (
    import_id uuid NOT NULL,
    field text NOT NULL,
    changed bigint NOT NULL,
    CONSTRAINT pk_import_changes PRIMARY KEY (import_id, field),
    CONSTRAINT fk_import_changes_import_id_imports FOREIGN KEY (import_id) REFERENCES imports ON DELETE CASCADE
)
""",
    """
CREATE TABLE import_change_examples (
    import_id uuid NOT NULL,
    field text NOT NULL,
    number bigint NOT NULL,
    contact_id uuid NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    CONSTRAINT pk_import_change_examples PRIMARY KEY (import_id, field, number),
    CONSTRAINT fk_import_change_examples_import_id_imports
        FOREIGN KEY (import_id) REFERENCES imports ON DELETE CASCADE,
    CONSTRAINT fk_import_change_examples_contact_id_contacts
        FOREIGN KEY (contact_id) REFERENCES contacts ON DELETE CASCADE
)
""",
    "CREATE INDEX ix_import_change_examples_contact_id ON import_change_examples (contact_id)",
)


def upgrade() -> None:
    for statement in (*FUNCTIONS, *INDEXES, *TABLES):
        op.execute(statement)
