import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Histogram } from "./histogram.ts";
import { parseReply, requestText } from "./wire.ts";

describe("the histogram", () => {
  test("names any share of the latencies within a thousandth, however they lie", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1_500_000_000 }), { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (micros, share) => {
          const histogram = new Histogram();
          for (const value of micros) histogram.record(value / 1_000);
          const sorted = [...micros].sort((left, right) => left - right);
          const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
          const told = histogram.at(share) * 1_000;
          expect(told).toBeGreaterThanOrEqual(exact - 1e-6);
          expect(told).toBeLessThanOrEqual(exact * 1.001 + 1e-6);
        },
      ),
    );
  });

  test("keeps the largest as it was", () => {
    const histogram = new Histogram();
    for (const ms of [1, 2, 12_345.678]) histogram.record(ms);
    expect(histogram.summary()).toMatchObject({ count: 3, max: 12_345.678, p50: 2 });
  });
});

describe("the wire", () => {
  const whole = 'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n{""}HTTP/1.1';
  const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

  test("finds the end of an answer, and leaves what follows", () => {
    expect(parseReply(whole)).toEqual({ reply: { status: 201, body: '{""}' }, length: whole.length - 8 });
    expect(parseReply(chunked)).toEqual({ reply: { status: 200, body: "abcde" }, length: chunked.length });
  });

  test("waits for the rest wherever an answer is cut", () => {
    for (let cut = 0; cut < whole.length - 8; cut++) expect(parseReply(whole.slice(0, cut))).toBeNull();
    for (let cut = 0; cut < chunked.length; cut++) expect(parseReply(chunked.slice(0, cut))).toBeNull();
  });

  test("says how long a body is", () => {
    const text = requestText("h:1", { method: "POST", path: "/p", token: "t", key: "k", body: { a: 1 } });
    expect(text).toMatch(
      /^POST \/p HTTP\/1\.1\r\nhost: h:1\r\n[\s\S]*idempotency-key: k[\s\S]*content-length: 7\r\n\r\n\{"a":1\}$/,
    );
  });
});
