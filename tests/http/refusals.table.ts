import { createIdSource } from "../../schema/ids.ts";

/**
 * What the edge refuses: a row per route and fault. The generic faults (tokens, strangers, bodies, pages, methods) follow from
 * what a route is; the rest is written out below. A route of the OpenAPI document without a row fails the test.
 */

/** Whom a row speaks as: a person of the world, the operator, nobody, or the bearer of a token with a fault. */
export type Speaker = "alice" | "bob" | "vera" | "mallory" | "ops" | "nobody" | TokenFault;

export const TOKEN_FAULTS = [
  "expired",
  "alg none",
  "HS256 with the public key",
  "another key",
  "another issuer",
  "another audience",
  "another type",
  "an e-mail address",
  "a life of two hours",
  "not yet issued",
  "no client",
] as const;
export type TokenFault = (typeof TOKEN_FAULTS)[number];

/**
 * The world the rows are about. `pod` is alice's, bob is a member, vera a viewer; mallory is in none but her own. `charge` has
 * succeeded under `key`, `review` waits for the operator, `invitation` was used by bob.
 */
export type World = {
  pod: string;
  charge: string;
  saga: string;
  key: string;
  review: string;
  invitation: string;
  freshInvitation: string;
  transfer: string;
  oldTransfer: string;
};

type FromWorld<T> = T | ((world: World) => T);

export type Row = {
  route: string;
  fault: string;
  as: Speaker;
  path: FromWorld<string>;
  method: string;
  body?: FromWorld<unknown>;
  headers?: FromWorld<Record<string, string>>;
  /** Signed as the provider signs, over this body. */
  signed?: boolean;
  status: number;
  code: string;
  pointer?: string;
  /** The pod had let it in before it was refused elsewhere, so that its log tells of a permit granted and given back. */
  admitted?: boolean;
};

type Spec = {
  route: string;
  access: "public" | "user" | "admin" | "pod" | "charge";
  /** A body that would be taken; null: the route has none. */
  body?: FromWorld<unknown>;
  key?: "required" | "honoured";
  list?: boolean;
  /** People of the pod who may not do this. */
  denied?: Speaker[];
  params?: Record<string, FromWorld<string>>;
  /** What the route cannot do without. */
  query?: string;
  /** The most its body may hold, bytes; 256 KiB when absent. */
  maxBody?: number;
};

const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));
const freshTransfer = (): string => ids.next("trf", Date.now());
const eur = (amount: unknown) => ({ amount, currency: "EUR" });
const instrument = { type: "instrument", token: "tok_ok" };
const UNKNOWN_ULID = "01J00000000000000000000000";
const account = { id: "fee%3AEUR" };
const stripe = { id: "fee%3AEUR%230" };

const legs = (amount = "1.00") => [
  { account: "suspense:EUR", direction: "debit", amount: eur(amount) },
  { account: "fee:EUR", direction: "credit", amount: eur(amount) },
];
const transferBody =
  (change: Record<string, unknown> = {}) =>
  (world: World) => ({
    id: world.transfer,
    legs: legs(),
    ...change,
  });

