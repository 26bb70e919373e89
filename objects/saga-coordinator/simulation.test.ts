import { afterAll, describe, expect, it, vi } from "vitest";
import type { CallTable } from "./calls/perform.ts";
import type { Client } from "./testing/clients.ts";
import { stormOfKinds } from "./testing/kind-storm.ts";
import {
  ADVANCED,
  APPROVED,
  answerWaits,
  cancelOnce,
  DELIVERED,
  DUE,
  FOLLOWED,
  HELD,
  HURRIED,
  KIND_CALLS,
  RESTED,
  SPONSORED,
  startKind,
  TIMEOUT_MS,
  waitsAt,
} from "./testing/kinds.ts";
import type { InFlight } from "./testing/network.ts";
import { resolveParked } from "./testing/operators.ts";
import { TOKENS } from "./testing/provider.ts";
import type { Shard } from "./testing/shard.ts";
import {
  capPod,
  charge,
  crashStory,
  DOUBTFUL,
  POD,
  reversal,
  storm,
  TRANSFERS,
  type TransferStory,
  transfer,
} from "./testing/stories.ts";
import type { World } from "./testing/world.ts";

/**
 * The coordinator's own code among models of everybody it talks to, in virtual time. A failing history is replayed with
 * `SEED=<n> npx vitest run --project unit objects/saga-coordinator/simulation.test.ts`; SEEDS=<n> runs more of them,
 * as every night does.
 */
const { SEED, SEEDS } = process.env;
/** Within as many, every planted bug is noticed (`tests/planted`). */
const HISTORIES = 1_000;
if (SEED === undefined)
  for (const said of ["error", "log"] as const) vi.spyOn(console, said).mockReturnValue(undefined);

const seeds =
  SEED === undefined ? Array.from({ length: Number(SEEDS ?? HISTORIES) }, (_, at) => at + 1) : [Number(SEED)];

describe("random histories", () => {
  it("no money is made or lost, whatever is delayed, doubled, lost or killed", { timeout: 600_000 }, async () => {
    for (const seed of seeds) {
      const { violations } = await storm(seed);
      expect(violations, `replay with SEED=${seed}`).toEqual([]);
    }
  });

  it("no money is made or lost by sagas with steps of every kind", { timeout: 600_000 }, async () => {
    for (const seed of seeds) {
      const { violations } = await stormOfKinds(seed);
      expect(violations, `replay with SEED=${seed}`).toEqual([]);
    }
  });

  it("one seed is one history", async () => {
    const shape = async () => {
      const { happened, journals } = await storm(7);
      return { happened, events: journals.map((events) => events.map(({ type, data }) => [type, data.status])) };
    };
    expect(await shape()).toEqual(await shape());
  });
});

type Story = [name: string, begin: (world: World, shard: Shard) => Client[], calls?: CallTable];

const one =
  (make: (world: World, shard: Shard) => Client): Story[1] =>
  (world, shard) => [make(world, shard)];

