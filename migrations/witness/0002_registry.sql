-- 0002 Registries of officers' keys: what an update changed stands beside its entry, because the event itself holds the
-- root alone (evidence, 7).

-- With an event `registry_updated`: the registry's entries it changed or added, one a line, each byte for byte as it was
-- sent (canonical JSON holds no line end). NULL for every other entry.
ALTER TABLE entries ADD COLUMN registry BLOB;
