-- Pods and charges of the baseline: whatever the ledger is, they are kept beside it in the same database.
CREATE TABLE pods (id text PRIMARY KEY, owner text NOT NULL, name text NOT NULL, seq bigint NOT NULL DEFAULT 0)
  WITH (fillfactor = 50);
CREATE TABLE members (pod text NOT NULL, person text NOT NULL, role text NOT NULL, PRIMARY KEY (pod, person));

-- What a pod's room is told: written where the change is, in its transaction.
CREATE TABLE events (
  pod text NOT NULL REFERENCES pods,
  seq bigint NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  recorded_at timestamptz NOT NULL,
  correlation text NOT NULL,
  person text NOT NULL,
  data jsonb NOT NULL,
  PRIMARY KEY (pod, seq)
);

-- Names a pod anew, which its owner may. The pod's row is locked, so its events are numbered in the order they are committed.
CREATE FUNCTION pod_rename(
  p_pod text, p_person text, p_name text, p_event text, p_correlation text, OUT seq bigint, OUT recorded_at timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pods p SET name = p_name, seq = p.seq + 1 WHERE p.id = p_pod AND p.owner = p_person RETURNING p.seq INTO seq;
  IF NOT FOUND THEN RETURN; END IF;
  recorded_at := clock_timestamp();
  INSERT INTO events VALUES (
    p_pod, pod_rename.seq, p_event, 'pod.updated', pod_rename.recorded_at, p_correlation, p_person, jsonb_build_object('pod', p_pod, 'name', p_name)
  );
END $$;

CREATE TABLE charges (
  id text PRIMARY KEY,
  pod text NOT NULL,
  payer text NOT NULL,
  amount bigint NOT NULL,
  fee bigint NOT NULL,
  currency text NOT NULL,
  instrument text NOT NULL,
  status text NOT NULL DEFAULT 'processing',
  provider_ref text,
  failure text,
  created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX charges_of_pod ON charges (pod, created_at);

-- What a charge is at, so that one that lost its process is taken up by another.
CREATE TABLE sagas (
  charge text PRIMARY KEY REFERENCES charges,
  step text NOT NULL DEFAULT 'capture',
  attempts int NOT NULL DEFAULT 1,
  next_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sagas_open ON sagas (next_at) WHERE step <> 'done';

CREATE TABLE idempotency_keys (
  person text NOT NULL,
  key text NOT NULL,
  hash text NOT NULL,
  charge text NOT NULL,
  PRIMARY KEY (person, key)
);

-- What a person has paid in the current day: checked and counted in the transaction that lets a charge begin.
CREATE TABLE velocity (
  person text NOT NULL,
  day date NOT NULL,
  paid bigint NOT NULL,
  PRIMARY KEY (person, day)
) WITH (fillfactor = 50);

-- Begins a charge, once a key. Answers the charge, and whether it was known; or why it is refused.
CREATE FUNCTION charge_begin(
  p_id text, p_person text, p_key text, p_hash text, p_pod text, p_amount bigint, p_fee bigint, p_currency text, p_instrument text,
  p_day_limit bigint, OUT charge text, OUT known boolean, OUT refusal text
) LANGUAGE plpgsql AS $$
DECLARE
  kept record;
  spent bigint;
BEGIN
  known := false;
  INSERT INTO idempotency_keys (person, key, hash, charge) VALUES (p_person, p_key, p_hash, p_id)
    ON CONFLICT (person, key) DO NOTHING;
  IF NOT FOUND THEN
    SELECT k.hash, k.charge INTO kept FROM idempotency_keys k WHERE k.person = p_person AND k.key = p_key;
    charge := kept.charge;
    known := true;
    IF kept.hash <> p_hash THEN refusal := 'idempotency_mismatch'; END IF;
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT 1 FROM members m WHERE m.pod = p_pod AND m.person = p_person AND m.role <> 'viewer') THEN
    DELETE FROM idempotency_keys k WHERE k.person = p_person AND k.key = p_key;
    refusal := 'not_found';
    RETURN;
  END IF;
  INSERT INTO velocity AS v (person, day, paid) VALUES (p_person, current_date, p_amount)
    ON CONFLICT (person, day) DO UPDATE SET paid = v.paid + excluded.paid RETURNING paid INTO spent;
  IF spent > p_day_limit THEN
    UPDATE velocity v SET paid = v.paid - p_amount WHERE v.person = p_person AND v.day = current_date;
    refusal := 'risk_declined';
    RETURN;
  END IF;
  INSERT INTO charges (id, pod, payer, amount, fee, currency, instrument)
    VALUES (p_id, p_pod, p_person, p_amount, p_fee, p_currency, p_instrument);
  INSERT INTO sagas (charge, next_at) VALUES (p_id, now() + interval '30 seconds');
  INSERT INTO outbox (topic, payload) VALUES ('charge.created', jsonb_build_object('id', p_id, 'pod', p_pod));
  charge := p_id;
END $$;

-- Books what the provider said, once: the saga's row says whether it has been.
CREATE FUNCTION charge_settle(p_id text, p_captured boolean, p_ref text, p_failure text, p_stripe int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  c record;
  refusal text;
BEGIN
  UPDATE sagas SET step = 'done' WHERE charge = p_id AND step = 'capture';
  IF NOT FOUND THEN RETURN (SELECT status FROM charges WHERE id = p_id); END IF;
  SELECT * INTO c FROM charges WHERE id = p_id;
  IF p_captured THEN
    refusal := ledger_post('trf_' || p_id, p_id,
      ARRAY['psp:sandbox:' || c.currency || '#' || p_stripe, 'pod:' || c.pod || ':' || c.currency, 'fee:' || c.currency || '#' || p_stripe],
      ARRAY[-c.amount, c.amount - c.fee, c.fee]);
    IF refusal IS NOT NULL THEN RAISE EXCEPTION 'charge % cannot be posted: %', p_id, refusal; END IF;
  ELSE
    UPDATE velocity SET paid = paid - c.amount WHERE person = c.payer AND day = c.created_at::date;
  END IF;
  UPDATE charges SET status = CASE WHEN p_captured THEN 'succeeded' ELSE 'failed' END, provider_ref = p_ref, failure = p_failure
    WHERE id = p_id;
  INSERT INTO outbox (topic, payload)
    VALUES (CASE WHEN p_captured THEN 'charge.succeeded' ELSE 'charge.failed' END, jsonb_build_object('id', p_id, 'pod', c.pod));
  RETURN CASE WHEN p_captured THEN 'succeeded' ELSE 'failed' END;
END $$;
