import { accountNames } from "../../schema/accounts.ts";
import { settleCurrencyOf } from "../../schema/charges.ts";
import { DEFAULT_CONNECTOR } from "../../schema/connectors.ts";
import type { Meta } from "../../schema/events.ts";
import { canonicalJson, SYSTEM } from "../../schema/events.ts";
import type { FeeRates } from "../../schema/fees.ts";
import type { IdPrefix } from "../../schema/ids.ts";
import { type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { AccountRpc, AccountTerms } from "../../schema/rpc/account.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type {
  AskPolicy,
  ChargeAnswer,
  CreateCharge,
  CreateTransfer,
  ReverseTransfer,
  TransferAnswer,
} from "../../schema/rpc/coordinator.ts";
import type { GatewayRpc, InstrumentAnswer } from "../../schema/rpc/gateway.ts";
import type { Saga } from "../../schema/sagas.ts";
import { streamOf } from "../../schema/streams.ts";
import type { Actor } from "../kit/actor.ts";
import type { ObjectEnv } from "../kit/env.ts";
import type { SealedFields } from "../kit/sealed-fields.ts";
import { callActor } from "../kit/stub.ts";
import type { StartTimeout } from "../kit/timeout.ts";
import { findCommand, rememberCommand, scopeOf, transferScope } from "./answers.ts";
import { chargeInputOf, type SealedCharge } from "./begin-charge.ts";
import { checkTransfer, mustExist, unknownAccount } from "./begin-transfer.ts";
import type { BeginSaga } from "./decide.ts";
import { chargeDefinition } from "./definitions/charge.ts";
import type { SagaDefinition } from "./definitions/definition.ts";
import { ledgerTransfer } from "./definitions/ledger-transfer.ts";
import type { Driver } from "./driver.ts";
import { beginFamily } from "./family.ts";
import { type Begun, chargeAnswer, FirstAnswer, problem, type Settled, transferAnswer } from "./first-answer.ts";
import { Instruments } from "./instruments.ts";
import { nameActors, type ShardTurn } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { closedPeriod } from "./periods.ts";
import { claimId, findOriginal, reversalInput, reversalScope, takeOriginal } from "./reversals.ts";
import { settlingAsBefore, settlingOf } from "./settling.ts";
import type { ShardState } from "./state.ts";
import { accountsToAsk, askTerms, firstAbsent, isCapped, withTerms } from "./terms.ts";
import type { Waiters } from "./waiters.ts";
import { sagaOfCharge } from "./webhooks.ts";
import { Welcome } from "./welcome.ts";

/**
 * Live sagas of one shard, waiting ones included, past which nothing new is begun: what was begun has the shard to itself until
 * enough of it has ended. What a saga begins itself is old work, and never refused.
 */
export const MAX_LIVE = 5_000;
/** Opened accounts that a shard remembers before it begins anew. */
const MOST_REMEMBERED = 20_000;
/** When a full shard is worth asking again, seconds. */
const FULL_RETRY_S = 2;

/** Why the shard begins nothing now; null: it does. */
const fullness = ({ live }: ShardState): Rejection | null =>
  live.length < MAX_LIVE
    ? null
    : reject("overloaded", "too much is under way here", { retry_after: FULL_RETRY_S }).rejection;

type Deps = {
  actor: Actor<ShardState>;
  driver: Driver;
  waiters: Waiters;
  sealed: SealedFields;
  env: ObjectEnv;
  shard: number;
  fees: FeeRates;
  timeout?: StartTimeout;
};

/** In the commit that begins: what else is written there, or why nothing begins. */
type Admit = (turn: ShardTurn) => Rejection | null;

/**
 * The door of a shard, in the order every command meets it: what was answered before, what can be refused without a trace, then
 * begin: the idempotency row and the saga's first intent in one commit.
 */
