import type { Charge, Money } from "../support/story.ts";

/** What the clients were told, and so may hold the server to. */

export type ChargeStatus = "succeeded" | "failed" | "cancelled";

/** A charge somebody was told of. */
export type ChargeRecord = {
  id: string;
  flow: string;
  pod: string;
  user: string;
  amount: Money;
  /** The payer's own wallet pays. */
  fromWallet: boolean;
  /** How it may end. */
  may: readonly ChargeStatus[];
  /** Nobody but chance speaks against it: the instrument approves, and no person declines or cancels. */
  approving: boolean;
  /** As last told; what has ended stays as it was told. */
  status: string;
};

export type Leg = { account: string; direction: "debit" | "credit"; amount: Money };
export type TransferRecord = { id: string; legs: readonly Leg[]; state: "posted" | "refused" };

export type Figures = { tried: number; refused: number };

const OPEN: ReadonlySet<string> = new Set(["processing", "requires_action", "requires_review"]);
export const hasEnded = (status: string): boolean => !OPEN.has(status);

/** Everything the clients know, in memory: a few hundred bytes a payment. */
export class Records {
  readonly charges = new Map<string, ChargeRecord>();
  readonly transfers = new Map<string, TransferRecord>();
  /** Answers that no client should ever see, in the order they came. */
  readonly faults: string[] = [];
  /** By flow: commands given, each under one key however often it was sent, and those refused as they may be. */
  readonly figures = new Map<string, Figures>();

  tried(flow: string): void {
    this.#of(flow).tried++;
  }

  refused(flow: string): void {
    this.#of(flow).refused++;
  }

  fault(what: string): void {
    this.faults.push(what);
  }

  /** An answer that shows a charge: the first one makes it known, and every later one must go on from there. */
  told(charge: Charge, known: Omit<ChargeRecord, "id" | "status" | "pod">): void {
    const { id, pod, status, amount } = charge;
    const before = this.charges.get(id);
    if (amount.amount !== known.amount.amount || amount.currency !== known.amount.currency) {
      this.fault(`${id} is for ${amount.amount} ${amount.currency}, not ${known.amount.amount}`);
    }
    if (before === undefined) this.charges.set(id, { ...known, id, pod, status });
    this.changed(id, status);
  }

  /** What a charge is said to be now. Answers may overtake each other on their way: what has ended stays ended. */
  changed(id: string, status: string): void {
    const charge = this.charges.get(id);
    if (charge === undefined) throw new Error(`nobody was told of ${id}`);
    if (!hasEnded(status)) return;
    if (hasEnded(charge.status) && charge.status !== status) {
      this.fault(`${id} was ${charge.status} and is ${status}`);
    }
    if (!(charge.may as readonly string[]).includes(status)) this.fault(`${id} (${charge.flow}) is ${status}`);
    charge.status = status;
  }

  get open(): string[] {
    return [...this.charges.values()].filter(({ status }) => !hasEnded(status)).map(({ id }) => id);
  }

  idsIn(pod: string): string[] {
    return [...this.charges.values()].filter((charge) => charge.pod === pod).map(({ id }) => id);
  }

  #of(flow: string): Figures {
    const found = this.figures.get(flow) ?? { tried: 0, refused: 0 };
    this.figures.set(flow, found);
    return found;
  }
}