/** One line a route: what it is decides which generic faults it meets. */
const SPECS: Spec[] = [
  { route: "GET /healthz", access: "public" },
  { route: "GET /readyz", access: "public" },
  { route: "GET /version", access: "public" },
  { route: "GET /openapi.json", access: "public" },
  {
    route: "POST /v1/pods",
    access: "user",
    key: "honoured",
    body: { name: "Trip", type: "pool", currencies: ["EUR"] },
  },
  { route: "GET /v1/pods", access: "user", list: true },
  { route: "GET /v1/pods/{id}", access: "pod" },
  { route: "PATCH /v1/pods/{id}", access: "pod", body: { name: "Other" }, denied: ["bob", "vera", "ops"] },
  { route: "POST /v1/pods/{id}/freeze", access: "pod", key: "honoured", body: {}, denied: ["bob", "vera", "ops"] },
  { route: "POST /v1/pods/{id}/unfreeze", access: "pod", key: "honoured", body: {}, denied: ["bob", "vera", "ops"] },
  { route: "GET /v1/pods/{id}/events", access: "pod", list: true },
  { route: "GET /v1/pods/{id}/entries", access: "pod", list: true },
  { route: "POST /v1/pods/{id}/feed-tickets", access: "pod", body: {} },
  { route: "GET /v1/pods/{id}/feed", access: "pod" },
  { route: "GET /v1/pods/{id}/statement", access: "pod" },
  {
    route: "POST /v1/pods/{id}/invitations",
    access: "pod",
    key: "honoured",
    body: { role: "member" },
    denied: ["bob", "vera", "ops"],
  },
  {
    route: "PATCH /v1/pods/{id}/members/{user}",
    access: "pod",
    body: { role: "viewer" },
    denied: ["bob", "vera", "ops"],
    params: { user: "alice" },
  },
  {
    route: "DELETE /v1/pods/{id}/members/{user}",
    access: "pod",
    denied: ["bob", "vera", "ops"],
    params: { user: "alice" },
  },
  {
    route: "POST /v1/invitations/{token}/accept",
    access: "user",
    key: "honoured",
    body: {},
    params: { token: (world) => world.freshInvitation },
  },
  {
    route: "POST /v1/pods/{id}/charges",
    access: "pod",
    key: "required",
    body: { amount: eur("10.00"), source: instrument },
    denied: ["vera", "ops"],
  },
  { route: "GET /v1/pods/{id}/charges", access: "pod", list: true },
  { route: "GET /v1/charges/{id}", access: "charge" },
  {
    route: "POST /v1/charges/{id}/cancel",
    access: "charge",
    key: "honoured",
    body: {},
    denied: ["bob", "vera", "ops"],
  },
  {
    route: "POST /v1/charges/{id}/review",
    access: "admin",
    key: "honoured",
    body: { decision: "approve", note: "seen" },
    params: { id: (world) => world.review },
  },
  {
    route: "POST /v1/fx/quotes",
    access: "user",
    key: "honoured",
    body: { sell: eur("10.00"), buy: { currency: "USD" } },
  },
  { route: "GET /v1/fx/rates", access: "user" },
  { route: "GET /v1/fx/providers", access: "admin" },
  { route: "GET /v1/fx/position", access: "admin" },
  { route: "GET /v1/wallets", access: "user" },
  { route: "GET /v1/ledger/accounts/{id}", access: "admin", params: account },
  { route: "GET /v1/ledger/accounts/{id}/entries", access: "admin", list: true, params: account },
  {
    route: "POST /v1/ledger/accounts/{id}/freeze",
    access: "admin",
    key: "honoured",
    body: { reason: "why" },
    params: account,
  },
  {
    route: "POST /v1/ledger/accounts/{id}/unfreeze",
    access: "admin",
    key: "honoured",
    body: { reason: "why" },
    params: account,
  },
  {
    route: "POST /v1/ledger/accounts/{id}/close",
    access: "admin",
    key: "honoured",
    body: { reason: "why" },
    params: account,
  },
  { route: "PATCH /v1/ledger/accounts/{id}", access: "admin", body: { cap: "1.00" }, params: account },
  { route: "GET /v1/ledger/accounts/{id}/explain", access: "admin", list: true, params: account },
  {
    route: "POST /v1/ledger/monitors",
    access: "admin",
    key: "honoured",
    body: { account: "fee:EUR#0", above: eur("1.00") },
  },
  { route: "GET /v1/ledger/monitors", access: "admin", query: "account=fee%3AEUR" },
  { route: "GET /v1/ledger/monitors/{id}", access: "admin", params: { id: "mon_1" } },
  { route: "DELETE /v1/ledger/monitors/{id}", access: "admin", params: { id: "mon_1" } },
  { route: "GET /v1/ledger/accounts/{id}/balance", access: "admin", params: account, query: "at=2026-01-01T00:00:00Z" },
  { route: "GET /v1/ledger/accounts/{id}/statement", access: "admin", params: stripe },
  { route: "GET /v1/ledger/accounts/{id}/export", access: "admin", params: stripe },
  { route: "POST /v1/ledger/transfers", access: "admin", body: transferBody() },
  { route: "GET /v1/ledger/transfers/{id}", access: "admin", params: { id: (world) => world.transfer } },
  {
    route: "POST /v1/ledger/batches",
    access: "admin",
    body: (world: World) => ({ transfers: [transferBody()(world)] }),
    maxBody: 4 * 1024 * 1024,
  },
  {
    route: "POST /v1/ledger/periods/close",
    access: "admin",
    key: "honoured",
    body: { until: "2020-01-01T00:00:00Z" },
  },
  { route: "GET /v1/ledger/trial-balance", access: "admin" },
  { route: "POST /v1/ledger/verify", access: "admin", body: {} },
  { route: "GET /v1/ledger/verify/{id}", access: "admin", params: { id: `vrf_${UNKNOWN_ULID}` } },
  { route: "GET /v1/sagas", access: "admin", list: true },
  { route: "GET /v1/sagas/{id}", access: "admin", params: { id: (world) => world.saga } },
  ...["retry", "compensate"].map(
    (action): Spec => ({
      route: `POST /v1/sagas/{id}/${action}`,
      access: "admin",
      key: "honoured",
      body: { note: "seen" },
      params: { id: (world) => world.saga },
    }),
  ),
  {
    route: "POST /v1/sagas/{id}/resolve",
    access: "admin",
    key: "honoured",
    body: { step: "capture", verdict: "succeeded", provider_ref: "psp_1", note: "seen" },
    params: { id: (world) => world.saga },
  },
  { route: "GET /v1/dead-letters", access: "admin", list: true },
  { route: "POST /v1/dead-letters/redrive", access: "admin", body: {} },
  { route: "POST /v1/read-model/rebuild", access: "admin", body: {} },
  { route: "GET /v1/read-model/rebuild/{id}", access: "admin", params: { id: `rbd_${UNKNOWN_ULID}` } },
  { route: "POST /v1/test/clock", access: "admin", key: "honoured", body: { advance: "PT1S" } },
  { route: "POST /ingress/psp/{connector}", access: "public", params: { connector: "sandbox" } },
];

const given = <T>(value: FromWorld<T>, world: World): T =>
  typeof value === "function" ? (value as (world: World) => T)(world) : value;

/** The path of a route in the world, its parameters filled in. */
const pathOf =
  (spec: Spec, change: Record<string, string> = {}) =>
  (world: World): string => {
    const own: Record<string, FromWorld<string>> = {
      ...(spec.access === "charge" ? { id: world.charge } : { id: world.pod }),
      ...spec.params,
      ...change,
    };
    const [, path = ""] = spec.route.split(" ");
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => given(own[name] ?? "", world));
    return spec.query === undefined ? filled : `${filled}?${spec.query}`;
  };

type Sent = Partial<Pick<Row, "as" | "path" | "method" | "body" | "headers">>;
type Refusal = Pick<Row, "status" | "code"> & Partial<Pick<Row, "pointer">>;

/** Who may use the route if nothing else is wrong. */
const rightful = (spec: Spec): Speaker => {
  if (spec.access === "admin") return "ops";
  return spec.access === "public" ? "nobody" : "alice";
};

const row = (spec: Spec, fault: string, sent: Sent, refusal: Refusal): Row => {
  const [method = ""] = spec.route.split(" ");
  return {
    route: spec.route,
    fault,
    as: rightful(spec),
    path: pathOf(spec),
    method,
    ...(spec.body === undefined ? {} : { body: spec.body }),
    headers:
      spec.key === undefined ? {} : { "idempotency-key": `row ${spec.route} ${fault}`.replaceAll(/[^a-z0-9]+/gi, "-") },
    ...sent,
    ...refusal,
  };
};

const input = (pointer: string): Refusal => ({ status: 400, code: "invalid_request", pointer });
const missing: Refusal = { status: 404, code: "not_found" };
const forbidden: Refusal = { status: 403, code: "forbidden" };

