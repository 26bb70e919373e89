import { type Api, api } from "../../tests/support/client.ts";
import { gift } from "../../tests/support/ledger.ts";
import type { Server } from "../../tests/support/server.ts";
import { charge, fundWallet, must, type OpenPod, openPod, operator, ulid } from "../../tests/support/story.ts";

/** Who pays where, in every flow. `apart`: pods of one payer each, whom no two share. */
export type Ground = { pod: OpenPod; payers: readonly string[]; apart: readonly Apart[]; operator: Api };
type Apart = { pod: OpenPod; payer: string };

export type Flow = {
  name: string;
  /** What one count is of. */
  unit: string;
  /**
   * How steady its counts are. `alone`: the same commits every time. `raced`: it goes on beside itself, as a conversion and its
   * cover do, and the two now and then share a commit. `apart`: it shares only what the house has one of. `crowded`: it shares commits
   * and calls with whatever else is in flight.
   */
  pace: "alone" | "raced" | "apart" | "crowded";
  /** A payment provider is waited for. */
  asksProvider: boolean;
  /** How many of them one `run` makes. */
  units: number;
  /** Runs, of which the lowest figures are taken. */
  rounds: number;
  run(ground: Ground): Promise<void>;
};

const OWNER = "alice";
const MEMBERS = Array.from({ length: 3 }, (_, index) => `payer${index}`);
export const IN_FLIGHT = 64;
export const BATCH = 1_000;

const apartOf = async (server: Server, index: number): Promise<Apart> => {
  const payer = `apart${index}`;
  return { pod: await openPod(server, { owner: payer }), payer };
};

/** A pod that keeps euros, its members with money in their wallets, pods of others beside it, and everything that a payment touches made already. */
export const prepare = async (server: Server): Promise<Ground> => {
  const admin = await operator(server);
  const pod = await openPod(server, { owner: OWNER, members: MEMBERS });
  const payers = [OWNER, ...MEMBERS];
  for (const payer of payers) await fundWallet(admin, payer, "100000.00");
  const apart = await Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => apartOf(server, index)));
  return { pod, payers, apart, operator: admin };
};

const pay = async ({ pod }: Pick<Ground, "pod">, payer: string, from: string, settle?: string): Promise<void> => {
  const answer = await charge(pod.as(payer), pod, {
    amount: "10.00",
    from,
    key: ulid(),
    wait: 30,
    ...(settle === undefined ? {} : { currency: settle === "EUR" ? "USD" : "EUR", settle }),
  });
  const { status, failure } = must(answer, 201);
  if (status !== "succeeded") throw new Error(`a charge is ${status}: ${JSON.stringify(failure)}`);
};

const payerAt = ({ payers }: Ground, index: number): string => payers[index % payers.length] as string;

const transfers = (ground: Ground, count: number) =>
  Array.from({ length: count }, (_, index) => gift(payerAt(ground, index), payerAt(ground, index + 1), "0.01"));

const crowd = async (ground: Ground, size: number, settle?: string): Promise<void> => {
  await Promise.all(Array.from({ length: size }, (_, index) => pay(ground, payerAt(ground, index), "tok_ok", settle)));
};

/** As many charges at once, each on a pod and of a payer of its own. */
const crowdApart = async ({ apart }: Ground): Promise<void> => {
  await Promise.all(apart.map((one) => pay(one, one.payer, "tok_ok")));
};

/** Meets every shard, stripe and pod, which cost more the first time: what is measured is the payment after them. */
export const meetEverybody = async (ground: Ground): Promise<void> => {
  await crowd(ground, IN_FLIGHT);
  for (let wave = 0; wave < 6; wave++) await crowdApart(ground);
  for (let wave = 0; wave < 4; wave++) await crowd(ground, IN_FLIGHT / 4, "EUR");
};

export const FLOWS: readonly Flow[] = [
  {
    name: "charge by instrument, alone",
    unit: "charge",
    pace: "alone",
    asksProvider: true,
    units: 1,
    rounds: 3,
    run: (ground) => pay(ground, OWNER, "tok_ok"),
  },
  {
    name: `charge by instrument, ${IN_FLIGHT} in flight on one pod`,
    unit: "charge",
    pace: "crowded",
    asksProvider: true,
    units: IN_FLIGHT,
    rounds: 2,
    run: (ground) => crowd(ground, IN_FLIGHT),
  },
  {
    name: `charge by instrument, ${IN_FLIGHT} in flight on as many pods`,
    unit: "charge",
    pace: "apart",
    asksProvider: true,
    units: IN_FLIGHT,
    rounds: 2,
    run: crowdApart,
  },
  {
    name: "charge from a wallet, alone",
    unit: "charge",
    pace: "alone",
    asksProvider: false,
    units: 1,
    rounds: 3,
    run: (ground) => pay(ground, OWNER, "wallet"),
  },
  {
    name: "converted charge by instrument, alone",
    unit: "charge",
    pace: "raced",
    asksProvider: true,
    units: 1,
    rounds: 3,
    run: (ground) => pay(ground, OWNER, "tok_ok", "EUR"),
  },
  {
    name: "ledger transfer, alone",
    unit: "transfer",
    pace: "alone",
    asksProvider: false,
    units: 1,
    rounds: 3,
    run: async (ground) => {
      const [order] = transfers(ground, 1);
      must(await ground.operator.post("/v1/ledger/transfers", order, { headers: { prefer: "wait=30" } }), 201);
    },
  },
  {
    name: `ledger transfer, in a batch of ${BATCH}`,
    unit: "transfer",
    pace: "crowded",
    asksProvider: false,
    units: BATCH,
    rounds: 2,
    run: async (ground) => {
      const answer = await ground.operator.post<{ results: { status: number }[] }>(
        "/v1/ledger/batches",
        { transfers: transfers(ground, BATCH) },
        { headers: { prefer: "wait=30" } },
      );
      const refused = must(answer, 200).results.filter(({ status }) => status !== 201);
      if (refused.length > 0)
        throw new Error(`${refused.length} transfers were not posted: ${JSON.stringify(refused[0])}`);
    },
  },
];

/** The counts are read beside the API: it is no part of it. */
export const meterOf = (server: Server): Api => api(server.url);
