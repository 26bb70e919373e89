import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Api, api, poll } from "../tests/support/client.ts";
import { Follower } from "../tests/support/feed-client.ts";
import { type Server, startServer, token } from "../tests/support/server.ts";
import { type ChargeOrder, type Competing, charge, quote } from "../tests/support/story.ts";
import { bold, dim, green, red, teller, yellow } from "./demo/teller.ts";
import { type Charge, type Pod, prove, type Wire } from "./demo/wire.ts";

/**
 * The sample payment, told over HTTP and WebSocket against a fresh server: a pod of two, a contribution, one in another currency,
 * a declined card, a provider that times out and had captured, a SIGKILL in the middle of a charge, a member's feed that was cut by
 * it and goes on, and the proof that no cent was lost or doubled.
 */
const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const { say, tell } = teller(values.json);

const show = (charge: Charge): string => {
  const colour = charge.status === "succeeded" ? green : charge.status === "failed" ? red : yellow;
  const settled =
    charge.settled === undefined ? "" : ` → ${charge.settled.amount} ${charge.settled.currency} in the pod`;
  const why = charge.failure === undefined ? "" : ` (${charge.failure.code}: ${charge.failure.decline_reason ?? "–"})`;
  return `${charge.amount.amount} ${charge.amount.currency}  ${colour(charge.status)}${settled}${why}`;
};

const offer = ({ provider, status, rate }: Competing): string =>
  `${status === "best" ? green(provider) : provider}  ${rate ?? "–"}  ${dim(status)}`;

const expect = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(`the demo expected ${what}`);
};

type Paying = Partial<Pick<ChargeOrder, "currency" | "quote" | "wait">>;

const contribute = async (who: Api, pod: Pod, amount: string, from: string, key: string, paying: Paying = {}) => {
  const answer = await charge(who, pod, { amount, from, key, wait: 20, ...paying });
  expect(
    answer.status === 201 || answer.status === 202,
    `a charge, not ${answer.status} ${JSON.stringify(answer.body)}`,
  );
  return answer.body;
};

const callers = async (server: Server): Promise<Wire> => ({
  alice: api(server.url, await token(server.stateDir, "alice")),
  bob: api(server.url, await token(server.stateDir, "bob")),
  operator: api(server.url, await token(server.stateDir, "operator", { scope: "admin" })),
  sandbox: api(server.sandboxUrl),
});

