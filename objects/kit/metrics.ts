/** One line of JSON a measurement, for whatever collects the logs. Nothing personal belongs in a label. */
export const metric = (name: string, value: number, labels: Readonly<Record<string, string | number>> = {}): void => {
  console.log(JSON.stringify({ metric: name, value, ...labels }));
};
