-- A database for each service, and two roles for each database: `guanxi_<service>_owner` owns the tables and is used by
-- `guanxi migrate` alone, which grants what is needed to `guanxi_<service>`: what the service runs as. That one owns
-- nothing and may not go around row-level security, so that a query that forgot its workspace finds nothing.
--
-- Run by a superuser, or by a role that may create roles and databases; running it again changes nothing:
--   psql --file deploy/postgres/databases.sql
-- The roles have no password, so nobody can log in by one until each got its own (\password guanxi_identity).
-- Where one password for all of them is enough (development, tests), GUANXI_DATABASE_PASSWORD in the environment sets it.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TEMPORARY TABLE service (name text);
INSERT INTO service VALUES
  ('ingest'), ('identity'), ('profile'), ('segmentation'), ('journey'), ('messaging'), ('analytics');
CREATE TEMPORARY VIEW role AS
  SELECT name, suffix, 'guanxi_' || name || suffix AS role FROM service, (VALUES (''), ('_owner')) AS kind (suffix);

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', role)
  FROM role WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec

\getenv password GUANXI_DATABASE_PASSWORD
\if :{?password}
SELECT format('ALTER ROLE %I PASSWORD %L', role, :'password') FROM role \gexec
\endif

-- Who creates a database for another role must be able to become that role.
SELECT format('GRANT %I TO CURRENT_USER', role) FROM role
  WHERE suffix = '_owner' AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \gexec
-- Texts are compared by their bytes, as on SQLite.
SELECT format($$CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'$$, 'guanxi_' || name, role)
  FROM role
  WHERE suffix = '_owner' AND NOT EXISTS (SELECT FROM pg_database WHERE datname = 'guanxi_' || name) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', 'guanxi_' || name) FROM service \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', 'guanxi_' || name, role) FROM role \gexec