const story = async (first: Server): Promise<{ ok: boolean; last: Server }> => {
  const { alice, bob } = await callers(first);

  const made = await alice.post<Pod>("/v1/pods", { name: "Lisbon trip", type: "pool", currencies: ["EUR"] });
  expect(made.status === 201, "a pod");
  const pod = made.body;
  tell({ step: "pod", pod: pod.id }, "Alice opens a pod", `${bold(pod.name)} ${dim(pod.id)}`);

  const invited = await alice.post<{ token: string }>(`/v1/pods/${pod.id}/invitations`, { role: "member" });
  const joined = await bob.post<{ role: string }>(`/v1/invitations/${invited.body.token}/accept`, {});
  expect(joined.status === 200, "an accepted invitation");
  tell(
    { step: "invitation", pod: pod.id, user: "bob", role: joined.body.role },
    "She invites Bob, and he accepts",
    `bob is a ${joined.body.role}`,
  );

  // Alice watches the pod from here on. Her feed breaks with the server.
  const feed = new Follower(pod.id);
  await feed.connect(first.url, alice);

  const paid = await contribute(bob, pod, "120.00", "tok_ok", "demo-1");
  expect(paid.status === "succeeded", "a succeeded charge");
  tell({ step: "charge", charge: paid.id, status: paid.status }, "Bob contributes", show(paid));

  const reais = { amount: "500.00", currency: "BRL" };
  // On a machine that is just warming up everybody may miss the deadline once.
  const quoted = await poll(
    () => quote(bob, reais, "EUR", pod),
    ({ status }) => status === 201,
  );
  const { id, provider, rate, competing } = quoted.body;
  const exchanged = await contribute(bob, pod, reais.amount, "tok_ok", "demo-fx", { currency: "BRL", quote: id });
  expect(exchanged.status === "succeeded" && exchanged.fx?.rate === rate, "a charge at the quoted rate");
  tell(
    { step: "fx_charge", charge: exchanged.id, status: exchanged.status, quote: id, provider, rate, competing },
    "Bob has reais and the pod keeps euro: providers compete, and he pays at the firm rate he was quoted",
    ...competing.map(offer),
    show(exchanged),
  );

  const declined = await contribute(alice, pod, "80.00", "tok_declined", "demo-2");
  expect(declined.status === "failed", "a declined charge");
  tell(
    { step: "declined", charge: declined.id, status: declined.status },
    "Alice's card is declined, and nothing stays reserved",
    show(declined),
  );

  const late = await contribute(alice, pod, "75.50", "tok_timeout_then_captured", "demo-3");
  expect(late.status === "succeeded", "a charge resolved by asking");
  tell(
    { step: "timeout_captured", charge: late.id, status: late.status },
    "The provider does not answer, but had captured: we ask, and never capture twice",
    show(late),
  );

  const open = await contribute(bob, pod, "40.00", "tok_slow", "demo-4", { wait: 0 });
  expect(open.status === "processing", "a charge under way");
  await first.kill();
  const before = feed.drop();
  tell(
    { step: "sigkill", charge: open.id, pid: first.pid },
    "A charge is under way, its capture sent – SIGKILL to the whole process group",
    `${show(open)}   ${red(`killed ${first.pid}`)}`,
  );

  const second = await startServer({ stateDir: first.stateDir, port: first.port });
  const wire = await callers(second);
  const resumed = await poll(
    async () => (await wire.bob.get<Charge>(`/v1/charges/${open.id}`)).body,
    (charge) => charge.status === "succeeded",
    30_000,
  );
  tell(
    { step: "resumed", charge: resumed.id, status: resumed.status, pid: second.pid },
    "Started again on the same state, the charge ends by itself",
    show(resumed),
  );

  const { seq: head } = (await wire.alice.get<Pod>(`/v1/pods/${pod.id}`)).body;
  await (await feed.connect(second.url, wire.alice)).untilSeq(head);
  const total = feed.drop();
  const inOrder = feed.seen.every(({ seq }, index) => seq === index + 1) && total === head;
  expect(inOrder, `every event once and in order, not ${feed.seen.map(({ seq }) => seq).join(" ")}`);
  tell(
    {
      step: "feed_resumed",
      pod: pod.id,
      user: "alice",
      after: before,
      seq: head,
      events: feed.seen.length,
      ok: inOrder,
    },
    "Alice's feed was cut by the SIGKILL; it goes on after the last event she had",
    `events 1–${before} before, ${before + 1}–${head} after: each once, in order`,
  );

  const proof = await prove(wire, pod, [paid.id, exchanged.id, declined.id, late.id, resumed.id]);
  tell(
    { step: "proof", ok: proof.ok, chains: proof.chains, currencies: proof.currencies },
    "The proof",
    ...proof.lines.map((line) => `${line.ok ? green("✔") : red("✘")} ${line.detail}`),
  );
  return { ok: proof.ok, last: second };
};

const started = Date.now();
say(dim("starting a fresh server …"));
const server = await startServer();
let last = server;
let ok = false;
try {
  const ended = await story(server);
  ({ last, ok } = ended);
} catch (error) {
  process.stderr.write(`${red((error as Error).message)}\n`);
} finally {
  await last.kill();
  rmSync(server.stateDir, { recursive: true, force: true });
}
say(
  `\n${ok ? green("every cent accounted for") : red("the proof failed")} ${dim(`in ${Math.round((Date.now() - started) / 1000)} s`)}`,
);
process.exit(ok ? 0 : 1);
