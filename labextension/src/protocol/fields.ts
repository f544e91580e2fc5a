/** Reads JSON of an unknown form: from models, kernels, files, storages and other pages. Pure. */

export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of a JSON object; none for any other value. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}
