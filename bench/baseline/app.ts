import { Hono } from "hono";
import type pg from "pg";
import { z } from "zod";
import { fromMinor, moneySchema, toMinor } from "../../schema/money.ts";
import type { Authenticate, Caller } from "./callers.ts";
import { makeCharge, type Provider, readCharge, shown } from "./charges.ts";
import { balanceOf, postOrder, trialBalance } from "./ledger.ts";
import { openPod, renamePod } from "./pods.ts";
import type { Rooms } from "./rooms.ts";

type Hosted = { Variables: { caller: Caller } };

const orderSchema = z.strictObject({
  id: z.string().regex(/^trf_[0-9A-HJKMNP-TV-Z]{26}$/),
  legs: z
    .array(
      z.strictObject({ account: z.string().max(200), direction: z.enum(["debit", "credit"]), amount: moneySchema }),
    )
    .min(2)
    .max(100),
  metadata: z.record(z.string(), z.string()).optional(),
});
const batchSchema = z.strictObject({ transfers: z.array(z.unknown()).min(1).max(1_000) });
const chargeSchema = z.strictObject({
  amount: moneySchema,
  source: z.strictObject({ type: z.literal("instrument"), token: z.string().max(255) }),
});
const nameSchema = z.string().min(1).max(100);
const podSchema = z.strictObject({ name: nameSchema, members: z.array(z.string()).max(1_000) });
const renameSchema = z.strictObject({ name: nameSchema });

type Refused = 400 | 404 | 422 | 500;

const STATUS: Readonly<Record<string, Refused>> = {
  invalid_request: 400,
  not_found: 404,
  insufficient_funds: 422,
  idempotency_mismatch: 422,
  risk_declined: 422,
};

const bearerOf = (header: string | undefined): string => /^Bearer (\S+)$/.exec(header ?? "")?.[1] ?? "";

const balanced = (legs: z.infer<typeof orderSchema>["legs"]): boolean => {
  const sums = new Map<string, bigint>();
  for (const { direction, amount } of legs) {
    const minor = toMinor(amount);
    sums.set(amount.currency, (sums.get(amount.currency) ?? 0n) + (direction === "debit" ? -minor : minor));
  }
  return [...sums.values()].every((sum) => sum === 0n);
};

/** The conventional server: the part of the HTTP contract that is measured, over one SQL database. */
export const createBaseline = (pool: pg.Pool, provider: Provider, authenticate: Authenticate, rooms: Rooms) => {
  const app = new Hono<Hosted>();
  const refuse = (code: string) => Response.json({ code }, { status: STATUS[code] ?? 500 });
  const post = async (input: unknown): Promise<{ status: 201 | Refused; body: object }> => {
    const parsed = orderSchema.safeParse(input);
    if (!parsed.success || !balanced(parsed.data.legs)) return { status: 400, body: { code: "invalid_request" } };
    const { metadata, ...order } = parsed.data;
    const refusal = await postOrder(pool, metadata === undefined ? order : { ...order, metadata });
    if (refusal !== null) return { status: STATUS[refusal] ?? 500, body: { code: refusal } };
    return { status: 201, body: { id: order.id, status: "posted", legs: order.legs } };
  };

  app.use(async (context, next) => {
    const caller = await authenticate(bearerOf(context.req.header("authorization"))).catch(() => null);
    if (caller === null) return context.json({ code: "unauthenticated" }, 401);
    context.set("caller", caller);
    return next();
  });
  app.use("/v1/ledger/*", (context, next) =>
    context.get("caller").admin ? next() : Promise.resolve(context.json({ code: "forbidden" }, 403)),
  );

  app.post("/v1/ledger/transfers", async (context) => {
    const { status, body } = await post(await context.req.json());
    return context.json(body, status);
  });
  app.post("/v1/ledger/batches", async (context) => {
    const parsed = batchSchema.safeParse(await context.req.json());
    if (!parsed.success) return refuse("invalid_request");
    // The pool bounds how many are under way.
    return context.json({ results: await Promise.all(parsed.data.transfers.map(post)) });
  });
  app.get("/v1/ledger/accounts/:id", async (context) => {
    const id = context.req.param("id");
    const balance = await balanceOf(pool, id);
    if (balance === null) return refuse("not_found");
    const amount = (minor: bigint) => fromMinor(minor, id.split(":").at(-1) ?? "").amount;
    return context.json({
      id,
      debits_posted: amount(balance.debits),
      credits_posted: amount(balance.credits),
      holds: [],
    });
  });
  app.get("/v1/ledger/trial-balance", async (context) => context.json(await trialBalance(pool)));

  app.post("/v1/pods", async (context) => {
    const parsed = podSchema.safeParse(await context.req.json());
    if (!parsed.success) return refuse("invalid_request");
    const id = await openPod(pool, { owner: context.get("caller").user, ...parsed.data });
    return context.json({ id }, 201);
  });
  app.patch("/v1/pods/:id", async (context) => {
    const parsed = renameSchema.safeParse(await context.req.json());
    if (!parsed.success) return refuse("invalid_request");
    const [pod, { user }] = [context.req.param("id"), context.get("caller")];
    const event = await rooms.tellAfter(pod, () => renamePod(pool, { pod, person: user, ...parsed.data }));
    return event === null ? refuse("not_found") : context.json({ id: pod, ...parsed.data, seq: Number(event.seq) });
  });
  app.post("/v1/pods/:id/charges", async (context) => {
    const key = context.req.header("idempotency-key");
    const parsed = chargeSchema.safeParse(await context.req.json());
    if (key === undefined || !parsed.success) return refuse("invalid_request");
    const { amount, source } = parsed.data;
    const order = {
      person: context.get("caller").user,
      key,
      pod: context.req.param("id"),
      amount,
      instrument: source.token,
    };
    const { charge, refusal } = await makeCharge(pool, provider, order);
    if (charge === undefined) return refuse(refusal ?? "internal");
    return context.json(shown(charge), charge.status === "processing" ? 202 : 201);
  });
  app.get("/v1/charges/:id", async (context) => {
    const charge = await readCharge(pool, context.req.param("id"));
    return charge === null ? refuse("not_found") : context.json(shown(charge));
  });
  return app;
};
