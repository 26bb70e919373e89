import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createChargeBody, createPodBody, emptyBody, invitationBody, text } from "../../schema/commands.ts";
import { createTransferBody } from "../../schema/ledger-commands.ts";
import { MAX_BODY, parseJsonObject, readBody, readBytes, readQuery } from "./body.ts";

const request = (body: BodyInit | null, type: string | null = "application/json"): Request =>
  new Request("http://edge.test/", {
    method: "POST",
    body,
    headers: type === null ? {} : { "content-type": type },
  });

const pointers = async <T extends z.ZodType>(body: unknown, schema: T): Promise<string[]> => {
  const result = await readBody(request(typeof body === "string" ? body : JSON.stringify(body)), schema);
  if (result.ok) throw new Error("it was taken");
  return (result.rejection.errors ?? []).map(({ pointer }) => pointer);
};

const code = async (sent: Request): Promise<string> => {
  const result = await readBody(sent, emptyBody);
  return result.ok ? "ok" : result.rejection.code;
};

describe("bodies", () => {
  it("takes JSON in UTF-8 and nothing else", async () => {
    expect(await code(request("{}"))).toBe("ok");
    expect(await code(request("{}", "application/json; charset=UTF-8"))).toBe("ok");
    expect(await code(request("{}", "application/json; charset=latin1"))).toBe("unsupported_media_type");
    expect(await code(request("{}", "text/plain"))).toBe("unsupported_media_type");
    expect(await code(request("a=b", "application/x-www-form-urlencoded"))).toBe("unsupported_media_type");
    expect(await code(request(new Uint8Array([0x7b, 0x7d]), null))).toBe("unsupported_media_type");
  });

  it("takes no body at all for an empty object", async () => {
    expect(await code(request(null, null))).toBe("ok");
    expect(await code(request(null))).toBe("ok");
  });

  it.each(["{", "[]", "1", "null", '"x"', "\ufeff{}"])("refuses %j as a body", async (body) => {
    expect(await code(request(body))).toBe("invalid_request");
  });

  it("refuses bytes that are not UTF-8, lone surrogates and depth without end", () => {
    expect(parseJsonObject(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])).ok).toBe(false);
    const bytes = (json: string) => new TextEncoder().encode(json);
    expect(parseJsonObject(bytes('{"name":"\\ud800"}'))).toMatchObject({
      rejection: { errors: [{ pointer: "/name" }] },
    });
    expect(parseJsonObject(bytes('{"\\ud800":1}')).ok).toBe(false);
    expect(parseJsonObject(bytes(`{"a":${"[".repeat(40)}${"]".repeat(40)}}`)).ok).toBe(false);
    expect(parseJsonObject(bytes(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)).ok).toBe(false);
  });

  it("counts what is read, whatever length was announced", async () => {
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const endless = new Request("http://edge.test/", { method: "POST", body: stream, duplex: "half" } as RequestInit);
    const result = await readBytes(endless, MAX_BODY);
    expect(result).toMatchObject({ ok: false, rejection: { code: "payload_too_large" } });
    expect((await readBytes(request("x".repeat(MAX_BODY)), MAX_BODY)).ok).toBe(true);
    expect((await readBytes(request("x".repeat(MAX_BODY + 1)), MAX_BODY)).ok).toBe(false);
  });

  it("points at every fault of a command", async () => {
    const charge = {
      amount: { amount: "1.234", currency: "EUR" },
      source: { type: "instrument", token: "t" },
      extra: 1,
    };
    expect((await pointers(charge, createChargeBody)).sort()).toEqual(["/amount/amount", "/extra"]);
    expect(
      await pointers({ ...charge, extra: undefined, amount: { amount: 12, currency: "EUR" } }, createChargeBody),
    ).toEqual(["/amount/amount"]);
    expect(
      await pointers({ amount: { amount: "1", currency: "EUR" }, source: { type: "gold" } }, createChargeBody),
    ).toEqual(["/source/type"]);
    const wallet = { amount: { amount: "1", currency: "EUR" }, source: { type: "wallet", token: "tok_ok" } };
    expect(await pointers(wallet, createChargeBody)).toEqual(["/source/token"]);
  });

  it("escapes pointers", async () => {
    expect(await pointers({ "a/b~c": 1 }, emptyBody)).toEqual(["/a~1b~0c"]);
  });

  it("reads query parameters, of a repeated one the first", () => {
    const schema = z.object({ limit: z.string().regex(/^\d+$/) });
    expect(readQuery(new URL("http://edge.test/?limit=1&limit=x&other=2"), schema)).toEqual({
      ok: true,
      value: { limit: "1" },
    });
    expect(readQuery(new URL("http://edge.test/?limit=x"), schema)).toMatchObject({
      rejection: { errors: [{ pointer: "/query/limit" }] },
    });
  });
});

