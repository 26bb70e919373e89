import { hashParts } from "../../schema/ids.ts";

/**
 * The house's name for an instrument: a hash of the connector and the provider's fingerprint, so that whatever a provider puts into
 * a fingerprint, nothing of it reaches a log.
 */
export const houseFingerprint = (connector: string, providersFingerprint: string): string => {
  const hash = Buffer.from(hashParts("instrument", connector, providersFingerprint));
  return `fp_${hash.toString("hex").slice(0, 32)}`;
};
