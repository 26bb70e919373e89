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
-- and debits below; they sum to zero. Rows are locked in the order of their ids, so that no two transfers wait for each other.
CREATE FUNCTION ledger_post(p_id text, p_hash text, p_accounts text[], p_amounts bigint[]) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  known record;
  locked int;
  wanted int;
  short text;
BEGIN
  INSERT INTO transfers (id, hash) VALUES (p_id, p_hash) ON CONFLICT (id) DO NOTHING;
  IF NOT FOUND THEN
    SELECT hash, refusal INTO known FROM transfers WHERE id = p_id;
    RETURN CASE WHEN known.hash = p_hash THEN known.refusal ELSE 'idempotency_mismatch' END;
  END IF;

  SELECT count(DISTINCT account) INTO wanted FROM unnest(p_accounts) AS account;
  PERFORM 1 FROM accounts WHERE id = ANY (p_accounts) ORDER BY id FOR UPDATE;
  GET DIAGNOSTICS locked = ROW_COUNT;
  IF locked < wanted THEN
    INSERT INTO accounts (id, floored)
      SELECT DISTINCT account, account LIKE 'wallet:%' OR account LIKE 'pod:%' FROM unnest(p_accounts) AS account ORDER BY account
      ON CONFLICT (id) DO NOTHING;
    PERFORM 1 FROM accounts WHERE id = ANY (p_accounts) ORDER BY id FOR UPDATE;
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
