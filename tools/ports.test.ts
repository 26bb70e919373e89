import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { awaitPort, freePort, HOST } from "./ports.ts";

const listening: Server[] = [];

async function listenOn(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: HOST, port, exclusive: true }, resolve);
  });
  listening.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(listening.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

describe("a free port", () => {
  test("can be listened on", async () => {
    await expect(listenOn(await freePort())).resolves.toBeDefined();
  });

  test("is never one the system gives to a connection, which could be on it while a server is started again", async () => {
    const drawn = await Promise.all(Array.from({ length: 50 }, freePort));
    expect(drawn.filter((port) => port < 20_000 || port >= 32_768)).toEqual([]);
  });

  test("is what asking for port 0 gets", async () => {
    const port = await awaitPort(0);
    expect(port).toBeGreaterThanOrEqual(20_000);
    await expect(listenOn(port)).resolves.toBeDefined();
  });
});

describe("a port that is held", () => {
  test("is waited for until whoever holds it lets go", async () => {
    const port = await freePort();
    const holder = await listenOn(port);
    const awaited = awaitPort(port);
    listening.splice(listening.indexOf(holder), 1);
    holder.close();
    expect(await awaited).toBe(port);
  });
});