const stories: Story[] = [
  [
    "a charge of another amount that an operator declines",
    (world, shard) => [charge(world, shard, "tok_wrong_amount", 2_000n, 0), resolveParked(world, shard)],
  ],
  [
    "a large charge of another amount that two operators decline",
    (world, shard) => [charge(world, shard, "tok_wrong_amount", 120_000n, 0), resolveParked(world, shard)],
  ],
  ...TOKENS.map(
    (token): Story => [`a charge of ${token}`, one((world, shard) => charge(world, shard, token, 2_000n, 0))],
  ),
  ["a charge of a wallet", one((world, shard) => charge(world, shard, "wallet", 2_000n, 0))],
  [
    "a charge of a wallet at the payer's quote",
    one((world, shard) => charge(world, shard, "wallet", 2_000n, 0, { to: "USD", quote: "fresh" })),
  ],
  ...(["tok_ok", "tok_declined", "tok_timeout_then_captured", "tok_async"] as const).map(
    (token): Story => [
      `a converted charge of ${token}`,
      one((world, shard) => {
        world.desk.mood = () => ["unknown", "refused", "filled"];
        return charge(world, shard, token, 2_003n, 0, { to: "JPY" });
      }),
    ],
  ),
  [
    "a converted charge of an empty wallet",
    one((world, shard) => charge(world, shard, "wallet", 333_300n, 0, { to: "KWD" })),
  ],
  [
    "a converted charge that no provider has a rate for",
    one((world, shard) => {
      world.desk.isDry = true;
      return charge(world, shard, "tok_ok", 2_000n, 0, { to: "USD" });
    }),
  ],
  [
    "a charge at a quote that is over after its review",
    one((world, shard) => charge(world, shard, "tok_ok", 700_000n, 0, { to: "USD", quote: "brief" })),
  ],
  [
    "a charge at a quote for another amount",
    one((world, shard) => charge(world, shard, "wallet", 2_000n, 0, { to: "USD", quote: "another" })),
  ],
  ["a charge of an empty wallet", one((world, shard) => charge(world, shard, "wallet", 333_300n, 0))],
  ...([8_000n, 1_000n] as const).map(
    (cap): Story => [
      `a converted charge of a wallet for a pod ${cap === 8_000n ? "with" : "without"} room under its cap`,
      one((world, shard) => {
        capPod(world, "USD", cap);
        return charge(world, shard, "wallet", 2_000n, 0, { to: "USD" });
      }),
    ],
  ),
  [
    "a charge of a wallet for a pod with room under its cap",
    one((world, shard) => {
      capPod(world);
      return charge(world, shard, "wallet", 2_000n, 0);
    }),
  ],
  [
    "a charge of a wallet for a pod without room under its cap",
    one((world, shard) => {
      capPod(world);
      return charge(world, shard, "wallet", 4_000n, 0);
    }),
  ],
  [
    "a charge of an empty wallet for a pod with a cap",
    one((world, shard) => {
      world.accounts.get("wallet:alice:EUR").opening = 0n;
      capPod(world);
      return charge(world, shard, "wallet", 2_000n, 0);
    }),
  ],
  ["a charge that a review declines", one((world, shard) => charge(world, shard, "tok_ok", DOUBTFUL, 0))],
  ["a charge that a review approves", one((world, shard) => charge(world, shard, "tok_ok", 700_000n, 0))],
  ["a charge that the risk rules decline", one((world, shard) => charge(world, shard, "tok_ok", 6_000_000n, 0))],
  [
    "a charge of a frozen pod",
    one((world, shard) => {
      world.pods.get(POD).frozen = true;
      return charge(world, shard, "tok_ok", 2_000n, 0);
    }),
  ],
  ...(Object.keys(TRANSFERS) as TransferStory[]).map(
    (story): Story => [
      `a transfer (${story} may refuse)`,
      one((world, shard) => transfer(world, shard, story, 2_000n, 0)),
    ],
  ),
  ...(Object.keys(TRANSFERS) as TransferStory[]).map(
    (story): Story => [
      `a transfer (${story} may refuse) and its reversal`,
      (world, shard) => reversal(world, shard, story, 2_000n),
    ],
  ),
  [
    "a reversal that is refused, the money being spent",
    (world, shard) => {
      const clients = reversal(world, shard, "one", 2_000n);
      // Bob had nothing, and gives away a cent of what he got, before anybody asks for it back.
      const bob = world.accounts.get("wallet:bob:EUR");
      bob.opening = 0n;
      const spend = (): void => {
        if (bob.balance === 0n) world.sim.after(20, spend, null);
        else bob.opening = -1n;
      };
      spend();
      return clients;
    },
  ],
  ["a transfer that the last account refuses", one((world, shard) => transfer(world, shard, "one", 333_300n, 0))],
  ["a transfer that a capped account refuses", one((world, shard) => transfer(world, shard, "capped", 3_001n, 0))],
  ["a transfer that the first of two refuses", one((world, shard) => transfer(world, shard, "two", 333_300n, 0))],
  ["a transfer that the first of three refuses", one((world, shard) => transfer(world, shard, "three", 333_300n, 0))],
  [
    "a transfer that the last of three refuses",
    one((world, shard) => {
      world.accounts.get(`pod:${POD}:EUR`).opening = 0n;
      return transfer(world, shard, "three", 2_000n, 0);
    }),
  ],
];

const empty = (world: World, name: string): void => {
  world.accounts.get(`wallet:${name}:EUR`).opening = 0n;
};

