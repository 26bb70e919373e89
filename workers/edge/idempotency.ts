import { accept, type Result, reject } from "../../schema/rejections.ts";

/** What a route does with an `Idempotency-Key`: insists on one, takes one, or ignores it. */
export type KeyPolicy = "required" | "honoured" | "none";

const VISIBLE = /^[\x21-\x7e]{1,255}$/;
const QUOTED = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;

const malformed = (): Result<never> =>
  reject("invalid_request", "the idempotency key is malformed", {
    errors: [{ pointer: "/headers/idempotency-key", detail: "must be 1-255 visible ASCII characters" }],
  });

/**
 * Reads an `Idempotency-Key` header: a structured-field string or the bare characters, `"k"` and `k` being one key.
 * Null when there is none and none is required.
 */
export const readKey = (header: string | null, policy: KeyPolicy): Result<string | null> => {
  if (policy === "none") return accept(null);
  if (header === null) {
    return policy === "required"
      ? reject("idempotency_key_missing", "this command needs an Idempotency-Key header", {
          errors: [{ pointer: "/headers/idempotency-key", detail: "must be there" }],
        })
      : accept(null);
  }
  const text = header.trim();
  const quoted = QUOTED.exec(text);
  // A quotation mark in front promises a string: one that does not end is no key.
  if (quoted === null && text.startsWith('"')) return malformed();
  const key = quoted === null ? text : (quoted[1] ?? "").replace(/\\(["\\])/g, "$1");
  return VISIBLE.test(key) ? accept(key) : malformed();
};
