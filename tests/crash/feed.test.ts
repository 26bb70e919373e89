import { expect, test } from "vitest";
import { poll } from "../support/client.ts";
import { Follower } from "../support/feed-client.ts";
import { type Charge, charge, must } from "../support/story.ts";
import { Stage } from "./stage.ts";

/** How often the server is killed under the feed. */
const KILLS = 3;

type Row = { seq: number; event: unknown };

test("a feed that is cut by SIGKILL goes on after its last event: every one once, in order, as the log has it", async () => {
  await using stage = await Stage.open(["bob"], { faults: false });
  const { pod } = stage;
  const follower = new Follower(pod.id);
  const charges: string[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const client = await follower.connect(stage.server.url, pod.as("bob"));
    const head = must(await pod.owner.get<{ seq: number }>(`/v1/pods/${pod.id}`), 200).seq;
    for (let order = 1; order <= 4; order++) {
      const asked = await charge(pod.owner, pod, { amount: "2.00", from: "tok_ok", key: `${kill}-${order}`, wait: 0 });
      charges.push(must(asked, 201, 202).id);
    }
    // In the middle: some of what these charges write has come, and some is still being written.
    await client.untilSeq(head + 2);
    await stage.restart();
    follower.drop();
  }
  const client = await follower.connect(stage.server.url, pod.as("bob"));
  for (const id of charges) {
    const read = async () => must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200).status;
    await poll(read, (status) => status === "succeeded", 45_000);
  }
  const { data: log } = must(await pod.owner.get<{ data: Row[] }>(`/v1/pods/${pod.id}/events?limit=200`), 200);
  if (follower.last < log.length) await client.untilSeq(log.length);
  follower.drop();
  expect(follower.seen.map(({ seq, event }) => ({ seq, event }))).toEqual(
    log.map(({ seq, event }) => ({ seq, event })),
  );
});
