-- The least a durable answer can cost here.

INSERT INTO bench_raw (bytes) VALUES (:row::bytea);
