-- 0006 Registry: the organisations' registries of officers' keys. The log holds the root over each version of each; here
-- stand the entries, of which whoever asks is shown what it needs and no more.


-- Entries that the update of a version added or changed, written with its event `registry_updated`. A registry as of a
-- version has of each key the newest entry up to it. Officers are pseudonyms here, names stand elsewhere.
CREATE TABLE registry_entries (
    version BIGINT NOT NULL CHECK (version >= 1), -- the update
    organisation TEXT COLLATE "C" NOT NULL, -- whose registry
    kid TEXT COLLATE "C" NOT NULL CHECK (length(kid) = 64), -- the key's id: SHA-256 of the public key, lower-case
                                            -- hexadecimal
    entry BYTEA NOT NULL CHECK (octet_length(entry) BETWEEN 1 AND 16384), -- the entry, byte for byte as hashed
    PRIMARY KEY (organisation, version, kid)
);


-- What a root was signed over is as final as the log.
CREATE TRIGGER registry_entries_are_never_changed BEFORE UPDATE OR DELETE ON registry_entries
    FOR EACH ROW EXECUTE FUNCTION handoff_refuse_change();
CREATE TRIGGER registry_entries_are_never_emptied BEFORE TRUNCATE ON registry_entries
    FOR EACH STATEMENT EXECUTE FUNCTION handoff_refuse_change();


-- As it was, and the registry: made anew, since a function with another argument would stand beside the old one. An
-- entry is written once: unlike the tree, a version is decided under the head, so whoever writes one again has decided
-- on something that has moved, and is refused.
DROP FUNCTION handoff_evidence(tiles[], tree_heads[], cosignatures[]);

CREATE FUNCTION handoff_evidence(
    _tiles tiles[], _tree_heads tree_heads[], _cosignatures cosignatures[], _registry_entries registry_entries[]
) RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found_heads BIGINT;
BEGIN
    IF cardinality(_tiles) > 0 THEN
        INSERT INTO tiles SELECT u.* FROM unnest(_tiles) AS u ON CONFLICT (level, number) DO NOTHING;
    END IF;
    IF cardinality(_tree_heads) > 0 THEN
        INSERT INTO tree_heads SELECT u.* FROM unnest(_tree_heads) AS u ON CONFLICT (size) DO NOTHING;
    END IF;
    IF cardinality(_cosignatures) > 0 THEN
        -- What is written tells nothing here: a row that was there already is none that was written. One look for each
        -- row, which no planner turns into a join that walks the tree heads.
        SELECT count(*) INTO found_heads
        FROM unnest(_cosignatures) AS u
        WHERE (SELECT t.size FROM tree_heads AS t WHERE t.size = u.size) IS NOT NULL;
        PERFORM handoff_expect('cosignatures', found_heads, cardinality(_cosignatures));
        INSERT INTO cosignatures SELECT u.* FROM unnest(_cosignatures) AS u ON CONFLICT (size, key) DO NOTHING;
    END IF;
    IF cardinality(_registry_entries) > 0 THEN
        INSERT INTO registry_entries SELECT u.* FROM unnest(_registry_entries) AS u;
    END IF;
    RETURN 1;
END
$$;
