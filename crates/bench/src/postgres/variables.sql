-- What differs from transaction to transaction: a request of the client's own, one of `:cases` cases, one of eight
-- scopes of it, an instant; and how many rows of the kinds that not every transition writes, so that their mean is
-- that of the service's story.
\set n :n + 1
\set request 100000000000 + :client_id * 100000000 + :n
\set case random(1, :cases)
\set incident 200000000000 + :case
\set scope 300000000000 + random(1, 8)
\set handoff 400000000000 + :case
\set at 1795435200000 + :n
\set obligations case when random(1, 1000) <= :obligations_mille - 1000 then 2 when random(1, 1000) <= :obligations_mille then 1 else 0 end
\set personal case when random(1, 1000) <= :personal_mille - 1000 then 2 when random(1, 1000) <= :personal_mille then 1 else 0 end
\set handoffs case when random(1, 1000) <= :handoffs_mille then 1 else 0 end