const tokenRows = (spec: Spec): Row[] =>
  spec.access === "public"
    ? []
    : [
        row(spec, "no token", { as: "nobody" }, { status: 401, code: "unauthenticated" }),
        ...TOKEN_FAULTS.map((fault) =>
          row(spec, `token: ${fault}`, { as: fault }, { status: 401, code: "unauthenticated" }),
        ),
        // Whoever is not known learns nothing of what else is wrong.
        ...(spec.body === undefined
          ? []
          : [
              row(spec, "no token and no sense", { as: "nobody", body: "{" }, { status: 401, code: "unauthenticated" }),
            ]),
      ];

const strangerRows = (spec: Spec): Row[] => {
  if (spec.access === "admin") return [row(spec, "not the operator", { as: "alice" }, forbidden)];
  if (spec.access !== "pod" && spec.access !== "charge") return [];
  const ids =
    spec.access === "pod"
      ? [`pod_${UNKNOWN_ULID}`, "pod_1", "x", `chg_${UNKNOWN_ULID}`]
      : [`chg_${UNKNOWN_ULID}00`, `chg_${UNKNOWN_ULID}`, `chg_${UNKNOWN_ULID}ZZ`, "x"];
  return [
    row(spec, "somebody else's", { as: "mallory" }, missing),
    ...ids.map((id) => row(spec, `id ${id}`, { path: pathOf(spec, { id }) }, missing)),
    ...(spec.denied ?? []).map((as) => row(spec, `${as} may not`, { as }, forbidden)),
  ];
};

const bodyRows = (spec: Spec): Row[] => {
  if (spec.body === undefined) return [];
  const type = (contentType: string) => ({ headers: { "content-type": contentType, "idempotency-key": "k" } });
  return [
    row(
      spec,
      "form data",
      { body: "a=b", ...type("application/x-www-form-urlencoded") },
      { status: 415, code: "unsupported_media_type" },
    ),
    row(spec, "text", { body: "{}", ...type("text/plain") }, { status: 415, code: "unsupported_media_type" }),
    row(
      spec,
      "too large a body",
      { body: `{"name":"${"x".repeat(spec.maxBody ?? 256 * 1024)}"}` },
      { status: 413, code: "payload_too_large" },
    ),
    row(spec, "half a body", { body: '{"name":' }, input("")),
    row(spec, "a list", { body: "[]" }, input("")),
    row(spec, "a lone surrogate", { body: '{"name":"\\ud800"}' }, input("/name")),
    row(
      spec,
      "endless depth",
      { body: `{"name":${"[".repeat(1000)}${"]".repeat(1000)}}` },
      { status: 400, code: "invalid_request" },
    ),
    row(
      spec,
      "an unknown field",
      { body: (world: World) => ({ ...(given(spec.body, world) as object), bogus: 1 }) },
      input("/bogus"),
    ),
  ];
};

const keyRows = (spec: Spec): Row[] => {
  if (spec.key === undefined) return [];
  const key = (text: string) => ({ headers: { "idempotency-key": text } });
  return [
    row(spec, "a key of 256 characters", key("k".repeat(256)), input("/headers/idempotency-key")),
    row(spec, "an empty key", key(""), input("/headers/idempotency-key")),
    row(spec, "a key with a space", key("a b"), input("/headers/idempotency-key")),
    row(spec, "half a quoted key", key('"k'), input("/headers/idempotency-key")),
    ...(spec.key === "required"
      ? [row(spec, "no key", { headers: {} }, { status: 400, code: "idempotency_key_missing" })]
      : []),
  ];
};

const pageRows = (spec: Spec): Row[] => {
  if (spec.list !== true) return [];
  const asked = (query: string) => ({ path: (world: World) => `${pathOf(spec)(world)}?${query}` });
  return [
    ...["0", "201", "-1", "x", "1.5"].map((limit) =>
      row(spec, `limit ${limit}`, asked(`limit=${limit}`), input("/query/limit")),
    ),
    ...["***", "-1"].map((after) =>
      row(spec, `cursor ${after}`, asked(`after=${encodeURIComponent(after)}`), input("/query/after")),
    ),
  ];
};

/** A method that no route of this path has. */
const methodRow = (spec: Spec): Row => row(spec, "PUT", { method: "PUT" }, { status: 405, code: "method_not_allowed" });

const GENERIC = SPECS.flatMap((spec) => [
  ...tokenRows(spec),
  ...strangerRows(spec),
  ...bodyRows(spec),
  ...keyRows(spec),
  ...pageRows(spec),
  methodRow(spec),
]);

const on = (route: string): ((fault: string, sent: Sent, refusal: Refusal & Partial<Row>) => Row) => {
  const spec = SPECS.find((candidate) => candidate.route === route);
  if (spec === undefined) throw new Error(`no such route: ${route}`);
  return (fault, sent, refusal) => ({ ...row(spec, fault, sent, refusal), ...refusal });
};

const outOfRange: Refusal = { status: 422, code: "amount_out_of_range" };
const conflict: Refusal = { status: 409, code: "conflict" };

const createPod = on("POST /v1/pods");
const pod = (change: Record<string, unknown>) => ({
  body: { name: "Trip", type: "pool", currencies: ["EUR"], ...change },
});

