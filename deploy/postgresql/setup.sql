-- The database and the role of the service. Run once as a superuser:  psql -f setup.sql
--
-- The role owns its database and nothing else. pg_monitor lets it see how far the standbys are; without it the gate of
-- durability = "replicated" stays shut, and the service says so by name. No password here: `\password handoff` asks
-- for one, and database.password_file of the configuration holds it; or use certificates in pg_hba.conf.

CREATE ROLE handoff LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
GRANT pg_monitor TO handoff;
CREATE DATABASE handoff OWNER handoff ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0;
REVOKE ALL ON DATABASE handoff FROM PUBLIC;
