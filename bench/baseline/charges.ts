import type pg from "pg";
import { feeRates, settle } from "../../schema/fees.ts";
import { fromMinor, type MoneyJson, toMinor } from "../../schema/money.ts";
import { ulid } from "../../tests/support/story.ts";
import { hashOf, stripeOf } from "./ledger.ts";

/** The provider, over HTTP. */
export type Provider = { url: string; apiKey: string };

export type ChargeOrder = { person: string; key: string; pod: string; amount: MoneyJson; instrument: string };

/** Minor units one person may pay in a day. */
const DAY_LIMIT = 10_000_000n;
const FEES = feeRates(undefined);
const ANSWER_MS = 10_000;
/** A saga that has not moved for as long lost its process, or its answer. */
const RESUMED_AT_ONCE = 50;

type Row = {
  id: string;
  pod: string;
  payer: string;
  amount: string;
  fee: string;
  currency: string;
  instrument: string;
  status: string;
  failure: string | null;
};

type Said = { captured: boolean; ref: string; reason: string | null };

/** What the provider says of the charge; null when it cannot be told. The charge's id is its key: asking again is harmless. */
const capture = async ({ url, apiKey }: Provider, charge: Row): Promise<Said | null> => {
  const response = await fetch(`${url}/v1/payments`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json", "idempotency-key": charge.id },
    body: JSON.stringify({
      reference: charge.id,
      amount: fromMinor(BigInt(charge.amount), charge.currency),
      instrument: charge.instrument,
      capture: true,
      metadata: { charge: charge.id, pod: charge.pod },
    }),
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch(() => null);
  if (response === null) return null;
  const body = (await response.json().catch(() => null)) as {
    id?: string;
    status?: string;
    decline_reason?: string;
  } | null;
  if (body?.status === "captured") return { captured: true, ref: body.id ?? "", reason: null };
  if (body?.status === "failed")
    return { captured: false, ref: body.id ?? "", reason: body.decline_reason ?? "declined" };
  return null;
};

const COLUMNS = "id, pod, payer, amount::text, fee::text, currency, instrument, status, failure";

export const readCharge = async (pool: pg.Pool, id: string): Promise<Row | null> => {
  const { rows } = await pool.query<Row>({
    name: "charge",
    text: `SELECT ${COLUMNS} FROM charges WHERE id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
};

/** Goes on with a charge whose beginning is durable: asks the provider, and books what it says. What cannot be told is left to `resume`. */
const drive = async (pool: pg.Pool, provider: Provider, charge: Row): Promise<string> => {
  const said = await capture(provider, charge);
  if (said === null) return "processing";
  const { rows } = await pool.query<{ status: string }>({
    name: "settle",
    text: "SELECT charge_settle($1, $2, $3, $4, $5) AS status",
    values: [charge.id, said.captured, said.ref, said.reason, stripeOf(charge.id)],
  });
  return rows[0]?.status ?? "processing";
};

/** Makes a charge, once a key. */
export const makeCharge = async (pool: pg.Pool, provider: Provider, order: ChargeOrder) => {
  const { person, key, pod, amount, instrument } = order;
  const { fees } = settle(amount, FEES, false);
  const fee = fees.reduce((sum, each) => sum + toMinor(each.amount), 0n);
  const minor = toMinor(amount);
  const id = `chg_${ulid()}`;
  const { rows } = await pool.query<{ charge: string; known: boolean; refusal: string | null }>({
    name: "begin",
    text: "SELECT * FROM charge_begin($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    values: [
      id,
      person,
      key,
      hashOf({ pod, amount, instrument }),
      pod,
      String(minor),
      String(fee),
      amount.currency,
      instrument,
      String(DAY_LIMIT),
    ],
  });
  const [begun] = rows;
  if (begun === undefined || begun.refusal !== null) return { refusal: begun?.refusal ?? "internal" };
  const known = begun.known ? await readCharge(pool, begun.charge) : null;
  if (known !== null) return { charge: known };
  const charge: Row = {
    id: begun.charge,
    pod,
    payer: person,
    amount: String(minor),
    fee: String(fee),
    currency: amount.currency,
    instrument,
    status: "processing",
    failure: null,
  };
  return { charge: { ...charge, status: await drive(pool, provider, charge) } };
};

/** A charge as the contract shows it. */
export const shown = ({ id, pod, payer, amount, fee, currency, status, failure }: Row) => ({
  id,
  pod,
  payer,
  status,
  amount: fromMinor(BigInt(amount), currency),
  ...(status === "succeeded" ? { settled: fromMinor(BigInt(amount) - BigInt(fee), currency) } : {}),
  fees: [{ name: "psp", amount: fromMinor(BigInt(fee), currency) }],
  ...(failure === null ? {} : { failure: { code: "payment_declined", decline_reason: failure } }),
});

/** Takes up the charges whose process went away. Two that do so at once take different ones. */
export const resume = async (pool: pg.Pool, provider: Provider): Promise<number> => {
  const { rows } = await pool.query<{ charge: string }>(
    `UPDATE sagas SET attempts = attempts + 1, next_at = now() + interval '30 seconds' * attempts
       WHERE charge IN (SELECT charge FROM sagas WHERE step <> 'done' AND next_at <= now() ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING charge`,
    [RESUMED_AT_ONCE],
  );
  for (const { charge } of rows) {
    const found = await readCharge(pool, charge);
    if (found !== null) await drive(pool, provider, found);
  }
  return rows.length;
};