const POD_ROWS: Row[] = [
  createPod("no name", pod({ name: undefined }), input("/name")),
  createPod("a name that is a number", pod({ name: 1 }), input("/name")),
  createPod("a blank name", pod({ name: " " }), input("/name")),
  createPod("a name that nobody sees", pod({ name: "\u200b\u2060" }), input("/name")),
  createPod("a name that turns what follows round", pod({ name: "Trip\u202e" }), input("/name")),
  createPod("a control character", pod({ name: "a\u0007b" }), input("/name")),
  createPod("a name of 101 characters", pod({ name: "x".repeat(101) }), input("/name")),
  createPod("an unknown type", pod({ type: "bank" }), input("/type")),
  createPod("no currency", pod({ currencies: [] }), input("/currencies")),
  createPod("one currency twice", pod({ currencies: ["EUR", "EUR"] }), input("/currencies")),
  createPod("a currency that is none", pod({ currencies: ["EUR", "ZZZ"] }), input("/currencies/1")),
  createPod("a currency in small letters", pod({ currencies: ["eur"] }), input("/currencies/0")),
  createPod("a metal", pod({ currencies: ["XAU"] }), input("/currencies/0")),
  createPod(
    "seventeen currencies",
    pod({ currencies: "EUR USD GBP JPY CHF SEK NOK DKK PLN CZK HUF RON ISK TRY CAD AUD NZD".split(" ") }),
    input("/currencies"),
  ),
  createPod("a home it does not keep", pod({ home_currency: "USD" }), input("/home_currency")),
  createPod("a zone that is none", pod({ timezone: "Mars/Olympus" }), input("/timezone")),
  createPod("a goal, which is not taken yet", pod({ goal: { target: eur("1.00") } }), input("/goal")),
  createPod("policies, which are not taken yet", pod({ policies: {} }), input("/policies")),
  createPod("made by the operator", { as: "ops" }, forbidden),
  on("PATCH /v1/pods/{id}")("no name", { body: {} }, input("/name")),
  on("PATCH /v1/pods/{id}")("a currency more", { body: { name: "x", currencies: ["USD"] } }, input("/currencies")),
  on("POST /v1/pods/{id}/freeze")("too long a reason", { body: { reason: "x".repeat(501) } }, input("/reason")),
  on("POST /v1/pods/{id}/unfreeze")("not frozen", {}, conflict),
  on("GET /v1/pods/{id}/entries")(
    "a currency that is none",
    { path: (world) => `/v1/pods/${world.pod}/entries?currency=ZZZ` },
    input("/query/currency"),
  ),
];

const openFeed = on("GET /v1/pods/{id}/feed");
const feedPath = (query: string) => ({ path: (world: World) => `/v1/pods/${world.pod}/feed?${query}` });
const noTicket: Refusal = { status: 401, code: "unauthenticated" };

const FEED_ROWS: Row[] = [
  openFeed("no upgrade", {}, { status: 426, code: "upgrade_required" }),
  openFeed("no upgrade, by a viewer", { as: "vera" }, { status: 426, code: "upgrade_required" }),
  openFeed("no upgrade, by the operator", { as: "ops" }, { status: 426, code: "upgrade_required" }),
  ...["-1", "x", "1.5", "", "1e3", "1000000000000000"].map((after) =>
    openFeed(`after ${after}`, feedPath(`after=${after}`), input("/query/after")),
  ),
  ...["", "x", "A".repeat(43), "A".repeat(5_000)].map((ticket) =>
    openFeed(`a ticket of ${ticket.length} characters`, { as: "nobody", ...feedPath(`ticket=${ticket}`) }, noTicket),
  ),
  openFeed(
    "a ticket for an unknown pod",
    { as: "nobody", path: `/v1/pods/pod_${UNKNOWN_ULID}/feed?ticket=${"A".repeat(43)}` },
    noTicket,
  ),
  openFeed("a ticket for no pod", { as: "nobody", path: `/v1/pods/x/feed?ticket=${"A".repeat(43)}` }, noTicket),
];

const invite = on("POST /v1/pods/{id}/invitations");
const changeRole = on("PATCH /v1/pods/{id}/members/{user}");
const remove = on("DELETE /v1/pods/{id}/members/{user}");
const acceptInvitation = on("POST /v1/invitations/{token}/accept");
const memberPath = (user: string) => ({ path: (world: World) => `/v1/pods/${world.pod}/members/${user}` });
const acceptPath = (token: (world: World) => string) => ({
  path: (world: World) => `/v1/invitations/${token(world)}/accept`,
});

const MEMBER_ROWS: Row[] = [
  invite("no role", { body: {} }, input("/role")),
  invite("an unknown role", { body: { role: "king" } }, input("/role")),
  invite("no time to live", { body: { role: "member", expires_in: 0 } }, input("/expires_in")),
  invite("a year to live", { body: { role: "member", expires_in: "P365D" } }, input("/expires_in")),
  invite(
    "a time that is none",
    { body: { role: "member", expires_in: "soon" } },
    { status: 400, code: "invalid_request", pointer: "/expires_in" },
  ),
  changeRole("an unknown role", { ...memberPath("bob"), body: { role: "king" } }, input("/role")),
  changeRole("nobody there", { ...memberPath("zoe"), body: { role: "viewer" } }, missing),
  changeRole("no user id", { ...memberPath("a@b.c"), body: { role: "viewer" } }, missing),
  changeRole("the last owner steps down", { ...memberPath("me"), body: { role: "member" } }, conflict),
  remove("nobody there", memberPath("zoe"), missing),
  remove("a member removes another", { ...memberPath("vera"), as: "bob" }, forbidden),
  remove("the last owner leaves", memberPath("me"), conflict),
  remove("a stranger leaves", { ...memberPath("me"), as: "mallory" }, missing),
  acceptInvitation(
    "a used invitation",
    { ...acceptPath((world) => world.invitation), as: "mallory" },
    { status: 410, code: "invitation_expired" },
  ),
  acceptInvitation(
    "already a member",
    acceptPath((world) => world.freshInvitation),
    conflict,
  ),
  acceptInvitation("the operator joins", { as: "ops" }, forbidden),
  acceptInvitation(
    "an unknown token",
    acceptPath((world) => `${world.pod}~${"A".repeat(32)}`),
    missing,
  ),
  acceptInvitation(
    "a token of an unknown pod",
    acceptPath(() => `pod_${UNKNOWN_ULID}~${"A".repeat(32)}`),
    missing,
  ),
  acceptInvitation(
    "no token at all",
    acceptPath(() => "x"),
    missing,
  ),
];

const createCharge = on("POST /v1/pods/{id}/charges");
const charge = (change: Record<string, unknown>) => ({ body: { amount: eur("10.00"), source: instrument, ...change } });
const amount = (text: unknown, currency = "EUR") => charge({ amount: { amount: text, currency } });

