import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Sealed } from "../../schema/charges.ts";

/** Wraps and unwraps data keys. The key-encryption key never leaves whoever implements this. */
export type KeyService = {
  /** The wrapped form of a 32-byte data key, bound to a context. */
  wrap(dataKey: Uint8Array, context: string): Promise<string>;
  /** Throws when the text was not wrapped under this context by this service. */
  unwrap(wrapped: string, context: string): Promise<Uint8Array>;
};

const NONCE = 12;
const TAG = 16;
/** Unwrapped data keys held in memory, by subject. */
const MAX_CACHED = 1_000;

/** AES-256-GCM: base64url of nonce ‖ ciphertext ‖ tag, the associated data authenticated beside it. */
const encrypt = (key: Uint8Array, plain: Uint8Array, aad: string): string => {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG });
  cipher.setAAD(Buffer.from(aad, "utf8"));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString("base64url");
};

const decrypt = (key: Uint8Array, text: string, aad: string): Buffer => {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length < NONCE + TAG) throw new Error("not a sealed text");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAAD(Buffer.from(aad, "utf8"));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE, bytes.length - TAG)), decipher.final()]);
};

/** A key service over a key-encryption key of this deployment: 32 bytes, base64. */
export const localKeyService = (kek: string): KeyService => {
  const key = Buffer.from(kek, "base64");
  if (key.length !== 32) throw new Error("the key-encryption key must be 32 bytes");
  return {
    wrap: async (dataKey, context) => encrypt(key, dataKey, context),
    unwrap: async (wrapped, context) => decrypt(key, wrapped, context),
  };
};

const aadOf = (...parts: string[]): string => JSON.stringify(parts);

/**
 * Fields sealed under a data key of their subject, which this actor keeps wrapped. Deleting the subject's key row shreds every
 * field; hash chains still verify, because they are over the ciphertext.
 */
export class SealedFields {
  readonly #sql: SqlStorage;
  readonly #keys: KeyService;
  readonly #stream: string;
  readonly #cache = new Map<string, { id: string; key: Uint8Array }>();

  constructor(sql: SqlStorage, keys: KeyService, stream: string) {
    this.#sql = sql;
    this.#keys = keys;
    this.#stream = stream;
  }

  /** Seals a text for one field of one event type. Before the turn, never in it: the key service may be far away. */
  async seal(subject: string, type: string, field: string, text: string): Promise<Sealed> {
    const { id, key } = await this.#dataKey(subject);
    return { sealed: encrypt(key, Buffer.from(text, "utf8"), aadOf(this.#stream, type, field)), key: id };
  }

  /** The text; null when the subject's key is gone. Throws when the ciphertext was tampered with or belongs elsewhere. */
  async open(subject: string, type: string, field: string, sealed: Sealed): Promise<string | null> {
    const stored = await this.#storedKey(subject);
    if (stored === null || stored.id !== sealed.key) return null;
    return decrypt(stored.key, sealed.sealed, aadOf(this.#stream, type, field)).toString("utf8");
  }

  /** Destroys the subject's data key: what was sealed under it is gone. */
  shred(subject: string): void {
    this.#sql.exec("DELETE FROM subject_keys WHERE subject = ?", subject);
    this.#cache.delete(subject);
  }

  async #dataKey(subject: string): Promise<{ id: string; key: Uint8Array }> {
    const existing = await this.#storedKey(subject);
    if (existing !== null) return existing;
    const fresh = randomBytes(32);
    const wrapped = await this.#keys.wrap(fresh, aadOf(this.#stream, subject));
    // Somebody else may have made one while the key service was asked; the first one stays.
    this.#sql.exec(
      "INSERT OR IGNORE INTO subject_keys (subject, key_id, wrapped) VALUES (?, ?, ?)",
      subject,
      randomBytes(9).toString("base64url"),
      wrapped,
    );
    const stored = await this.#storedKey(subject);
    if (stored === null) throw new Error("a data key was not kept");
    return stored;
  }

  async #storedKey(subject: string): Promise<{ id: string; key: Uint8Array } | null> {
    const cached = this.#cache.get(subject);
    if (cached !== undefined) return cached;
    const row = this.#row(subject);
    if (row === null) return null;
    const found = { id: row.key_id, key: await this.#keys.unwrap(row.wrapped, aadOf(this.#stream, subject)) };
    // Shredded while the key service was asked: remembered here, the key would outlive its row.
    if (this.#row(subject)?.key_id !== row.key_id) return this.#storedKey(subject);
    this.#cache.set(subject, found);
    if (this.#cache.size > MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value ?? "");
    return found;
  }

  #row(subject: string): { key_id: string; wrapped: string } | null {
    const [row] = this.#sql
      .exec<{ key_id: string; wrapped: string }>("SELECT key_id, wrapped FROM subject_keys WHERE subject = ?", subject)
      .toArray();
    return row ?? null;
  }
}
