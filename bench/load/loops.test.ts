import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { closedLoop, type Operation } from "./loops.ts";
import { isAccepted, refusal } from "./wire.ts";

let server: Server;
afterEach(() => server?.close());

/** Answers each request with the next of these, the last of them for ever, and keeps what it was asked. */
const answering = async (...answers: [status: number, body: string][]) => {
  const asked: string[] = [];
  server = createServer((request, response) => {
    asked.push(String(request.url));
    const [status, body] = answers[Math.min(asked.length, answers.length) - 1] ?? [500, ""];
    response.writeHead(status, { "content-length": body.length }).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const paying: Operation = {
  request: (index) => ({ method: "POST", path: `/${index}`, token: "t" }),
  fault: (reply) => (reply.status === 201 ? null : refusal(reply)),
  pending: isAccepted,
};

test("a payment that is under way is asked for again until it is done, and counts once", async () => {
  const { asked, url } = await answering([202, ""], [202, ""], [201, ""]);
  const load = await closedLoop(url, paying, 1, 0.2);
  expect(asked).toEqual(["/0", "/0", "/0"]);
  expect(load).toMatchObject({ failed: 0, lost: 0, faults: [], latency: { count: 1 } });
});

test("what is refused is told by kind, the most frequent first, with the first of each", async () => {
  const body = (detail: string) => `{"code":"overloaded","detail":"${detail}"}`;
  const { url } = await answering([503, body("first")], [503, body("second")], [500, ""], [503, body("later")]);
  const load = await closedLoop(url, paying, 3, 0.2);
  const [often, once] = load.faults;
  expect(often).toMatch(/^\d+ × 503 overloaded: \{"code":"overloaded","detail":"(first|second)"\}$/);
  expect(once).toBe("1 × 500: ");
  expect(load).toMatchObject({ lost: 0, latency: { count: 0 } });
});