export class Intake {
  readonly #deps: Deps;
  readonly #answers: FirstAnswer;
  /** Of a batch many ask of the same account at once: it is asked once for all of them. */
  readonly #accounts: Lanes<null, AccountTerms | null>;
  /** Accounts that answered as opened, while this object is awake. */
  readonly #opened = new Set<string>();
  readonly #instruments = new Instruments();
  readonly #welcome = new Welcome();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#answers = new FirstAnswer(deps);
    this.#accounts = new Lanes(
      async (account, asking) => {
        const call = (rpc: AccountRpc) => rpc.terms();
        const found = await callActor<AccountRpc, AccountTerms | null>(deps.env.ACCOUNTS, account, call);
        return asking.map(() => found);
      },
      deps.actor.gather,
      deps.timeout,
    );
  }

  /** `policy`: whether the caller, who pays, may pay in this pod; null where that was asked before. */
  async charge(
    command: CreateCharge,
    key: CommandKey,
    waitMs: number,
    meta: Meta,
    policy: AskPolicy | null,
  ): Promise<ChargeAnswer> {
    const scope = scopeOf(key.subject, key.command, command.pod, key.key ?? meta.correlation);
    const serve = () => this.#charge(scope, command, key, waitMs, meta);
    if (policy === null) return serve();
    const isReplay = findCommand(this.#deps.actor.sql, scope) !== null;
    const refuse = (denial: Rejection) => problem(denial, meta);
    return this.#welcome.serve({ pod: command.pod, user: key.subject, isReplay, policy, serve, refuse });
  }

  async #charge(
    scope: string,
    command: CreateCharge,
    key: CommandKey,
    waitMs: number,
    meta: Meta,
  ): Promise<ChargeAnswer> {
    const { actor, shard, sealed, fees } = this.#deps;
    const closed = actor.closedDoor;
    if (closed !== null) return problem(closed, meta);
    const known = findCommand(actor.sql, scope);
    if (known !== null) {
      const asked = settlingAsBefore(command, key.request, known.request);
      return chargeAnswer(await this.#answers.replay(known, asked, waitMs, meta));
    }
    // Asked here, before anybody is called for it, and once more where it begins.
    const full = actor.nearlyFull ?? fullness(actor.state);
    if (full !== null) return problem(full, meta);
    const settling = await settlingOf(this.#deps.env, command, key.request);
    if (!settling.ok) return problem(settling.rejection, meta);
    const { request, misfit } = settling.value;
    if (misfit !== null) return chargeAnswer(await this.#refuse(scope, request, misfit, waitMs, meta));
    let instrument: SealedCharge = null;
    if (command.source.type === "instrument") {
      const found = await this.#lookup(command.source.token);
      if (found.known === false) return problem(unknownInstrument, meta);
      const fingerprint = found.known === true ? found.fingerprint : "unverified";
      const token = await sealed.seal(command.payer, "saga.began", "instrument", command.source.token);
      instrument = { token, fingerprint };
    }
    const description =
      command.description === null
        ? null
        : await sealed.seal(command.payer, "saga.began", "description", command.description);
    const now = actor.clock.now();
    const next = (prefix: IdPrefix) => actor.ids.next(prefix, now, shard);
    const own = { charge: next("chg"), transfer: next("trf") };
    const ids = { ...own, hedge: next("sag"), hedge_transfer: next("trf"), shard };
    const input = chargeInputOf(settling.value.command, ids, instrument, description, fees);
    if (instrument === null) {
      const account = accountNames.pod(command.pod, settleCurrencyOf(input));
      const terms = await this.#termsOf([account]);
      // To reserve is right in any case, so an account that does not answer now holds nobody up.
      input.capped = !terms.ok || isCapped(terms.value.get(account));
    }
    const first = beginning(sagaOfCharge(ids.charge) ?? "", "charge", key.subject, input, meta);
    const definition = chargeDefinition(input);
    const others = [streamOf.pod(command.pod), streamOf.risk(command.payer)];
    const begun = await actor.submit((turn) => this.#begin(turn, scope, request, definition, first, meta, others));
    return chargeAnswer(await this.#answers.follow(begun, request, waitMs, meta));
  }

  async transfer(command: CreateTransfer, waitMs: number, meta: Meta): Promise<TransferAnswer> {
    const { actor, shard } = this.#deps;
    const closed = actor.closedDoor;
    if (closed !== null) return problem(closed, meta);
    const scope = transferScope(command.id);
    const request = canonicalJson(command);
    const known = findCommand(actor.sql, scope);
    if (known !== null) return transferAnswer(command.id, await this.#answers.replay(known, request, waitMs, meta));
    const full = actor.nearlyFull ?? fullness(actor.state);
    if (full !== null) return problem(full, meta);
    const checked = checkTransfer(command, shard, actor.clock.now());
    if (!checked.ok) return problem(checked.rejection, meta);
    const { legs } = checked.value;
    const terms = await this.#termsOf(accountsToAsk(legs, this.#opened));
    if (!terms.ok) return problem(terms.rejection, meta);
    // Who was not asked has answered before.
    const unopened = mustExist(legs).filter((account) => terms.value.get(account) === null);
    const absent = await firstAbsent(this.#deps.env, unopened);
    if (!absent.ok) return problem(absent.rejection, meta);
    if (absent.value !== null) return problem(unknownAccount(absent.value).rejection, meta);
    const input = withTerms(checked.value, terms.value);
    const saga = actor.ids.next("sag", actor.clock.now(), shard);
    const first = beginning(saga, "ledger_transfer", meta.principal.user, input, meta);
    const admit: Admit = (turn) => closedPeriod(turn, command.effective_at);
    const begun = await actor.submit((turn) =>
      this.#begin(turn, scope, request, ledgerTransfer, first, meta, [], admit),
    );
    return transferAnswer(command.id, await this.#answers.follow(begun, request, waitMs, meta));
  }

  /** In the shard of the reversal's own id: the id means this command from now on, begun or not. */
  async claimReversal(command: ReverseTransfer, meta: Meta): Promise<Result<null>> {
    const { actor } = this.#deps;
    const closed = actor.closedDoor;
    if (closed !== null) return { ok: false, rejection: closed };
    return actor.submit((turn) => claimId(turn, command, canonicalJson(command), meta.correlation));
  }

  async reversal(command: ReverseTransfer, waitMs: number, meta: Meta): Promise<TransferAnswer> {
    const { actor, shard } = this.#deps;
    const closed = actor.closedDoor;
    if (closed !== null) return problem(closed, meta);
    const scope = reversalScope(command);
    const request = canonicalJson(command);
    const known = findCommand(actor.sql, scope);
    if (known !== null) return transferAnswer(command.id, await this.#answers.replay(known, request, waitMs, meta));
    const full = actor.nearlyFull ?? fullness(actor.state);
    if (full !== null) return problem(full, meta);
    const original = findOriginal(actor.sql, command.reverses);
    if (!original.ok) return problem(original.rejection, meta);
    const saga = actor.ids.next("sag", actor.clock.now(), shard);
    const mirror = reversalInput(command, original.value);
    const terms = await this.#termsOf(accountsToAsk(mirror.legs, this.#opened));
    if (!terms.ok) return problem(terms.rejection, meta);
    const input = withTerms(mirror, terms.value);
    const first = beginning(saga, "ledger_transfer", meta.principal.user, input, meta);
    const admit: Admit = (turn) => takeOriginal(turn, command, meta.correlation);
    const begun = await actor.submit((turn) =>
      this.#begin(turn, scope, request, ledgerTransfer, first, meta, [], admit),
    );
    return transferAnswer(command.id, await this.#answers.follow(begun, request, waitMs, meta));
  }

  async #termsOf(accounts: readonly string[]): ReturnType<typeof askTerms> {
    const asked = await askTerms((account) => this.#accounts.submit(account, null), accounts);
    if (this.#opened.size > MOST_REMEMBERED) this.#opened.clear();
    if (asked.ok) for (const [account, terms] of asked.value) if (terms !== null) this.#opened.add(account);
    return asked;
  }

  /** What the provider says of an instrument; it cannot say when it is not there, and then the capture will. */
  #lookup(token: string): Promise<InstrumentAnswer> {
    const { env, actor } = this.#deps;
    const gateway = env.GATEWAYS.getByName(DEFAULT_CONNECTOR) as GatewayRpc;
    const ask = () => gateway.lookupInstrument(token).catch((): InstrumentAnswer => ({ known: null }));
    return this.#instruments.lookup(token, actor.clock.now(), ask);
  }

  /** One commit: somebody else's row under this scope, or our own with the saga's first entry and the actors it names. */
  #begin(
    turn: ShardTurn,
    scope: string,
    request: string,
    definition: SagaDefinition,
    first: BeginSaga,
    meta: Meta,
    others: readonly string[],
    admit: Admit = () => null,
  ): Begun {
    const row = findCommand(turn.sql, scope);
    if (row !== null) return { kind: "known", row };
    // What admits may write, so it is asked last.
    const rejection = fullness(turn.state) ?? admit(turn);
    if (rejection !== null) return { kind: "refused", rejection };
    rememberCommand(turn, { scope, target: first.id, request, request_id: meta.correlation });
    const family = beginFamily(turn, definition, first, scope);
    nameActors(turn, others);
    return { kind: "begun", id: first.id, family };
  }

  /** Refuses a command for which nothing begins, and keeps that under its key as if something had. */
  async #refuse(scope: string, request: string, rejection: Rejection, waitMs: number, meta: Meta): Promise<Settled> {
    const known = await this.#deps.actor.submit((turn) => {
      const row = findCommand(turn.sql, scope);
      if (row !== null) return row;
      const answer = JSON.stringify(rejection);
      const refused = {
        scope,
        target: scope,
        request,
        request_id: meta.correlation,
        status: "problem",
        answer,
      } as const;
      rememberCommand(turn, refused);
      return null;
    });
    return known === null ? problem(rejection, meta) : this.#answers.replay(known, request, waitMs, meta);
  }
}

const unknownInstrument = reject("invalid_request", "the request is not valid", {
  errors: [{ pointer: "/source/token", detail: "the connector does not know this instrument" }],
}).rejection;

const beginning = (id: string, kind: Saga["kind"], subject: string, input: object, meta: Meta): BeginSaga => ({
  id,
  kind,
  subject,
  input: input as BeginSaga["input"],
  principal: meta.principal ?? SYSTEM,
  correlation: meta.correlation,
});
