/** Where sealed stretches of logs lie: text by name, written once and never again. */
export type Archive = {
  /** Writes a text under a name that holds nothing yet. One that does is left as it is: read it back to see what it holds. */
  put(key: string, text: string): Promise<void>;
  /** The text under a name, or null. Rejects when it cannot be said now. */
  get(key: string): Promise<string | null>;
};

/** `log/<stream>/<from>-<to>.jsonl`: one event's body a line, exactly as it was hashed. */
export const segmentKey = (stream: string, from: number, to: number): string => `log/${stream}/${from}-${to}.jsonl`;

/** An archive in an R2 bucket. */
export const bucketArchive = (bucket: R2Bucket): Archive => ({
  async put(key, text) {
    await bucket.put(key, text, {
      onlyIf: new Headers({ "If-None-Match": "*" }),
      httpMetadata: { contentType: "application/jsonl" },
    });
  },
  async get(key) {
    const object = await bucket.get(key);
    return object === null ? null : object.text();
  },
});
