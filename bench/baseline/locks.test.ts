import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { poll } from "../../tests/support/client.ts";
import { trialBalance } from "./ledger.ts";
import type { Postgres } from "./postgres.ts";
import { postgresFolder } from "./programs.ts";
import { database } from "./target.ts";

const programs = postgresFolder();

/** The moments that made one pod's first charges wait for each other, one by one, with other people's locks in their way. */
describe.skipIf(programs === null)("two payments that open the same accounts", () => {
  let cluster: Postgres;
  let pool: pg.Pool;

  beforeAll(async () => {
    cluster = await database(programs ?? "");
    pool = cluster.pool(8);
  }, 60_000);
  afterAll(async () => {
    await pool?.end();
    await cluster?.[Symbol.asyncDispose]();
  });

  type Open = { client: pg.PoolClient; backend: number };

  /** A transaction that has opened an account and not said yet whether it stays. */
  const opening = async (account: string): Promise<Open> => {
    const client = await pool.connect();
    await client.query("BEGIN");
    await client.query("INSERT INTO accounts (id, floored) VALUES ($1, false)", [account]);
    const { rows } = await client.query<{ backend: number }>("SELECT pg_backend_pid() AS backend");
    return { client, backend: rows[0]?.backend ?? 0 };
  };
  const end = async ({ client }: Open, how: "COMMIT" | "ROLLBACK"): Promise<void> => {
    await client.query(how);
    client.release();
  };
  const until = (condition: string, values: unknown[] = []) =>
    poll(
      async () => (await pool.query(`SELECT 1 FROM pg_stat_activity HAVING ${condition}`, values)).rowCount,
      (rows) => rows === 1,
    );
  const untilWaitingFor = ({ backend }: Open) => until("bool_or($1 = ANY (pg_blocking_pids(pid)))", [backend]);
  const untilBothWait = () => until("count(*) FILTER (WHERE wait_event_type = 'Lock') = 2");
  const post = (id: string, accounts: string[], amounts: number[]) =>
    pool.query("SELECT ledger_post($1, $1, $2, $3) AS refusal", [id, accounts, amounts]).then(
      ({ rows }) => rows[0]?.refusal,
      ({ code }: { code: string }) => code,
    );

  test("wait for each other in one order, whichever of them is there already", async () => {
    const [pod, provider] = [await opening("pod:p:EUR"), await opening("psp:EUR")];
    const first = post("first", ["psp:EUR", "pod:p:EUR", "fee:EUR"], [-100, 98, 2]);
    // It has opened the fees by now, and may not see the pod.
    await untilWaitingFor(pod);
    await end(pod, "COMMIT");
    await untilWaitingFor(provider);
    // This one sees the pod, and no fees.
    const second = post("second", ["bank:EUR", "pod:p:EUR", "fee:EUR"], [-100, 98, 2]);
    await untilBothWait();
    await end(provider, "ROLLBACK");
    expect(await Promise.all([first, second])).toEqual([null, null]);
    expect((await trialBalance(pool)).balanced).toBe(true);
  });
});
