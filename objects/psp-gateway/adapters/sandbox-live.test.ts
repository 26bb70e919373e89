import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createTestHarness } from "wrangler";
import { fromMinor } from "../../../schema/money.ts";
import type { GatewayAnswer } from "../../../schema/rpc/gateway.ts";
import type { Attempt, PspAdapter } from "./adapter.ts";
import { sandboxAdapter } from "./sandbox.ts";

const API_KEY = "key-of-the-live-tests";

const sandbox = createTestHarness({
  workers: [
    {
      configPath: `${import.meta.dirname}/../../../sandbox/wrangler.toml`,
      vars: {
        PSP_API_KEY: API_KEY,
        LP_API_KEY: API_KEY,
        WEBHOOK_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        // Nobody listens: its webhooks are another test's matter.
        PRODUCT_WEBHOOK_URL: "http://127.0.0.1:1/",
      },
    },
  ],
});

let url = "";
let adapter: PspAdapter;

beforeAll(async () => {
  vi.stubEnv("CLOUDFLARE_CF_FETCH_ENABLED", "false");
  url = String((await sandbox.listen()).url);
  adapter = sandboxAdapter({ url, apiKey: API_KEY });
}, 60_000);
afterAll(async () => {
  await sandbox.close();
  vi.unstubAllEnvs();
});

const within = (ms = 3_500) => AbortSignal.timeout(ms);

let last = 0;
const newReference = () => `chg_live_${++last}`;

type Capture = { key?: string; cents?: bigint; ms?: number };

const capture = (instrument: string, reference: string, { key = reference, cents = 1234n, ms }: Capture = {}) =>
  adapter.capture(
    {
      call: "capture",
      reference,
      key: `${key}:capture`,
      amount: fromMinor(cents, "EUR"),
      instrument,
      charge: reference,
      pod: "pod_1",
    },
    within(ms),
  );
const query = (reference: string) => adapter.query(reference, within());
const voidPayment = (reference: string) => adapter.void(reference, within());

const fine = (answer: object): Attempt<GatewayAnswer> => ({ answer: expect.objectContaining(answer), fault: false });
const stateOf = (state: string, more: object = {}) => fine({ outcome: "state", state, ...more });
const unknown = (fault: boolean) => ({ answer: { outcome: "unknown", detail: expect.any(String) }, fault });

describe("the sandbox adapter and the sandbox", () => {
  test("agree on a capture, and that repeating it moves money once", async () => {
    const reference = newReference();
    const first = await capture("tok_ok", reference);
    expect(first).toEqual(stateOf("captured", { amount: { amount: "12.34", currency: "EUR" }, decline_reason: null }));
    expect(await capture("tok_ok", reference)).toEqual(first);
    expect(await capture("tok_ok", reference, { key: "another" })).toEqual(first);
    expect(await query(reference)).toEqual(first);
    expect(await voidPayment(reference)).toEqual(first);
  });

  test.each([
    ["tok_declined", "do_not_honor"],
    ["tok_insufficient", "insufficient_funds"],
  ])("agree that %s is declined, also when asked or voided", async (instrument, decline_reason) => {
    const reference = newReference();
    const declined = stateOf("failed", { decline_reason });
    expect(await capture(instrument, reference)).toEqual(declined);
    expect(await query(reference)).toEqual(declined);
    expect(await voidPayment(reference)).toEqual(declined);
  });

  test.each([
    ["tok_timeout_then_captured", "captured"],
    ["tok_timeout_then_failed", "failed"],
  ])("agree that %s is unknown when it does not answer, and %s by its status", async (instrument, state) => {
    const reference = newReference();
    expect(await capture(instrument, reference, { ms: 300 })).toEqual(unknown(true));
    expect(await query(reference)).toEqual(stateOf(state));
  });

  test("agree that an answer that breaks off says nothing, and the payment stands", async () => {
    const reference = newReference();
    expect(await capture("tok_script_hangup", reference)).toEqual(unknown(true));
    expect(await query(reference)).toEqual(stateOf("captured"));
    expect(await capture("tok_script_hangup", reference)).toEqual(stateOf("captured"));
  });

  test("agree that a server error leaves nothing and is healed by repeating", async () => {
    const reference = newReference();
    expect(await capture("tok_5xx_twice", reference)).toEqual(unknown(true));
    expect(await query(reference)).toEqual(fine({ outcome: "not_found" }));
    expect(await capture("tok_5xx_twice", reference)).toEqual(unknown(true));
    expect(await capture("tok_5xx_twice", reference)).toEqual(stateOf("captured"));
  });

  test.each([
    ["tok_async", "captured"],
    ["tok_async_failed", "failed"],
  ])("agree that %s is pending, then %s", async (instrument, state) => {
    const reference = newReference();
    expect(await capture(instrument, reference)).toEqual(stateOf("pending"));
    await vi.waitFor(async () => expect(await query(reference)).toEqual(stateOf(state)), { timeout: 10_000 });
  });

  test("agree that voiding an unknown reference burns it", async () => {
    const reference = newReference();
    expect(await query(reference)).toEqual(fine({ outcome: "not_found" }));
    expect(await voidPayment(reference)).toEqual(fine({ outcome: "voided" }));
    expect(await voidPayment(reference)).toEqual(fine({ outcome: "voided" }));
    expect(await capture("tok_ok", reference)).toEqual(stateOf("voided", { provider_ref: "" }));
  });

  test("agree that a pending payment can be voided", async () => {
    const reference = newReference();
    await capture("tok_async", reference);
    expect(await voidPayment(reference)).toEqual(fine({ outcome: "voided" }));
    expect(await query(reference)).toEqual(stateOf("voided"));
  });

  test("agree that a key stands for one request", async () => {
    const reference = newReference();
    await capture("tok_ok", reference);
    expect(await capture("tok_ok", reference, { cents: 9999n })).toEqual(unknown(false));
  });

  test("agree on which instruments there are", async () => {
    expect(await adapter.lookup("tok_ok", within())).toMatchObject({ answer: { known: true }, fault: false });
    expect(await adapter.lookup("tok_of_nobody", within())).toEqual({ answer: { known: false }, fault: false });
    const rejected = { provider_ref: "", decline_reason: "rejected_by_provider" };
    expect(await capture("tok_of_nobody", newReference())).toEqual(stateOf("failed", rejected));
  });

  test("agree that wrong credentials reach nothing", async () => {
    const stranger = sandboxAdapter({ url, apiKey: "another-key" });
    const reference = newReference();
    expect(await stranger.query(reference, within())).toMatchObject({ answer: { outcome: "not_sent" }, fault: true });
    expect(await stranger.lookup("tok_ok", within())).toEqual({ answer: { known: null }, fault: true });
  });
});