const CHARGE_ROWS: Row[] = [
  ...[10, "1.234", "-1.00", "+1.00", "1e2", " 1.00", "01.00", "1,00", "", "1.", ".5", "12345678901234567890", "١"].map(
    (text) => createCharge(`the amount ${JSON.stringify(text)}`, amount(text), input("/amount/amount")),
  ),
  createCharge("decimals of a yen", amount("1.0", "JPY"), input("/amount/amount")),
  createCharge("zero", amount("0.00"), outOfRange),
  createCharge("a cent above the largest amount", amount("92233720368547758.08"), outOfRange),
  createCharge("nineteen digits", amount("9999999999999999999"), outOfRange),
  createCharge("an unknown currency", amount("1.00", "ZZZ"), input("/amount/currency")),
  createCharge("a currency the pod does not keep", amount("1.00", "USD"), { status: 422, code: "currency_mismatch" }),
  createCharge("money with a field more", charge({ amount: { ...eur("1.00"), minor: 1 } }), input("/amount/minor")),
  createCharge("no amount", charge({ amount: undefined }), input("/amount")),
  createCharge("no source", charge({ source: undefined }), input("/source")),
  createCharge("an unknown source", charge({ source: { type: "cash" } }), input("/source/type")),
  createCharge(
    "a wallet with a token",
    charge({ source: { type: "wallet", token: "tok_ok" } }),
    input("/source/token"),
  ),
  createCharge("an instrument without a token", charge({ source: { type: "instrument" } }), input("/source/token")),
  createCharge(
    "an instrument nobody issued",
    charge({ source: { type: "instrument", token: "tok_nobody" } }),
    input("/source/token"),
  ),
  createCharge("a settle currency the pod does not keep", charge({ settle_currency: "GBP" }), {
    status: 422,
    code: "currency_mismatch",
    pointer: "/settle_currency",
  }),
  createCharge("a settle currency that is none", charge({ settle_currency: "ZZZ" }), input("/settle_currency")),
  createCharge("a quote nobody gave", charge({ quote: `fxq_${UNKNOWN_ULID}00` }), missing),
  createCharge("another payer", charge({ payer: "bob" }), forbidden),
  createCharge("a payer that is none", charge({ payer: "bob@example.com" }), input("/payer")),
  createCharge("the operator pays", { as: "ops", ...charge({ payer: "ops" }) }, forbidden),
  createCharge(
    "the operator empties a wallet",
    { as: "ops", ...charge({ payer: "bob", source: { type: "wallet" } }) },
    input("/source/type"),
  ),
  createCharge("too long a description", charge({ description: "x".repeat(501) }), input("/description")),
  createCharge("a description with a control character", charge({ description: "a\u0000" }), input("/description")),
  createCharge(
    "the key of another command",
    { ...amount("11.00"), headers: (world) => ({ "idempotency-key": world.key }) },
    { status: 422, code: "idempotency_mismatch" },
  ),
  createCharge(
    "an empty wallet",
    { as: "bob", ...charge({ source: { type: "wallet" } }) },
    { status: 422, code: "insufficient_funds", admitted: true },
  ),
  createCharge(
    "somebody else's key is one's own",
    { as: "bob", ...charge({ source: { type: "wallet" } }), headers: (world) => ({ "idempotency-key": world.key }) },
    { status: 422, code: "insufficient_funds", admitted: true },
  ),
  createCharge("far too much", amount("60000.00"), { status: 422, code: "risk_declined", admitted: true }),
  on("POST /v1/charges/{id}/cancel")("it has succeeded", {}, conflict),
  on("POST /v1/charges/{id}/review")(
    "it waits for nobody",
    { path: (world) => `/v1/charges/${world.charge}/review` },
    conflict,
  ),
  on("POST /v1/charges/{id}/review")(
    "an unknown charge",
    { path: `/v1/charges/chg_${UNKNOWN_ULID}00/review` },
    missing,
  ),
  on("POST /v1/charges/{id}/review")("no note", { body: { decision: "approve" } }, input("/note")),
  on("POST /v1/charges/{id}/review")(
    "an unknown decision",
    { body: { decision: "perhaps", note: "x" } },
    input("/decision"),
  ),
];

const createQuote = on("POST /v1/fx/quotes");
const quote = (change: Record<string, unknown>) => ({
  body: { sell: eur("10.00"), buy: { currency: "USD" }, ...change },
});
const sold = (text: unknown, currency = "EUR") => quote({ sell: { amount: text, currency } });
const mismatch: Refusal = { status: 422, code: "currency_mismatch", pointer: "/buy/currency" };

const FX_ROWS: Row[] = [
  ...[10, "1.234", "-1.00", "1e2", "01.00", "", "12345678901234567890"].map((text) =>
    createQuote(`the amount ${JSON.stringify(text)}`, sold(text), input("/sell/amount")),
  ),
  createQuote("decimals of a yen", sold("1.0", "JPY"), input("/sell/amount")),
  createQuote("no amount", quote({ sell: { currency: "EUR" } }), input("/sell/amount")),
  createQuote("both amounts", quote({ buy: { currency: "USD", amount: "1.00" } }), input("/buy/amount")),
  createQuote("nothing to buy", quote({ buy: undefined }), input("/buy")),
  createQuote("an unknown currency", quote({ buy: { currency: "ZZZ" } }), input("/buy/currency")),
  createQuote("a metal", quote({ sell: { currency: "XAU", amount: "1" } }), input("/sell/currency")),
  createQuote("a field more", quote({ buy: { currency: "USD", rate: "1.1" } }), input("/buy/rate")),
  createQuote("zero", sold("0.00"), { ...outOfRange, pointer: "/sell/amount" }),
  createQuote("a cent above the largest amount", sold("92233720368547758.08"), outOfRange),
  createQuote("zero to buy", quote({ sell: { currency: "EUR" }, buy: { currency: "USD", amount: "0" } }), {
    ...outOfRange,
    pointer: "/buy/amount",
  }),
  createQuote("one currency for itself", quote({ buy: { currency: "EUR" } }), mismatch),
  createQuote("a currency the pod does not keep", { body: ({ pod }: World) => ({ ...quote({}).body, pod }) }, mismatch),
  createQuote(
    "for somebody else's pod",
    { as: "mallory", body: ({ pod }: World) => ({ ...quote({}).body, pod }) },
    missing,
  ),
  createQuote("for an unknown pod", quote({ pod: `pod_${UNKNOWN_ULID}` }), missing),
  createQuote("for no pod at all", quote({ pod: "x" }), missing),
  createQuote("a pod that is a number", quote({ pod: 1 }), input("/pod")),
  on("GET /v1/fx/rates")("a base that is none", { path: "/v1/fx/rates?base=ZZZ" }, input("/query/base")),
];

