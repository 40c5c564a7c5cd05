-- 0005 Evidence: the Merkle tree over the log. Its leaves are the events; here stands what is kept of it besides.
--
-- A row that is there already stays as it is, whoever writes it again: a tree has one hash at each place, and one root
-- for each size, for ever.


-- Complete tiles: 256 hashes of one level, so that a path reads a few rows however long the log is. An index into the
-- leaves, which can be made again from them.
CREATE TABLE tiles (
    number BIGINT NOT NULL CHECK (number >= 0), -- 0, 1, 2 … without gap within the level
    level SMALLINT NOT NULL CHECK (level BETWEEN 0 AND 5), -- 0 the leaves' hashes, then the roots of the tiles below;
                                            -- no log that can be numbered completes a tile of level 6
    hashes BYTEA NOT NULL CHECK (octet_length(hashes) = 8192), -- 256 hashes of 32 bytes, one after the other
    PRIMARY KEY (level, number)
);

-- Hashes do not compress; nobody tries.
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;


-- Tree heads that may be signed. A root stands here before it is signed, so that no size is ever signed with two.
CREATE TABLE tree_heads (
    size BIGINT PRIMARY KEY CHECK (size >= 1), -- how many leaves: the events below this position
    at BIGINT NOT NULL,                     -- when it was noted, ms since 1970
    root BYTEA NOT NULL CHECK (octet_length(root) = 32) -- the root over them
);


-- Witnesses' signatures of tree heads: one of each witness for one size. No foreign key, as everywhere here: the
-- function that writes looks for the tree head.
CREATE TABLE cosignatures (
    size BIGINT NOT NULL,                   -- the tree head
    at BIGINT NOT NULL CHECK (at >= 0),     -- seconds since 1970, as signed
    name TEXT COLLATE "C" NOT NULL,         -- the witness's name
    key BYTEA NOT NULL CHECK (octet_length(key) = 32), -- the witness's public key
    signature BYTEA NOT NULL CHECK (octet_length(signature) = 64),
    PRIMARY KEY (size, key)
);

-- The first tree head from a size on, and the newest, that one witness has signed: what proves an event to a reader who
-- trusts that witness, and how far the witness has come.
CREATE INDEX cosignatures_of_witness ON cosignatures (key, size);


-- What was signed, or may have been, is as final as the log.
CREATE TRIGGER tiles_are_never_changed BEFORE UPDATE OR DELETE ON tiles
    FOR EACH ROW EXECUTE FUNCTION handoff_refuse_change();
CREATE TRIGGER tiles_are_never_emptied BEFORE TRUNCATE ON tiles
    FOR EACH STATEMENT EXECUTE FUNCTION handoff_refuse_change();

CREATE TRIGGER tree_heads_are_never_changed BEFORE UPDATE OR DELETE ON tree_heads
    FOR EACH ROW EXECUTE FUNCTION handoff_refuse_change();
CREATE TRIGGER tree_heads_are_never_emptied BEFORE TRUNCATE ON tree_heads
    FOR EACH STATEMENT EXECUTE FUNCTION handoff_refuse_change();

CREATE TRIGGER cosignatures_are_never_changed BEFORE UPDATE OR DELETE ON cosignatures
    FOR EACH ROW EXECUTE FUNCTION handoff_refuse_change();
CREATE TRIGGER cosignatures_are_never_emptied BEFORE TRUNCATE ON cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION handoff_refuse_change();


-- The part of a batch that stands here. Called beside `handoff_beside`, in the same statement and so in the same
-- transaction; gives 1, so that the caller sees that it ran. A batch without any of it calls neither.
CREATE FUNCTION handoff_evidence(_tiles tiles[], _tree_heads tree_heads[], _cosignatures cosignatures[])
RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
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
    RETURN 1;
END
$$;