describe("commands", () => {
  const pod = { name: "Trip", type: "pool", currencies: ["EUR", "JPY"] };

  it("fills in defaults, so that two spellings are one command", () => {
    expect(createPodBody.parse(pod)).toEqual(createPodBody.parse({ ...pod, home_currency: "EUR", timezone: "UTC" }));
    const spelled = (amount: string) =>
      createChargeBody.parse({ amount: { amount, currency: "EUR" }, source: { type: "wallet" } });
    expect(spelled("12")).toEqual(spelled("12.00"));
    expect(invitationBody.parse({ role: "member", expires_in: "P1D" })).toEqual(
      invitationBody.parse({ role: "member", expires_in: 86_400 }),
    );
  });

  it.each([
    [{ currencies: ["EUR", "EUR"] }, "/currencies"],
    [{ currencies: [] }, "/currencies"],
    [{ currencies: ["XXX"] }, "/currencies/0"],
    [{ home_currency: "GBP" }, "/home_currency"],
    [{ timezone: "Mars/Olympus" }, "/timezone"],
    [{ timezone: "+02:00" }, "/timezone"],
    [{ name: "" }, "/name"],
    [{ name: "   " }, "/name"],
    [{ name: "a\u0000b" }, "/name"],
    [{ name: "x".repeat(101) }, "/name"],
    [{ type: "bank" }, "/type"],
    [{ goal: { target: { amount: "1", currency: "EUR" } } }, "/goal"],
    [{ policies: {} }, "/policies"],
  ])("refuses a pod with %j at %s", async (change, pointer) => {
    expect(new Set(await pointers({ ...pod, ...change }, createPodBody))).toEqual(new Set([pointer]));
  });

  it.each(["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"])("knows the zone %s", (timezone) => {
    expect(createPodBody.parse({ ...pod, timezone }).timezone).toBe(timezone);
  });

  it("takes any script in a text, and emoji", () => {
    expect(text(20).safeParse("Поездка 🏖️ 旅").success).toBe(true);
  });

  it("takes 2 to 100 legs under a transfer id", async () => {
    const id = "trf_01J00000000000000000000000";
    const leg = { account: "fee:EUR", direction: "debit", amount: { amount: "1", currency: "EUR" } };
    expect(await pointers({ id, legs: [leg] }, createTransferBody)).toEqual(["/legs"]);
    expect(await pointers({ id, legs: Array(101).fill(leg) }, createTransferBody)).toEqual(["/legs"]);
    expect(await pointers({ id: "trf_1", legs: [leg, leg] }, createTransferBody)).toEqual(["/id"]);
    expect(await pointers({ id }, createTransferBody)).toEqual(["/legs"]);
    expect(await pointers({ id, reverses: id }, createTransferBody)).toEqual(["/reverses"]);
    const beside = { legs: [leg, leg], metadata: {}, effective_at: "2026-01-01T00:00:00Z" };
    expect(await pointers({ id, reverses: "trf_01J00000000000000000000001", ...beside }, createTransferBody)).toEqual([
      "/legs",
      "/effective_at",
      "/metadata",
    ]);
    expect(await pointers({ id, legs: [leg, leg], effective_at: "2026-01-01" }, createTransferBody)).toEqual([
      "/effective_at",
    ]);
  });
});