const transfer = on("POST /v1/ledger/transfers");
const batch = on("POST /v1/ledger/batches");
const closing = on("POST /v1/ledger/periods/close");
const past = on("GET /v1/ledger/accounts/{id}/balance");
const statement = on("GET /v1/ledger/accounts/{id}/statement");
const feeStripe = (what: string) => `/v1/ledger/accounts/fee%3AEUR%230/${what}`;
const range = (query: string) => ({ path: `${feeStripe("statement")}?${query}` });
/** Under an id of its own each: an id is bound to the reversal it once named. */
const reversing = (reverses: string) => ({ body: () => ({ id: freshTransfer(), reverses }) });
const ledger = (change: Record<string, unknown>) => ({ body: transferBody(change) });
const pair = (debit: string, credit: string, sum: unknown = "1.00", currency = "EUR") => [
  { account: debit, direction: "debit", amount: { amount: sum, currency } },
  { account: credit, direction: "credit", amount: { amount: sum, currency } },
];
const unknownPod = `pod:pod_${UNKNOWN_ULID}:EUR`;

const LEDGER_ROWS: Row[] = [
  transfer("no id", ledger({ id: undefined }), input("/id")),
  transfer("an id of another kind", ledger({ id: `chg_${UNKNOWN_ULID}` }), input("/id")),
  transfer("an id from years ago", ledger({ id: `trf_${UNKNOWN_ULID}` }), { status: 422, code: "transfer_id_expired" }),
  transfer(
    "an id from last month",
    { body: (world: World) => ({ id: world.oldTransfer, legs: legs() }) },
    { status: 422, code: "transfer_id_expired" },
  ),
  transfer("one leg", ledger({ legs: legs().slice(0, 1) }), input("/legs")),
  transfer("101 legs", ledger({ legs: Array.from({ length: 101 }, () => legs()[0]) }), input("/legs")),
  transfer(
    "a direction that is none",
    ledger({ legs: [{ ...legs()[0], direction: "up" }, legs()[1]] }),
    input("/legs/0/direction"),
  ),
  transfer("a sum that does not come out", ledger({ legs: [legs("1.00")[0], legs("1.01")[1]] }), {
    status: 422,
    code: "unbalanced_transfer",
  }),
  transfer("zero", ledger({ legs: legs("0.00") }), outOfRange),
  transfer("2^63", ledger({ legs: legs("92233720368547758.08") }), outOfRange),
  transfer("three decimals", ledger({ legs: legs("1.001") }), {
    status: 400,
    code: "invalid_request",
    pointer: "/legs/0/amount/amount",
  }),
  transfer("an account on both sides", ledger({ legs: pair("fee:EUR", "fee:EUR") }), {
    status: 400,
    code: "invalid_request",
    pointer: "/legs/1/account",
  }),
  transfer(
    "metadata under a name that no object keeps",
    ledger({ metadata: JSON.parse('{"__proto__":"x"}') }),
    input("/metadata/__proto__"),
  ),
  transfer("an account of another currency", ledger({ legs: pair("suspense:USD", "fee:EUR") }), {
    status: 422,
    code: "currency_mismatch",
  }),
  transfer("a name that is no account", ledger({ legs: pair("suspense:EUR", "cash") }), missing),
  transfer("a stripe by name", ledger({ legs: pair("suspense:EUR#1", "fee:EUR") }), missing),
  transfer("an unknown connector", ledger({ legs: pair("psp:nobody:EUR", "fee:EUR") }), missing),
  transfer("an unknown liquidity provider", ledger({ legs: pair("lp:sandbox:EUR", "suspense:EUR") }), missing),
  transfer("an unknown pod", ledger({ legs: pair("suspense:EUR", unknownPod) }), missing),
  transfer(
    "a currency the pod does not keep",
    {
      body: (world: World) =>
        transferBody({ legs: pair("suspense:USD", `pod:${world.pod}:USD`, "1.00", "USD") })(world),
    },
    missing,
  ),
  transfer(
    "a debit of a pod without a reason",
    { body: (world: World) => transferBody({ legs: pair(`pod:${world.pod}:EUR`, "suspense:EUR") })(world) },
    input("/metadata/reason"),
  ),
  transfer(
    "a debit of a wallet without a reason",
    ledger({ legs: pair("wallet:bob:EUR", "suspense:EUR") }),
    input("/metadata/reason"),
  ),
  transfer("metadata that is no text", ledger({ metadata: { reason: 1 } }), input("/metadata/reason")),
  transfer("legs beside what it reverses", ledger({ reverses: `trf_${UNKNOWN_ULID}` }), input("/legs")),
  transfer("neither legs nor what it reverses", ledger({ legs: undefined }), input("/legs")),
  transfer("its own reversal", { body: ({ transfer: id }: World) => ({ id, reverses: id }) }, input("/reverses")),
  transfer("a claim that is no time", ledger({ effective_at: "2026-01-01" }), input("/effective_at")),
  transfer("a claim far ahead", ledger({ effective_at: "2999-01-01T00:00:00Z" }), input("/effective_at")),
  transfer("the reversal of an unknown transfer", reversing(`trf_${UNKNOWN_ULID}`), missing),
  transfer("the reversal of a charge's transfer", reversing(`trf_${UNKNOWN_ULID}03`), conflict),
  on("GET /v1/ledger/transfers/{id}")("an unknown transfer", {}, missing),
  on("GET /v1/ledger/transfers/{id}")("no id", { path: "/v1/ledger/transfers/x" }, missing),
  batch("no transfers", { body: { transfers: [] } }, input("/transfers")),
  batch("1,001 transfers", { body: { transfers: Array(1_001).fill({}) } }, input("/transfers")),
  batch("transfers that are no list", { body: { transfers: {} } }, input("/transfers")),
  closing("no time", { body: {} }, input("/until")),
  closing("a day", { body: { until: "2020-01-01" } }, input("/until")),
  closing("a time ahead", { body: { until: "2999-01-01T00:00:00Z" } }, input("/until")),
  past("neither seq nor time", { path: feeStripe("balance") }, input("/query/at")),
  past("both", { path: `${feeStripe("balance")}?seq=1&at=2026-01-01T00:00:00Z` }, input("/query/at")),
  past("a seq of a striped account", { path: "/v1/ledger/accounts/fee%3AEUR/balance?seq=1" }, input("/query/seq")),
  past("a seq past the log's end", { path: `${feeStripe("balance")}?seq=999999` }, input("/query/seq")),
  past("a seq that is none", { path: `${feeStripe("balance")}?seq=-1` }, input("/query/seq")),
  past("no account", { path: "/v1/ledger/accounts/cash/balance?seq=1" }, missing),
  statement("a striped account", { path: "/v1/ledger/accounts/fee%3AEUR/statement" }, input("/path/id")),
  statement("a seq past the log's end", range("from_seq=1&to_seq=999999"), input("/query/to_seq")),
  statement("a range that ends before it begins", range("from_seq=3&to_seq=1"), input("/query/to_seq")),
  statement("half a range", range("to_seq=1"), input("/query/from_seq")),
  statement("seqs beside times", range("from=2026-01-01&from_seq=1"), input("/query/from_seq")),
  statement("times the wrong way round", range("from=2026-02-01&to=2026-01-01"), input("/query/to")),
  statement("a time that is none", range("from=yesterday"), input("/query/from")),
  statement("no account", { path: "/v1/ledger/accounts/cash/statement" }, missing),
  on("GET /v1/ledger/accounts/{id}/export")("no account", { path: "/v1/ledger/accounts/cash/export" }, missing),
  on("GET /v1/ledger/accounts/{id}/export")(
    "a striped account",
    { path: "/v1/ledger/accounts/fee%3AEUR/export" },
    input("/path/id"),
  ),
  on("GET /v1/pods/{id}/statement")(
    "a currency it does not keep",
    { path: (world) => `/v1/pods/${world.pod}/statement?currency=USD` },
    { status: 422, code: "currency_mismatch" },
  ),
  on("GET /v1/pods/{id}/statement")(
    "a currency that is none",
    { path: (world) => `/v1/pods/${world.pod}/statement?currency=ZZZ` },
    input("/query/currency"),
  ),
  on("GET /v1/ledger/accounts/{id}")("a name that is no account", { path: "/v1/ledger/accounts/cash" }, missing),
  on("GET /v1/ledger/accounts/{id}")(
    "an account no money has met",
    { path: "/v1/ledger/accounts/wallet%3Anobody%3AEUR" },
    missing,
  ),
  on("GET /v1/ledger/accounts/{id}")("a stripe too many", { path: "/v1/ledger/accounts/fee%3AEUR%2399" }, missing),
  on("GET /v1/ledger/accounts/{id}/entries")(
    "a name that is no account",
    { path: "/v1/ledger/accounts/cash/entries" },
    missing,
  ),
  on("GET /v1/ledger/accounts/{id}/entries")(
    "a wallet no money has met",
    { path: "/v1/ledger/accounts/wallet:nobody:EUR/entries" },
    missing,
  ),
  on("GET /v1/ledger/trial-balance")(
    "an unknown wait",
    { path: "/v1/ledger/trial-balance?wait=stale" },
    input("/query/wait"),
  ),
  on("GET /v1/ledger/verify/{id}")("an unknown verification", {}, missing),
  on("GET /v1/ledger/verify/{id}")("no id", { path: "/v1/ledger/verify/x" }, missing),
];

