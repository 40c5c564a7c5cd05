-- 0006 Registry: the organisations' registries of officers' keys. The log holds the root over each version of each; here
-- stand the entries, of which whoever asks is shown what it needs and no more.


-- Entries that the update of a version added or changed, written with its event `registry_updated`. A registry as of a
-- version has of each key the newest entry up to it. Officers are pseudonyms here, names stand elsewhere. A table with
-- row keys, so that the entries lie apart from the key.
CREATE TABLE registry_entries (
    organisation TEXT NOT NULL,             -- whose registry
    version INTEGER NOT NULL CHECK (version >= 1), -- the update
    kid TEXT NOT NULL CHECK (length(kid) = 64), -- the key's id: SHA-256 of the public key, lower-case hexadecimal
    entry BLOB NOT NULL CHECK (length(entry) BETWEEN 1 AND 16384), -- the entry, byte for byte as hashed
    PRIMARY KEY (organisation, version, kid)
) STRICT;


-- What a root was signed over is as final as the log. An entry is written once: unlike the tree, a version is decided
-- under the head, so whoever writes one again has decided on something that has moved, and is refused.
CREATE TRIGGER registry_entries_are_never_changed BEFORE UPDATE ON registry_entries
BEGIN
    SELECT RAISE(ABORT, 'registry entries are never changed');
END;

CREATE TRIGGER registry_entries_are_never_deleted BEFORE DELETE ON registry_entries
BEGIN
    SELECT RAISE(ABORT, 'registry entries are never deleted');
END;
