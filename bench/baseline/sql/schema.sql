-- The ledger of the baseline: one function a transfer, so that a transfer is one round trip and one commit.
CREATE TABLE accounts (
  id text PRIMARY KEY,
  floored boolean NOT NULL,
  debits bigint NOT NULL DEFAULT 0,
  credits bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE transfers (
  id text PRIMARY KEY,
  hash text NOT NULL,
  refusal text,
  recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE entries (
  account text NOT NULL,
  seq bigint NOT NULL,
  transfer text NOT NULL,
  amount bigint NOT NULL,
  balance bigint NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account, seq)
);

CREATE TABLE outbox (
  id bigserial PRIMARY KEY,
  topic text NOT NULL,
  payload jsonb NOT NULL
);

-- Posts a transfer once: null when it is posted, now or before, else why it is refused. Amounts are minor units, credits above zero
-- and debits below; they sum to zero. Rows are locked in the order of their ids, so that no two transfers wait for each other: also
-- where an account is new. A row that was just inserted is locked like any other, so what is there may not be locked before what is not.
CREATE FUNCTION ledger_post(p_id text, p_hash text, p_accounts text[], p_amounts bigint[]) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  known record;
  wanted int;
  there int;
  one text;
  short text;
BEGIN
  INSERT INTO transfers (id, hash) VALUES (p_id, p_hash) ON CONFLICT (id) DO NOTHING;
  IF NOT FOUND THEN
    SELECT hash, refusal INTO known FROM transfers WHERE id = p_id;
    RETURN CASE WHEN known.hash = p_hash THEN known.refusal ELSE 'idempotency_mismatch' END;
  END IF;

  -- No account is ever deleted: those that are seen are there to be locked.
  SELECT count(DISTINCT account) INTO wanted FROM unnest(p_accounts) AS account;
  SELECT count(*) INTO there FROM accounts WHERE id = ANY (p_accounts);
  IF there = wanted THEN
    PERFORM 1 FROM accounts WHERE id = ANY (p_accounts) ORDER BY id FOR UPDATE;
  ELSE
    FOR one IN SELECT DISTINCT account FROM unnest(p_accounts) AS account ORDER BY account LOOP
      INSERT INTO accounts (id, floored) VALUES (one, one LIKE 'wallet:%' OR one LIKE 'pod:%') ON CONFLICT (id) DO NOTHING;
      IF NOT FOUND THEN PERFORM 1 FROM accounts WHERE id = one FOR UPDATE; END IF;
    END LOOP;
  END IF;

  SELECT a.id INTO short
    FROM accounts a
    JOIN (SELECT account, sum(amount) AS change FROM unnest(p_accounts, p_amounts) AS l (account, amount) GROUP BY account) d
      ON d.account = a.id
    WHERE a.floored AND d.change < 0 AND a.credits - a.debits + d.change < 0
    LIMIT 1;
  IF short IS NOT NULL THEN
    UPDATE transfers SET refusal = 'insufficient_funds' WHERE id = p_id;
    RETURN 'insufficient_funds';
  END IF;

  WITH legs AS (
    SELECT account, sum(amount) AS change, sum(greatest(amount, 0)) AS credit, sum(greatest(-amount, 0)) AS debit
      FROM unnest(p_accounts, p_amounts) AS l (account, amount) GROUP BY account
  ), moved AS (
    UPDATE accounts a SET debits = a.debits + legs.debit, credits = a.credits + legs.credit, seq = a.seq + 1
      FROM legs WHERE legs.account = a.id
      RETURNING a.id, a.seq, legs.change, a.credits - a.debits AS balance
  )
  INSERT INTO entries (account, seq, transfer, amount, balance) SELECT id, seq, p_id, change, balance FROM moved;

  INSERT INTO outbox (topic, payload)
    VALUES ('transfer.posted', jsonb_build_object('id', p_id, 'accounts', p_accounts, 'amounts', p_amounts));
  RETURN NULL;
END $$;