const at = (verb: string, id: string) => ({ path: `/v1/ledger/accounts/${encodeURIComponent(id)}${verb}` });
const podAccount = (verb: string) => ({
  path: (world: World) => `/v1/ledger/accounts/${encodeURIComponent(`pod:${world.pod}:EUR`)}${verb}`,
});

const governed = (["freeze", "unfreeze", "close"] as const).flatMap((verb) => {
  const route = on(`POST /v1/ledger/accounts/{id}/${verb}`);
  return [
    route("no reason", { body: {} }, input("/reason")),
    route("a reason of 501 characters", { body: { reason: "x".repeat(501) } }, input("/reason")),
    route("an account of the house", {}, conflict),
    route("a stripe of the house", at(`/${verb}`, "fee:EUR#1"), conflict),
    route("a name that is no account", at(`/${verb}`, "cash"), missing),
    route("an unknown connector", at(`/${verb}`, "psp:nobody:EUR"), missing),
    route("an unknown pod", at(`/${verb}`, unknownPod), missing),
    route("a wallet no money has met", at(`/${verb}`, "wallet:nobody:EUR"), missing),
  ];
});

const limits = on("PATCH /v1/ledger/accounts/{id}");
const explained = on("GET /v1/ledger/accounts/{id}/explain");
const watch = on("POST /v1/ledger/monitors");
const monitor = (change: Record<string, unknown>) => ({
  body: { account: "fee:EUR#0", above: eur("1.00"), ...change },
});

