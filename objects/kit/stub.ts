import { REJECTION_CODES, type Rejection } from "../../schema/rejections.ts";

/**
 * Thrown where an actor with its door shut is asked for something that has no refusal in its answer. The class does not survive a
 * call between actors, its own properties do: `refusalIn` finds them.
 */
export class ClosedDoor extends Error {
  override readonly name = "ClosedDoor";
  readonly code: string;
  readonly detail: string;

  constructor({ code, detail }: Rejection) {
    super(`refusing to write: ${detail}`);
    this.code = code;
    this.detail = detail;
  }
}

/** The refusal that an actor's shut door threw, however many calls away; null for any other error. */
export const refusalIn = (error: unknown): Rejection | null => {
  if (!(error instanceof Error) || error.name !== "ClosedDoor") return null;
  const { code, detail } = error as Partial<ClosedDoor>;
  const known = REJECTION_CODES.find((one) => one === code);
  return known === undefined || typeof detail !== "string" ? null : { code: known, detail };
};

/** Tries of one call, the first included. */
const TRIES = 3;
const BASE_MS = 50;

type InfrastructureFault = { retryable?: boolean; durableObjectReset?: boolean; overloaded?: boolean };

/** True for a fault of the platform that a fresh stub may not meet again; never for an overloaded object. */
export const isRetryable = (error: unknown): boolean => {
  if (typeof error !== "object" || error === null) return false;
  const fault = error as InfrastructureFault;
  return (fault.retryable === true || fault.durableObjectReset === true) && fault.overloaded !== true;
};

export const isOverloaded = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (error as InfrastructureFault).overloaded === true;

/** What a namespace binding must offer: stubs by name. */
export type Namespace = { getByName(name: string): unknown };

/**
 * Calls an actor, again on infrastructure faults, at most three times with full jitter. Only for calls that may be made twice,
 * which is all of ours: each carries its own key. The stub is made inside the loop, because one that failed stays dead.
 */
export const callActor = async <A, T>(
  namespace: Namespace,
  name: string,
  call: (actor: A) => Promise<T>,
): Promise<T> => {
  for (let attempt = 1; ; attempt++) {
    try {
      // The namespaces are typed by binding only; the contract of each actor is the interface in `schema/rpc`.
      return await call(namespace.getByName(name) as A);
    } catch (error) {
      if (attempt === TRIES || !isRetryable(error)) throw error;
      await scheduler.wait(Math.random() * BASE_MS * 2 ** attempt);
    }
  }
};
