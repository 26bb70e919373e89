\set payer random(0, 999)
\set payee (:payer + random(1, 999)) % 1000
\set nonce random(1, 9000000000000000)
-- chr(58) is a colon, which would begin a variable of pgbench's.
SELECT ledger_post(format('pgb%s-%s', :client_id::int, :nonce::bigint), 'h', ARRAY[format('wallet%1$sbench%2$s%1$sEUR', chr(58), :payer::int), format('wallet%1$sbench%2$s%1$sEUR', chr(58), :payee::int)], ARRAY[-1, 1]::bigint[]);
