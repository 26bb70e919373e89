import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { poll } from "../../tests/support/client.ts";
import { Listener } from "../load/listener.ts";
import { roomDialect } from "./dialect.ts";
import { isMember, openPod, type PodEvent, renamePod } from "./pods.ts";
import type { Postgres } from "./postgres.ts";
import { postgresFolder } from "./programs.ts";
import { Rooms } from "./rooms.ts";
import { database } from "./target.ts";

const programs = postgresFolder();

describe.skipIf(programs === null)("a pod's room, in the baseline", () => {
  let cluster: Postgres;
  let pool: pg.Pool;
  let rooms: Rooms;
  let url: string;

  beforeAll(async () => {
    cluster = await database(programs ?? "");
    pool = cluster.pool(16);
    // A token is the name of whoever shows it, but for one that is none.
    rooms = new Rooms(pool, async (token) => {
      if (token === "forged") throw new Error("not a token");
      return { user: token, admin: false };
    });
    const server: Server = createServer();
    rooms.serveBeside(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }, 60_000);
  afterAll(async () => {
    await rooms?.close();
    await pool?.end();
    await cluster?.[Symbol.asyncDispose]();
  });

  const newPod = () => openPod(pool, { owner: "ada", name: "Trip", members: ["ben"] });
  const listen = (user: string, pod: string) => Listener.open(roomDialect(url, user, pod));
  const rename = (pod: string, name: string): Promise<PodEvent | null> =>
    rooms.tellAfter(pod, () => renamePod(pool, { pod, person: "ada", name }));

  test("is told each event once, in the order of commits, however many changes come at once", async () => {
    const pod = await newPod();
    const listeners = await Promise.all(["ada", "ben", "ben"].map((user) => listen(user, pod)));
    await Promise.all(Array.from({ length: 40 }, (_, index) => rename(pod, `Trip ${index}`)));
    const upto = Array.from({ length: 40 }, (_, index) => index + 1);
    for (const { seqs } of listeners) {
      await poll(
        async () => seqs.length,
        (told) => told >= 40,
      );
      expect(seqs).toEqual(upto);
    }
    const { rows } = await pool.query("SELECT seq::int FROM events WHERE pod = $1 ORDER BY recorded_at, seq", [pod]);
    expect(rows.map(({ seq }) => seq)).toEqual(upto);
    for (const listener of listeners) listener.close();
  });

  test("lets no stranger in, nor a token that is none", async () => {
    const pod = await newPod();
    expect(await isMember(pool, pod, "eve")).toBe(false);
    for (const user of ["eve", "forged"]) await expect(listen(user, pod)).rejects.toThrow("no such pod");
    await expect(listen("ada", "pod_unknown")).rejects.toThrow("no such pod");
  });

  test("is not told of another pod's events, nor of a change that was refused", async () => {
    const [pod, other] = [await newPod(), await newPod()];
    const listener = await listen("ben", pod);
    expect(await rooms.tellAfter(pod, () => renamePod(pool, { pod, person: "ben", name: "Mine" }))).toBeNull();
    await rename(other, "Other");
    await expect(rooms.tellAfter(pod, () => Promise.reject(new Error("lost")))).rejects.toThrow("lost");
    const told = new Promise((heard) => listener.onEvent(heard));
    const event = await rename(pod, "Trip 2");
    expect(await told).toEqual({ seq: 1, recordedAtMs: Date.parse(event?.recorded_at ?? "") });
    expect(listener.seqs).toEqual([1]);
    listener.close();
  });
});