/** Of sagas with steps of every kind there is. */
const kindStories: Story[] = (
  [
    ...(["approve", "decline", null] as const).map(
      (verdict): Story => [
        `a transfer whose approval is ${verdict === null ? "never given" : `${verdict}d`}`,
        (world, shard) => {
          answerWaits(world, () => verdict);
          return [startKind(world, shard, APPROVED)];
        },
      ],
    ),
    [
      "a transfer that is posted once it was delivered",
      (world, shard) => {
        answerWaits(world, () => "approve");
        return [startKind(world, shard, DELIVERED)];
      },
    ],
    [
      "a transfer that is posted although nobody says that it was delivered",
      one((world, shard) => startKind(world, shard, DELIVERED)),
    ],
    ["a transfer that is due later", one((world, shard) => startKind(world, shard, DUE))],
    ["a transfer that rests before it is posted", one((world, shard) => startKind(world, shard, RESTED))],
    [
      "a transfer that is taken back before it is due",
      one((world, shard) => {
        const client = startKind(world, shard, DUE);
        cancelOnce(world, client, waitsAt("due"));
        return client;
      }),
    ],
    ["a transfer that is held at three accounts side by side", one((world, shard) => startKind(world, shard, HELD))],
    [
      "a transfer that one of three accounts refuses to hold",
      one((world, shard) => {
        const client = startKind(world, shard, HELD);
        empty(world, "bob");
        return client;
      }),
    ],
    ["a transfer that has another posted first", one((world, shard) => startKind(world, shard, ADVANCED))],
    [
      "a transfer whose own first transfer is refused",
      one((world, shard) => {
        const client = startKind(world, shard, ADVANCED);
        empty(world, "dave");
        return client;
      }),
    ],
    [
      "a transfer that is refused after another was posted for it",
      one((world, shard) => {
        const client = startKind(world, shard, ADVANCED);
        empty(world, "bob");
        return client;
      }),
    ],
    [
      "a transfer that begins with one that is approved",
      (world, shard) => {
        answerWaits(world, () => "approve");
        return [startKind(world, shard, SPONSORED)];
      },
    ],
    ["a transfer that begins with one that nobody approves", one((world, shard) => startKind(world, shard, SPONSORED))],
    [
      "a transfer that is taken back while another waits for it",
      one((world, shard) => {
        const client = startKind(world, shard, SPONSORED);
        cancelOnce(world, client, waitsAt("advance"));
        return client;
      }),
    ],
    ["a transfer that has another posted after it", one((world, shard) => startKind(world, shard, FOLLOWED))],
    [
      "a transfer that is too late before its pivot",
      one((world, shard) => {
        const client = startKind(world, shard, HURRIED);
        world.accounts.get("wallet:alice:EUR").shut = { code: "upstream_unavailable", detail: "shut" };
        world.sim.after(TIMEOUT_MS + 10_000, () => (world.accounts.get("wallet:alice:EUR").shut = null), null);
        return client;
      }),
    ],
  ] satisfies Story[]
).map(([name, begin]): Story => [name, begin, KIND_CALLS]);

describe("killed before each single happening", () => {
  const fates: InFlight[] = SEED === undefined ? ["kept", "lost", "late"] : [];
  /** Of all stories: happenings of the calm runs, those of them that were crashed at whatever became of calls, and runs. */
  const total = { points: 0, crashedAt: 0, schedules: 0, ends: new Set<string>() };

  it.each([...stories, ...kindStories])(
    "%s ends as if nothing had been",
    { timeout: 300_000 },
    async (name, begin, calls) => {
      const calm = await crashStory(begin, null, "kept", calls);
      expect(calm.violations).toEqual([]);
      const missed = new Set(Array.from({ length: calm.happened }, (_, at) => at));
      for (let at = 0; at < calm.happened; at++) {
        let crashes = 0;
        for (const inFlight of fates) {
          const { violations, ends, crashed } = await crashStory(begin, at, inFlight, calls);
          const where = `killed before happening ${at}, calls under way ${inFlight}`;
          expect(violations, where).toEqual([]);
          expect(ends, where).toEqual(calm.ends);
          total.schedules++;
          total.ends.add(`${name}: ${ends.join(", ")}`);
          if (crashed) crashes++;
        }
        if (crashes === fates.length) missed.delete(at);
      }
      total.points += calm.happened;
      total.crashedAt += calm.happened - missed.size;
      if (fates.length > 0) expect([...missed], "happenings that were not crashed at").toEqual([]);
    },
  );

  afterAll(() => {
    if (total.schedules === 0) return;
    const { points, crashedAt, schedules, ends } = total;
    process.stdout.write(
      `points ${crashedAt} of ${points}, schedules ${schedules}, distinct end states ${ends.size}\n`,
    );
  });
});
