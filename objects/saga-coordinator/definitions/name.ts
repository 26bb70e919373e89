import type { SagaDefinition } from "./definition.ts";

/** What tells one definition from every other: kind, version and the names of the steps, all of them in a saga's first entry. */
export const nameOf = ({
  kind,
  version,
  steps,
}: Pick<SagaDefinition, "kind" | "version"> & { steps: readonly { name: string }[] }) =>
  `${kind}/${version}: ${steps.map(({ name }) => name).join(" ")}`;