const ACCOUNT_ROWS: Row[] = [
  ...governed,
  on("POST /v1/ledger/accounts/{id}/unfreeze")("not frozen", podAccount("/unfreeze"), conflict),
  limits("neither floor nor cap", { body: {} }, input("")),
  limits("a number", { body: { floor: 1 } }, input("/floor")),
  limits("an exponent", { body: { cap: "1e3" } }, input("/cap")),
  limits("a plus sign", { body: { floor: "+1.00" } }, input("/floor")),
  limits("a cent of a cent", { body: { floor: "-1.001" } }, input("/floor")),
  limits("twenty digits", { body: { cap: "1".repeat(20) } }, input("/cap")),
  limits("a cap of 2^63", { ...podAccount(""), body: { cap: "92233720368547758.08" } }, outOfRange),
  limits("a floor of -2^63", { ...podAccount(""), body: { floor: "-92233720368547758.08" } }, outOfRange),
  limits("a floor above the balance", { ...podAccount(""), body: { floor: "1000000.00" } }, conflict),
  limits("a cap below the balance", { ...podAccount(""), body: { cap: "0.01" } }, conflict),
  limits("an account of the house", {}, conflict),
  limits("a wallet no money has met", at("", "wallet:nobody:EUR"), missing),
  limits("a name that is no account", at("", "cash"), missing),
  explained("an account kept in stripes", {}, missing),
  explained("a name that is no account", at("/explain", "cash"), missing),
  explained("a wallet no money has met", at("/explain", "wallet:nobody:EUR"), missing),
  watch("no account", monitor({ account: undefined }), input("/account")),
  watch("neither above nor below", monitor({ above: undefined }), input("")),
  watch("above and below", monitor({ below: eur("2.00") }), input("")),
  watch("a threshold that is a number", monitor({ above: eur(1) }), input("/above/amount")),
  watch("a threshold of zero", monitor({ above: eur("0.00") }), outOfRange),
  watch("a threshold of 2^63", monitor({ above: eur("92233720368547758.08") }), outOfRange),
  watch("another currency", monitor({ above: { amount: "1.00", currency: "USD" } }), {
    status: 422,
    code: "currency_mismatch",
  }),
  watch("an account kept in stripes", monitor({ account: "fee:EUR" }), input("/account")),
  watch("a name that is no account", monitor({ account: "cash" }), missing),
  watch("an unknown connector", monitor({ account: "psp:nobody:EUR#1" }), missing),
  watch("a wallet no money has met", monitor({ account: "wallet:nobody:EUR" }), missing),
  on("GET /v1/ledger/monitors")("no account", { path: "/v1/ledger/monitors" }, input("/query/account")),
  on("GET /v1/ledger/monitors")(
    "a limit of zero",
    { path: "/v1/ledger/monitors?account=suspense%3AEUR%230&limit=0" },
    input("/query/limit"),
  ),
  on("GET /v1/wallets")("a limit of zero", { path: "/v1/wallets?limit=0" }, input("/query/limit")),
  on("GET /v1/fx/providers")("a limit of 201", { path: "/v1/fx/providers?limit=201" }, input("/query/limit")),
  on("GET /v1/ledger/monitors")("a name that is no account", { path: "/v1/ledger/monitors?account=cash" }, missing),
  ...(["GET", "DELETE"] as const).flatMap((method) => {
    const route = on(`${method} /v1/ledger/monitors/{id}`);
    return [
      route("no id", {}, missing),
      route(
        "an account in no monitor's id",
        { path: `/v1/ledger/monitors/mon_${UNKNOWN_ULID}.${Buffer.from("cash").toString("base64url")}` },
        missing,
      ),
      route(
        "an unknown monitor",
        { path: `/v1/ledger/monitors/mon_${UNKNOWN_ULID}.${Buffer.from("fee:EUR#0").toString("base64url")}` },
        missing,
      ),
    ];
  }),
];

const receive = on("POST /ingress/psp/{connector}");
const signed = (body: unknown) => ({ body, signed: true });

const OTHER_ROWS: Row[] = [
  on("GET /v1/sagas")("an unknown status", { path: "/v1/sagas?status=late" }, input("/query/status")),
  on("GET /v1/sagas")("an age that is none", { path: "/v1/sagas?older_than=long" }, input("/query/older_than")),
  on("GET /v1/sagas/{id}")("an unknown saga", { path: `/v1/sagas/sag_${UNKNOWN_ULID}00` }, missing),
  on("GET /v1/sagas/{id}")("no id", { path: "/v1/sagas/x" }, missing),
  ...["retry", "compensate", "resolve"].flatMap((action) => {
    const refuses = on(`POST /v1/sagas/{id}/${action}`);
    return [
      refuses("a saga that has ended", {}, { status: 409, code: "conflict" }),
      refuses("an unknown saga", { path: `/v1/sagas/sag_${UNKNOWN_ULID}00/${action}` }, missing),
      refuses("no id", { path: `/v1/sagas/x/${action}` }, missing),
    ];
  }),
  on("POST /v1/sagas/{id}/retry")("a note of nothing", { body: { note: " " } }, input("/note")),
  on("POST /v1/sagas/{id}/compensate")("a note too long", { body: { note: "n".repeat(1_001) } }, input("/note")),
  on("POST /v1/sagas/{id}/resolve")(
    "a success without a reference",
    { body: { step: "capture", verdict: "succeeded", note: "seen" } },
    input("/provider_ref"),
  ),
  on("POST /v1/sagas/{id}/resolve")(
    "a verdict that is none",
    { body: { step: "capture", verdict: "maybe", note: "seen" } },
    input("/verdict"),
  ),
  on("POST /v1/sagas/{id}/resolve")("no note", { body: { step: "capture", verdict: "declined" } }, input("/note")),
  on("POST /v1/dead-letters/redrive")(
    "ids and a limit",
    { body: { ids: ["a"], limit: 1 } },
    { status: 400, code: "invalid_request" },
  ),
  on("POST /v1/dead-letters/redrive")("too many", { body: { limit: 101 } }, input("/limit")),
  on("GET /v1/read-model/rebuild/{id}")("an unknown rebuild", {}, missing),
  on("GET /v1/read-model/rebuild/{id}")("no id", { path: "/v1/read-model/rebuild/x" }, missing),
  on("POST /v1/test/clock")("back in time", { body: { advance: "-P1D" } }, input("/advance")),
  receive("an unknown connector", { path: "/ingress/psp/nobody", body: "{}" }, missing),
  receive("no signature", { body: "{}" }, { status: 401, code: "unauthenticated" }),
  receive(
    "a body of 64 KiB and a byte",
    { body: "x".repeat(64 * 1024 + 1) },
    { status: 413, code: "payload_too_large" },
  ),
  receive("signed, and no event", signed("[]"), { status: 400, code: "invalid_request", signed: true }),
  receive("signed, and half an event", signed('{"type":"payment.captured"}'), {
    status: 400,
    code: "invalid_request",
    signed: true,
  }),
];

export const ROWS: readonly Row[] = [
  ...GENERIC,
  ...POD_ROWS,
  ...FEED_ROWS,
  ...MEMBER_ROWS,
  ...CHARGE_ROWS,
  ...FX_ROWS,
  ...LEDGER_ROWS,
  ...ACCOUNT_ROWS,
  ...OTHER_ROWS,
];

/** What a row sends, in a world. */
export const requestOf = (row: Row, world: World) => ({
  path: given(row.path, world),
  body: row.body === undefined ? undefined : given(row.body, world),
  headers: given(row.headers ?? {}, world),
});
